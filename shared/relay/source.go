package relay

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// DialFrom makes connections from one of our addresses, by chance; nil where there are none,
// and the system chooses. An address of a family of which we have none is not connected to:
// it would see one of ours that nobody has named, in no SPF record.
func DialFrom(sources []netip.Addr) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if len(sources) == 0 {
		return nil
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, kinds.Wrap(kinds.Internal, err, "relay: an address")
		}
		var fit []netip.Addr
		for _, a := range sources {
			if a.Unmap().Is4() == to.Addr().Unmap().Is4() {
				fit = append(fit, a.Unmap())
			}
		}
		if len(fit) == 0 {
			return nil, kinds.Errorf(kinds.Unavailable, "relay: none of our addresses is of the family of %s", to.Addr())
		}
		from := net.TCPAddrFromAddrPort(netip.AddrPortFrom(fit[rand.N(len(fit))], 0))
		return (&net.Dialer{LocalAddr: from}).DialContext(ctx, network, addr)
	}
}
