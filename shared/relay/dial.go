package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
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
	// Verified asks for a certificate of the host's name by a known authority, or of its TLSA
	// records where it has some (DANE).
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
	return d.to(ctx, t, demand{Security: s})
}

func (d *Dialer) to(ctx context.Context, t Target, want demand) (c *Conn, err error) {
	for _, addr := range t.Addrs {
		if c, err = d.one(ctx, addr, t.Host, want); err == nil || ctx.Err() != nil {
			return c, err
		}
	}
	return nil, err
}

// one connects to an address, and tells what came of TLS.
func (d *Dialer) one(ctx context.Context, addr netip.AddrPort, host string, want demand) (*Conn, error) {
	c, err := d.start(ctx, addr, host)
	if err != nil {
		return nil, err
	}
	if !c.Has("STARTTLS") {
		want.told(c, noTLS)
		if want.Security > Opportunistic {
			c.Quit()
			return nil, noTLS
		}
		return c, nil
	}
	var verified error // why the certificate is not
	err = c.StartTLS(d.config(host, want, &verified))
	switch {
	case err != nil:
		want.told(c, err)
	case want.watched:
		want.told(c, verified)
	default:
		want.told(c, nil)
	}
	if err == nil {
		return c, nil
	}
	c.Abort()
	if want.Security > Opportunistic || ctx.Err() != nil {
		return nil, err
	}
	// Its TLS is broken, and no policy asks for it. That is no reason to keep the mail: anybody
	// who could make us go on in clear could have hidden STARTTLS before.
	return d.start(ctx, addr, host)
}

// told tells what came of TLS on a connection.
func (want *demand) told(c *Conn, err error) {
	if want.tell == nil {
		return
	}
	s := Session{Domain: want.domain, Policy: want.applied, Host: c.Host, Remote: ipOf(c.conn.RemoteAddr()), Local: ipOf(c.conn.LocalAddr())}
	if err != nil {
		s.Result, s.Why = resultOf(err), clean(err.Error())
	}
	want.tell(s)
}

func ipOf(a net.Addr) string {
	if at, err := netip.ParseAddrPort(a.String()); err == nil {
		return at.Addr().Unmap().String()
	}
	return ""
}

// resultOf is the result type of RFC 8460, section 4.3, of an error in TLS.
func resultOf(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == error(noTLS):
		return "starttls-not-supported"
	case errors.As(err, &name):
		return "certificate-host-mismatch"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate-expired"
	case errors.As(err, &invalid), errors.As(err, &unknown):
		return "certificate-not-trusted"
	}
	return "validation-failure"
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
		secure := tls.Client(conn, d.config(h.Host, demand{Security: h.Security}, new(error)))
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

// config is TLS for a host. Why its certificate is not verified is left in verified; the
// handshake fails by it where that is asked for.
func (d *Dialer) config(host string, want demand, verified *error) *tls.Config {
	cfg := &tls.Config{}
	if d.TLS != nil {
		cfg = d.TLS.Clone()
	}
	cfg.ServerName = host
	if want.dane != nil {
		cfg.ServerName = want.dane.base // RFC 7672, section 8.1
	}
	// In the end it is verified below. Where nothing asks for that, nothing is gained by refusing
	// a certificate that most hosts have made themselves: the name came from the DNS anyway.
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		chain := state.PeerCertificates
		opts := x509.VerifyOptions{Roots: cfg.RootCAs, DNSName: host, Intermediates: x509.NewCertPool()}
		if cfg.Time != nil {
			opts.CurrentTime = cfg.Time()
		}
		for _, c := range chain[1:] {
			opts.Intermediates.AddCert(c)
		}
		var err error
		if want.dane != nil {
			err = want.dane.verify(chain, opts)
		} else {
			_, err = chain[0].Verify(opts)
		}
		if *verified = err; err != nil && want.Security >= Verified {
			return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
		}
		return nil
	}
	return cfg
}
