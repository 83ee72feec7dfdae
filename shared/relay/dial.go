package relay

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// connectTime is how long one address may take to answer.
const connectTime = 30 * time.Second

// Security is how well a connection must be kept from others.
type Security uint8

// From the least to the most.
const (
	// Opportunistic takes TLS where the host has it, whatever its certificate.
	//
	// RFC 7435: what nobody verifies still keeps out who only listens.
	Opportunistic Security = iota
	// Encrypted asks for TLS, whatever the certificate.
	Encrypted
	// Verified asks for a certificate of the host's name by a known authority.
	Verified
)

// Dialer makes connections. Safe for concurrent use.
type Dialer struct {
	Hello string // our name in EHLO
	// Dial makes a connection; nil: as the system does. It may have its own source address.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is what all connections begin with: authorities, a client certificate; may be nil.
	TLS *tls.Config
}

var noTLS = Reply{554, "5.7.10", "The host offers no encryption, which is asked for"}

// To connects to the first address of a target that answers. The error is that of the last
// one; a Reply when a peer refused to talk to us.
func (d *Dialer) To(ctx context.Context, t Target, s Security) (c *Conn, err error) {
	for _, addr := range t.Addrs {
		if c, err = d.one(ctx, addr, t.Host, s); err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	return nil, err
}

func (d *Dialer) one(ctx context.Context, addr netip.AddrPort, host string, s Security) (*Conn, error) {
	c, err := d.start(ctx, addr, host)
	if err != nil {
		return nil, err
	}
	if !c.Has("STARTTLS") {
		if s > Opportunistic {
			c.Quit()
			return nil, noTLS
		}
		return c, nil
	}
	if err = c.StartTLS(d.config(host, s)); err == nil {
		return c, nil
	}
	c.Abort()
	if s > Opportunistic || ctx.Err() != nil {
		return nil, err
	}
	// Its TLS is broken. That is no reason to keep the mail: anybody who could make us go
	// on in clear could have hidden STARTTLS before.
	return d.start(ctx, addr, host)
}

// smart connects to a smarthost.
func (d *Dialer) smart(ctx context.Context, t Target, h *Smarthost) (c *Conn, err error) {
	if !h.Implicit {
		return d.To(ctx, t, h.Security)
	}
	over := *d
	over.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(conn, d.config(h.Host, h.Security))
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return secure, nil
	}
	for _, addr := range t.Addrs {
		if c, err = over.start(ctx, addr, t.Host); err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	return nil, err
}

func (d *Dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.Dial != nil {
		return d.Dial(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

func (d *Dialer) start(ctx context.Context, addr netip.AddrPort, host string) (*Conn, error) {
	connect, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := d.dial(connect, "tcp", addr.String())
	if err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "relay: connect")
	}
	return Start(ctx, conn, host, d.Hello)
}

// config is TLS for a host.
func (d *Dialer) config(host string, s Security) *tls.Config {
	cfg := &tls.Config{}
	if d.TLS != nil {
		cfg = d.TLS.Clone()
	}
	cfg.ServerName = host
	if s < Verified {
		// Who is there is not known anyway: the name came from the DNS. Nothing is gained by
		// refusing a certificate that most hosts have made themselves.
		cfg.InsecureSkipVerify = true
	}
	return cfg
}
