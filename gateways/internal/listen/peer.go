package listen

import (
	"net"
	"net/netip"
	"runtime/debug"
)

// PeerPrefix is what counts as one peer: an IPv4 address, or the /64 of an IPv6 address,
// which is the least that anybody gets. Of anything else it is the zero Prefix.
func PeerPrefix(a net.Addr) netip.Prefix { return prefixOf(a) }

func prefixOf(a net.Addr) netip.Prefix {
	if a == nil {
		return netip.Prefix{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := ap.Addr().Unmap().WithZone(""), 32
	if ip.Is6() {
		bits = 64
		if ip.IsLoopback() {
			bits = 128
		}
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func stack() string {
	b := debug.Stack()
	return string(b[:min(len(b), 4<<10)])
}
