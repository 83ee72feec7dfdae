package mtasts_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/certtest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mtasts"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
)

const policy = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: B\u00fccher.example\r\nmax_age: 604800\r\n"

func TestPolicies(t *testing.T) {
	for text, want := range map[string]string{
		policy: "enforce [mail.example.com *.example.net xn--bcher-kva.example] 168h0m0s",
		"max_age:1\nmode: testing\nunknown: x\nmode: enforce\nversion:STSv1\nmx:a.test": "testing [a.test] 1s",
		"version: STSv1\nmode: none\nmax_age: 99999999":                                 "none [] 8766h0m0s",
		"version: STSv1\nmode: enforce\nmax_age: 86400":                                 "invalid",
		"version: STSv1\nmode: enforce\nmx: *\nmax_age: 86400":                          "invalid",
		"version: STSv1\nmode: maybe\nmx: a.test\nmax_age: 86400":                       "invalid",
		"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1":                        "invalid",
		"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 99999999999999999999":      "invalid",
		"version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1":                         "invalid",
		policy + strings.Repeat("x: y\n", 14_000):                                       "invalid",
		policy + strings.Repeat("\n", 1_000):                                            "invalid",
		"":                                                                              "invalid",
	} {
		p, err := mtasts.Parse([]byte(text))
		got := "invalid"
		if err == nil {
			got = fmt.Sprint(p.Mode, " ", p.Hosts, " ", p.MaxAge)
		} else if !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%.40q: %v", text, err)
		}
		if got != want {
			t.Errorf("%.60q: %s, want %s", text, got, want)
		}
	}
}

func TestHostsMatchAPolicy(t *testing.T) {
	p, err := mtasts.Parse([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"mail.example.com": true, "MAIL.example.com.": true, "a.example.net": true, "a.b.example.net": false, "example.net": false,
		"other.example.com": false, "amail.example.com": false, "": false, "net": false} {
		if p.Match(host) != want {
			t.Errorf("%q: %t", host, !want)
		}
	}
}

func TestRecords(t *testing.T) {
	for text, want := range map[string]string{
		"v=STSv1; id=20160831085700Z;": "20160831085700Z", "v=STSv1;id=1": "1", "v=STSv1 ; x=y; id=a ;": "a",
		"v=STSv1;": "", "v=STSv1; id=a-b": "", "id=1; v=STSv1": "", "v=STSv2; id=1": "", "": "", "v=STSv1; id=" + strings.Repeat("x", 33): "",
	} {
		if got := mtasts.ParseRecord([]string{"v=spf1 -all", text}); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := mtasts.ParseRecord([]string{"v=STSv1; id=1", "v=STSv1; id=1"}); got != "" {
		t.Errorf("two records: %q", got)
	}
}

// web is a domain's web server, and the DNS.
type web struct {
	*portstest.World
	zone    *resolvertest.Server
	text    string // "" is broken
	fetched int
}

// cache is a process of its own.
func (w *web) cache(t *testing.T) *mtasts.Cache {
	cfg := resolver.Config{Servers: w.zone.Servers(), Cache: -1}
	return &mtasts.Cache{Records: w.Records, Resolver: resolver.New(cfg), Now: w.Clock.Now, Fetch: func(_ context.Context, domain string) ([]byte, error) {
		if w.fetched++; domain != "example.com" || w.text == "" {
			return nil, kinds.Errorf(kinds.Unavailable, "broken")
		}
		return []byte(w.text), nil
	}}
}

func (w *web) expect(t *testing.T, c *mtasts.Cache, when string, mode mtasts.Mode, trouble kinds.Kind, fetched int) {
	t.Helper()
	found, err := c.Find(t.Context(), "Example.com")
	var got mtasts.Mode
	if found.Policy != nil {
		got = found.Policy.Mode
	}
	if err != nil || got != mode || (found.Trouble != nil) != (trouble != kinds.Internal) || found.Trouble != nil && !kinds.Is(found.Trouble, trouble) || w.fetched != fetched {
		t.Errorf("%s: mode %q, trouble %v, %v; fetched %d times", when, got, found.Trouble, err, w.fetched)
	}
}

func TestAPolicyIsKeptAndRefreshed(t *testing.T) {
	const fine = kinds.Internal
	w := &web{World: portstest.New(t), zone: resolvertest.Start(t), text: policy}
	c := w.cache(t)
	w.expect(t, c, "nothing announced", "", fine, 0)
	w.zone.Add(t, "_mta-sts.example.com. 1 IN TXT \"v=STSv1; id=1\"")
	w.expect(t, c, "within five minutes nobody looks", "", fine, 0)
	w.Clock.Advance(6 * time.Minute)
	w.expect(t, c, "announced", mtasts.Enforce, fine, 1)
	c = w.cache(t)
	w.expect(t, c, "another process", mtasts.Enforce, fine, 1)
	w.text = ""
	w.zone.Remove("_mta-sts.example.com")
	w.zone.Add(t, "_mta-sts.example.com. 1 IN TXT \"v=STSv1; id=2\"")
	w.Clock.Advance(6 * time.Minute)
	w.expect(t, c, "the new one can't be had", mtasts.Enforce, kinds.Unavailable, 2)
	w.expect(t, c, "it is not tried again at once", mtasts.Enforce, kinds.Unavailable, 2)
	w.Clock.Advance(6 * time.Minute)
	w.text = "nonsense"
	w.expect(t, c, "the new one is none", mtasts.Enforce, kinds.Invalid, 3)
	w.Clock.Advance(6 * time.Minute)
	w.text = strings.Replace(policy, "enforce", "testing", 1)
	w.expect(t, c, "the new one", mtasts.Testing, fine, 4)
	w.Clock.Advance(25 * time.Hour)
	w.expect(t, c, "a day later it is fetched again", mtasts.Testing, fine, 5)
	w.zone.Remove("_mta-sts.example.com")
	w.Clock.Advance(6 * 24 * time.Hour)
	w.expect(t, c, "who takes the record away takes no policy away", mtasts.Testing, fine, 5)
	w.zone.Break("_mta-sts.example.com", true)
	w.Clock.Advance(6 * time.Minute)
	w.expect(t, c, "nor who keeps the DNS from answering", mtasts.Testing, fine, 5)
	w.Clock.Advance(2 * 24 * time.Hour)
	w.expect(t, c, "it is over", "", fine, 5)
}

func TestPoliciesAreFetchedSafely(t *testing.T) {
	ca := certtest.New(t)
	zone := resolvertest.Start(t, "mta-sts.inside.test. 300 IN A 127.0.0.1")
	for _, name := range []string{"good", "other", "redirect", "gone", "html", "large"} {
		zone.Add(t, "mta-sts."+name+".test. 300 IN A 127.9.9.9")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		switch r.Host + r.URL.Path {
		case "mta-sts.good.test/.well-known/mta-sts.txt", "mta-sts.inside.test/.well-known/mta-sts.txt":
			_, _ = io.WriteString(w, policy)
		case "mta-sts.redirect.test/.well-known/mta-sts.txt":
			http.Redirect(w, r, "https://mta-sts.good.test/.well-known/mta-sts.txt", http.StatusFound)
		case "mta-sts.html.test/.well-known/mta-sts.txt":
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, policy)
		case "mta-sts.large.test/.well-known/mta-sts.txt":
			_, _ = io.WriteString(w, strings.Repeat(policy, 10_000))
		default:
			http.NotFound(w, r)
		}
	}))
	l, err := net.Listen("tcp", "127.9.9.9:0")
	if err != nil {
		t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener, server.Config.ErrorLog = l, log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "mta-sts.good.test", "mta-sts.inside.test", "mta-sts.redirect.test", "mta-sts.gone.test", "mta-sts.html.test", "mta-sts.large.test")}}
	server.StartTLS()
	defer server.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.Atoi(port)
	f := &mtasts.Fetcher{TLS: &tls.Config{RootCAs: ca.Pool()},
		Guard: &resolver.Guard{Resolver: zone.Resolver(t), Port: uint16(n), Allow: []netip.Prefix{netip.MustParsePrefix("127.9.0.0/16")}}}
	for domain, want := range map[string]string{"good.test": "policy", "other.test": "denied", "redirect.test": "unavailable", "gone.test": "unavailable", "html.test": "invalid",
		"large.test": "invalid", "inside.test": "unavailable", "nobody.test": "unavailable"} {
		text, err := f.Fetch(t.Context(), domain)
		if err == nil {
			_, err = mtasts.Parse(text)
		}
		got := "policy"
		if err != nil {
			got = kinds.Of(err).String()
		}
		if got != want {
			t.Errorf("%s: %s (%v), want %s", domain, got, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(policy))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := mtasts.Parse(text)
		if err != nil {
			return
		}
		if p.Mode != mtasts.None && len(p.Hosts) == 0 || p.MaxAge < 0 || len(p.Lines) > 20 {
			t.Errorf("%+v", p)
		}
		for _, h := range append(p.Hosts, p.Lines...) {
			if strings.ContainsAny(h, "\r\n") {
				t.Errorf("%q", h)
			}
		}
	})
}
