package login

import (
	"crypto/tls"
	"net"
)

// Peer is who logs in, and over what.
type Peer struct {
	Addr net.Addr
	tls  *tls.ConnectionState // nil without TLS
}

// PeerOf gives the peer of a connection. Where TLS is to be bound to, it must be the
// *tls.Conn, after its handshake.
func PeerOf(c net.Conn) Peer {
	p := Peer{Addr: c.RemoteAddr()}
	if t, ok := c.(*tls.Conn); ok {
		state := t.ConnectionState()
		p.tls = &state
	}
	return p
}

// binding gives what SCRAM-SHA-256-PLUS binds to, nil where there is nothing unique to the
// connection: without TLS, and in TLS 1.2 without the extended master secret.
//
// RFC 9266, section 2: the label is "EXPORTER-Channel-Binding", the context a zero-length
// string, the length 32 octets.
func (p Peer) binding() []byte {
	if p.tls == nil {
		return nil
	}
	b, err := p.tls.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
	if err != nil {
		return nil
	}
	return b
}
