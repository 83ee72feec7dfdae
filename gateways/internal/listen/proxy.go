package listen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// Limits of a PROXY header.
const (
	// The PROXY protocol, section 2: The receiver may apply a short timeout and decide to abort the connection if the protocol header is not seen within a few seconds (at least 3 seconds to cover a TCP retransmit).
	proxyTime  = 5 * time.Second
	maxProxied = 4 << 10 // octets after the first 16; addresses take up to 216, the rest are TLVs
)

const (
	proxySignature = "\r\n\r\n\x00\r\nQUIT\n"
	proxyFixed     = 16 // signature, version and command, family, length
)

var (
	errNoHeader = errors.New("listen: hung up before a PROXY header")
	errProxy    = errors.New("listen: no PROXY header of version 2")
)

// readProxy reads the header that a load balancer sends first, and no octet more. It
// gives the address of the peer, or the zero AddrPort for a connection of the balancer's
// own. TLVs are passed over.
//
// The PROXY protocol, section 2.2: The receiver must also reject incoming connections containing partial protocol headers.
func readProxy(r io.Reader) (netip.AddrPort, error) {
	var fixed [proxyFixed]byte
	if n, err := io.ReadFull(r, fixed[:]); n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return netip.AddrPort{}, errNoHeader
	} else if err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen: PROXY header: %w", err)
	}
	// The PROXY protocol, section 2.2: The highest four bits contains the version. As of this specification, it must always be sent as \x2 and the receiver must only accept this value.
	if !strings.HasPrefix(string(fixed[:]), proxySignature) || fixed[12]>>4 != 2 {
		return netip.AddrPort{}, errProxy
	}
	length := binary.BigEndian.Uint16(fixed[14:])
	if length > maxProxied {
		return netip.AddrPort{}, fmt.Errorf("listen: PROXY header: %d octets are too many", length)
	}
	block := make([]byte, length)
	if _, err := io.ReadFull(r, block); err != nil {
		return netip.AddrPort{}, fmt.Errorf("listen: PROXY header: %w", err)
	}
	switch command := fixed[12] & 15; command {
	case 0:
		// The PROXY protocol, section 2.2: LOCAL [...] The receiver must accept this connection as valid and must use the real connection endpoints and discard the protocol block including the family which is ignored.
		return netip.AddrPort{}, nil
	case 1:
		return proxiedPeer(fixed[13], block)
	default:
		return netip.AddrPort{}, fmt.Errorf("listen: PROXY header: command %d", command)
	}
}

// proxiedPeer is the source address in the block of a PROXY command. There is no peer of
// a mail service but one over TCP: what a balancer can't name is refused, because its
// address would escape all limits.
//
// The PROXY protocol, section 2.2: UNSPEC [...] For other commands, the receiver is free to accept the connection anyway and use the real endpoints addresses or to reject the connection.
func proxiedPeer(family byte, block []byte) (netip.AddrPort, error) {
	size := 0
	switch family {
	case 0x11: // TCP over IPv4
		size = 4
	case 0x21: // TCP over IPv6
		size = 16
	default:
		return netip.AddrPort{}, fmt.Errorf("listen: PROXY header: family %#x is not TCP over IP", family)
	}
	if len(block) < 2*size+4 {
		return netip.AddrPort{}, fmt.Errorf("listen: PROXY header: %d octets are too few for family %#x", len(block), family)
	}
	ip, _ := netip.AddrFromSlice(block[:size])
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(block[2*size:])), nil
}

// fromBalancer tells whether a connection comes from one of the addresses in Proxy.
func (s *Server) fromBalancer(a net.Addr) bool {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return false
	}
	ip := ap.Addr().Unmap().WithZone("")
	for _, p := range s.Proxy {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// relayed is a connection whose peer is behind the load balancer.
type relayed struct {
	net.Conn
	peer net.Addr
}

func (r relayed) RemoteAddr() net.Addr { return r.peer }

// unwrap reads the PROXY header of g, if there has to be one. The connection that it gives
// has the peer's address; own tells that it is the balancer's own. Nothing is said before,
// and being told to end cuts the wait short.
//
// The PROXY protocol, section 2: The receiver MUST NOT start processing the connection before it receives a complete and valid PROXY protocol header.
func (s *Server) unwrap(g *guest) (c net.Conn, own bool, err error) {
	if len(s.Proxy) == 0 {
		return g.Conn, false, nil
	}
	s.mu.Lock()
	g.waiting = !g.isTold()
	deadline := time.Now()
	if g.waiting {
		deadline = deadline.Add(proxyTime)
	}
	err = g.SetReadDeadline(deadline)
	s.mu.Unlock()
	if err != nil { // it is closed already
		return nil, false, errNoHeader
	}
	peer, err := readProxy(g.Conn)
	s.mu.Lock()
	g.waiting = false
	s.mu.Unlock()
	_ = g.SetReadDeadline(time.Time{}) // fails only on what is closed, of which the next read tells
	switch {
	case err != nil:
		return nil, false, err
	case !peer.IsValid():
		return g.Conn, true, nil
	}
	return relayed{g.Conn, net.TCPAddrFromAddrPort(peer)}, false, nil
}
