package resolver

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// special are networks in which no host of others is: RFC 6890 and its registry, as far as
// netip does not know them.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fec0::/10"),
}

// Public tells whether an address is one of the internet's. Who names a host in the DNS must
// not make us talk to what is ours alone, such as the metadata service of a cloud.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	// An IPv4 address within an IPv6 one (NAT64, 6to4) is judged by what it is.
	if b := a.As16(); a.Is6() && netip.MustParsePrefix("64:ff9b::/96").Contains(a) {
		a = netip.AddrFrom4([4]byte(b[12:]))
	} else if a.Is6() && b[0] == 0x20 && b[1] == 0x02 {
		a = netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Within tells whether one of the networks has the address.
func Within(a netip.Addr, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Limits of a Guard.
const (
	maxTried = 4 // addresses of one host
	eachTime = 15 * time.Second
)

// Guard connects to hosts of others by their names, to public addresses only.
type Guard struct {
	Resolver *Resolver
	Allow    []netip.Prefix // networks that may be connected to although they are not public
	Port     uint16         // to which all connections go; 0: the one that is asked for
}

// Dial is as of net.Dialer. kinds.Denied when the host is at no public address.
func (g *Guard) Dial(ctx context.Context, network, at string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return nil, err
	}
	if g.Port != 0 {
		port = strconv.Itoa(int(g.Port))
	}
	var addrs []netip.Addr
	if literal, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{literal}
	} else if addrs, _, err = g.Resolver.Addrs(ctx, host); err != nil {
		return nil, err
	}
	last := error(kinds.Errorf(kinds.Denied, "resolver: %s is at no public address", host))
	for _, a := range addrs[:min(len(addrs), maxTried)] {
		if !Public(a) && !Within(a, g.Allow) {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, eachTime)
		conn, err := new(net.Dialer).DialContext(limited, network, net.JoinHostPort(a.String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}
