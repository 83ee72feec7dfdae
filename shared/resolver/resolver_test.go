package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
)

func TestRecordsOfEachKindAreFound(t *testing.T) {
	s := resolvertest.Start(t,
		"example.com. 300 IN MX 20 Mx2.example.com.",
		"example.com. 300 IN MX 10 mx1.example.com.",
		"example.com. 300 IN TXT \"v=spf1 \" \"-all\"",
		`semi.example.com. 300 IN TXT "p=\"x\"\; \255"`,
		"mx1.example.com. 300 IN A 192.0.2.1",
		"mx1.example.com. 300 IN AAAA 2001:db8::1",
		"4.example.com. 300 IN A 192.0.2.4",
		"null.example.com. 300 IN MX 0 .",
		"1.2.0.192.in-addr.arpa. 300 IN PTR Mx1.example.com.",
		"_25._tcp.mx1.example.com. 300 IN TLSA 3 1 1 00ff",
		"www.example.com. 300 IN CNAME mx1.example.com.",
	)
	s.Insecure("4.example.com")
	r, ctx := s.Resolver(t), t.Context()
	check := func(name string, got any, authentic bool, err error, want any, validated bool) {
		t.Helper()
		if err != nil || authentic != validated || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, authentic %t, %v; want %v, %t", name, got, authentic, err, want, validated)
		}
	}
	mx, ok, err := r.MX(ctx, "EXAMPLE.com")
	check("MX by preference", mx, ok, err, []resolver.MX{{Preference: 10, Host: "mx1.example.com"}, {Preference: 20, Host: "mx2.example.com"}}, true)
	mx, ok, err = r.MX(ctx, "null.example.com.")
	check("the null MX", mx, ok, err, []resolver.MX{{}}, true)
	txt, ok, err := r.TXT(ctx, "example.com")
	check("TXT put together", txt, ok, err, []string{"v=spf1 -all"}, true)
	txt, ok, err = r.TXT(ctx, "semi.example.com")
	check("TXT's octets", txt, ok, err, []string{"p=\"x\"; \xff"}, true)
	addrs, ok, err := r.Addrs(ctx, "www.example.com")
	check("addresses behind an alias", addrs, ok, err, []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")}, true)
	addrs, ok, err = r.Addrs(ctx, "4.example.com")
	check("an address without DNSSEC", addrs, ok, err, []netip.Addr{netip.MustParseAddr("192.0.2.4")}, false)
	names, err := r.PTR(ctx, netip.MustParseAddr("192.0.2.1"))
	check("PTR", names, true, err, []string{"mx1.example.com"}, true)
	tlsa, ok, err := r.TLSA(ctx, "mx1.example.com", "25")
	check("TLSA", len(tlsa), ok, err, 1, true)
}

func TestWhatIsNotThereIsToldFromWhatNobodyCanSay(t *testing.T) {
	s := resolvertest.Start(t, "example.com. 300 IN A 192.0.2.1", "half.example.com. 300 IN A 192.0.2.2")
	s.Break("broken.example.com", true)
	s.Silence("silent.example.com")
	patient := s.Resolver(t)
	hasty := resolver.New(resolver.Config{Servers: s.Servers(), Timeout: 100 * time.Millisecond, Validating: true})
	for name, want := range map[string]kinds.Kind{
		"nobody.example.com": kinds.NotFound, "broken.example.com": kinds.Unavailable, "silent.example.com": kinds.Unavailable,
		"a..b": kinds.Invalid, strings.Repeat("a.", 200) + "com": kinds.Invalid, strings.Repeat("a", 64) + ".com": kinds.Invalid,
	} {
		r := patient
		if name == "silent.example.com" {
			r = hasty
		}
		if _, _, err := r.TXT(t.Context(), name); !kinds.Is(err, want) {
			t.Errorf("%.40s: %v, want %v", name, err, want)
		}
		_, err := resolver.Net{Resolver: r}.LookupTXT(t.Context(), name)
		var known *net.DNSError
		if !errors.As(err, &known) || known.IsNotFound != (want == kinds.NotFound) || known.IsTemporary != (want == kinds.Unavailable) {
			t.Errorf("%.40s as of the net package: %+v", name, err)
		}
	}
	if _, authentic, err := patient.MX(t.Context(), "example.com"); !kinds.Is(err, kinds.NotFound) || !authentic {
		t.Errorf("a name without MX: %v, authentic %t", err, authentic)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := patient.TXT(ctx, "other.example.com"); !kinds.Is(err, kinds.Unavailable) {
		t.Errorf("after the caller left: %v", err)
	}
}

func TestHostileAnswersAreBounded(t *testing.T) {
	s := resolvertest.Start(t, "a.example. 300 IN CNAME b.example.", "b.example. 300 IN CNAME a.example.")
	for i := range 30 {
		s.Add(t, fmt.Sprintf("%d.long.example. 300 IN CNAME %d.long.example.", i, i+1))
		s.Add(t, fmt.Sprintf("%d.short.example. 300 IN CNAME %d.short.example.", i%5, i%5+1))
	}
	s.Add(t, "5.short.example. 300 IN A 192.0.2.5")
	for i := range 600 {
		s.Add(t, fmt.Sprintf("many.example. 300 IN A 10.0.%d.%d", i/250, i%250))
	}
	giant := strings.Repeat(` "`+strings.Repeat("x", 255)+`"`, 100)
	s.Add(t, "giant.example. 300 IN TXT"+giant)
	s.Add(t, "giant.example. 300 IN TXT small")
	r := s.Resolver(t)
	for name, want := range map[string]kinds.Kind{"a.example": kinds.Limit, "0.long.example": kinds.Limit, "many.example": kinds.Limit} {
		if _, err := r.Lookup(t.Context(), name, dns.TypeA); !kinds.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if a, err := r.Lookup(t.Context(), "0.short.example", dns.TypeA); err != nil || a.Name != "5.short.example" {
		t.Errorf("five aliases: %v, %v", a, err)
	}
	if txt, _, err := r.TXT(t.Context(), "giant.example"); err != nil || len(txt) != 1 || txt[0] != "small" {
		t.Errorf("a text of 25 KB: %d texts, %v", len(txt), err)
	}
}

func TestAnswersAreKeptForAsLongAsTheySay(t *testing.T) {
	s := resolvertest.Start(t, "short.example. 10 IN A 192.0.2.1", "long.example. 1000000 IN A 192.0.2.1", "never.example. 0 IN A 192.0.2.1")
	now := time.Unix(1_800_000_000, 0)
	r := resolver.New(resolver.Config{Servers: []netip.AddrPort{s.Addr}, Cache: 3, Now: func() time.Time { return now }})
	ask := func(name string, want int) {
		t.Helper()
		for range 3 {
			if _, err := r.Lookup(t.Context(), name, dns.TypeA); err != nil && !kinds.Is(err, kinds.NotFound) {
				t.Fatal(err)
			}
		}
		if got := s.Asked(name); got != want {
			t.Errorf("%s was asked for %d times, want %d", name, got, want)
		}
	}
	ask("short.example", 1)
	ask("long.example", 1)
	ask("nobody.example", 1)
	ask("never.example", 3)
	now = now.Add(11 * time.Second)
	ask("short.example", 2)
	ask("long.example", 1)
	now = now.Add(time.Hour)
	ask("long.example", 2)
	ask("nobody.example", 2)
	for i := range 10 {
		if _, err := r.Lookup(t.Context(), fmt.Sprintf("%d.flood.example", i), dns.TypeA); !kinds.Is(err, kinds.NotFound) {
			t.Error(err)
		}
	}
	ask("9.flood.example", 1)
}

func TestManyWhoAskTheSameAskOnce(t *testing.T) {
	s := resolvertest.Start(t, "example.com. 300 IN A 192.0.2.1")
	r := s.Resolver(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := r.Lookup(t.Context(), "example.com", dns.TypeA); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.Asked("example.com"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestTheNextServerIsAskedWhenOneFails(t *testing.T) {
	bad, good := resolvertest.Start(t), resolvertest.Start(t, "example.com. 300 IN TXT x")
	bad.Break("example.com", true)
	r := resolver.New(resolver.Config{Servers: []netip.AddrPort{bad.Addr, good.Addr}})
	if txt, authentic, err := r.TXT(t.Context(), "example.com"); err != nil || len(txt) != 1 || authentic {
		t.Errorf("%v, authentic %t, %v", txt, authentic, err)
	}
}
