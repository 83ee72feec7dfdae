package resolver

import (
	"context"
	"net"
	"net/netip"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Net is a resolver with the methods and errors of net.Resolver, for libraries that want one.
type Net struct{ *Resolver }

// LookupTXT is as of net.Resolver.
func (n Net) LookupTXT(ctx context.Context, name string) ([]string, error) {
	list, _, err := n.TXT(ctx, name)
	return list, netError(name, err)
}

// LookupMX is as of net.Resolver.
func (n Net) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	found, _, err := n.MX(ctx, name)
	list := make([]*net.MX, len(found))
	for i, mx := range found {
		list[i] = &net.MX{Host: mx.Host + ".", Pref: mx.Preference}
	}
	return list, netError(name, err)
}

// LookupIPAddr is as of net.Resolver.
func (n Net) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	found, _, err := n.Addrs(ctx, host)
	list := make([]net.IPAddr, len(found))
	for i, addr := range found {
		list[i] = net.IPAddr{IP: addr.AsSlice()}
	}
	return list, netError(host, err)
}

// LookupAddr is as of net.Resolver.
func (n Net) LookupAddr(ctx context.Context, addr string) ([]string, error) {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, &net.DNSError{Err: "no address", Name: addr}
	}
	list, err := n.PTR(ctx, ip)
	for i := range list {
		list[i] += "."
	}
	return list, netError(addr, err)
}

func netError(name string, err error) error {
	if err == nil {
		return nil
	}
	return &net.DNSError{UnwrapErr: err, Err: err.Error(), Name: name, IsNotFound: kinds.Is(err, kinds.NotFound),
		IsTemporary: kinds.Of(err).Temporary(), IsTimeout: kinds.Is(err, kinds.Unavailable)}
}
