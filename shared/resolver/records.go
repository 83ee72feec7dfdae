package resolver

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// maxText is how long the strings of one TXT record may be together.
const maxText = 16 << 10

// MX is a mail exchanger of a domain.
type MX struct {
	Preference uint16
	Host       string // without a dot at the end; "" is the null MX (RFC 7505)
}

// MX gives a domain's mail exchangers, the preferred ones first; errors as of Lookup. That
// there are none is kinds.NotFound: its address is then the exchanger (RFC 5321, section 5.1).
func (r *Resolver) MX(ctx context.Context, domain string) (list []MX, authentic bool, err error) {
	a, err := r.Lookup(ctx, domain, dns.TypeMX)
	for _, rr := range a.Records {
		mx := rr.(*dns.MX)
		list = append(list, MX{mx.Preference, strings.ToLower(strings.TrimSuffix(mx.Mx, "."))})
	}
	slices.SortStableFunc(list, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return list, a.Authentic, err
}

// Addrs gives the addresses of a host, IPv6 ones first; errors as of Lookup. An error is
// only given when no address is known.
func (r *Resolver) Addrs(ctx context.Context, host string) (list []netip.Addr, authentic bool, err error) {
	six, err6 := r.Lookup(ctx, host, dns.TypeAAAA)
	four, err4 := r.Lookup(ctx, host, dns.TypeA)
	for _, rr := range slices.Concat(six.Records, four.Records) {
		var addr netip.Addr
		var ok bool
		switch rr := rr.(type) {
		case *dns.AAAA:
			addr, ok = netip.AddrFromSlice(rr.AAAA.To16())
		case *dns.A:
			addr, ok = netip.AddrFromSlice(rr.A.To4())
		}
		if ok {
			list = append(list, addr.Unmap())
		}
	}
	if len(list) == 0 {
		// That one of the two is not there says nothing when the other is not known.
		if err = err4; kinds.Is(err4, kinds.NotFound) {
			err = err6
		}
	}
	return list, six.Authentic && four.Authentic, err
}

// TXT gives the texts of a name, the strings of each put together; errors as of Lookup. A
// text of more than 16 KiB is left out.
func (r *Resolver) TXT(ctx context.Context, name string) (list []string, authentic bool, err error) {
	a, err := r.Lookup(ctx, name, dns.TypeTXT)
	for _, rr := range a.Records {
		if text := unescape(strings.Join(rr.(*dns.TXT).Txt, "")); len(text) <= maxText {
			list = append(list, text)
		}
	}
	return list, a.Authentic, err
}

// unescape undoes what the library does to strings: \DDD and \X stand for octets.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case i+3 < len(s) && digit(s[i+1]) && digit(s[i+2]) && digit(s[i+3]):
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
			i += 3
		default:
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// PTR gives the names that an address has; errors as of Lookup.
func (r *Resolver) PTR(ctx context.Context, addr netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(addr.Unmap().WithZone("").String())
	if err != nil {
		return nil, kinds.Wrap(kinds.Invalid, err, "resolver: reverse name")
	}
	a, err := r.Lookup(ctx, name, dns.TypePTR)
	var list []string
	for _, rr := range a.Records {
		list = append(list, strings.ToLower(strings.TrimSuffix(rr.(*dns.PTR).Ptr, ".")))
	}
	return list, err
}

// TLSA gives what a port's certificate must be like; errors as of Lookup.
//
// RFC 7672, section 2.2: DNS records that would be "insecure" MUST NOT be used: Authentic says it.
func (r *Resolver) TLSA(ctx context.Context, host, port string) (list []*dns.TLSA, authentic bool, err error) {
	a, err := r.Lookup(ctx, "_"+port+"._tcp."+host, dns.TypeTLSA)
	for _, rr := range a.Records {
		list = append(list, rr.(*dns.TLSA))
	}
	return list, a.Authentic, err
}

// HasSRV tells whether a service of a domain is at a host (RFC 2782).
func (r *Resolver) HasSRV(ctx context.Context, name, host string) bool {
	a, _ := r.Lookup(ctx, name, dns.TypeSRV)
	return slices.ContainsFunc(a.Records, func(rr dns.RR) bool {
		return strings.EqualFold(strings.TrimSuffix(rr.(*dns.SRV).Target, "."), host)
	})
}
