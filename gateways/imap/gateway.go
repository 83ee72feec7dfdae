// Package imap is the IMAP gateway: IMAP4rev2 and IMAP4rev1 for mail clients, over the
// account store. It is a thin adapter over go-imap's imapserver, in two layers:
//
//   - guard sits between the socket and imapserver and sees to it that what imapserver
//     reads is one well-framed command after the other (see there);
//   - session answers the commands, one file for each.
//
// Nothing outside this package may depend on what is underneath: another engine is to take
// its place. What imapserver (v2.0.0-beta.8) can't do and the guard doesn't mend: CONDSTORE
// and QRESYNC, ID, MULTIAPPEND, the origin octet in the response to a partial BINARY, MD5
// in BODYSTRUCTURE.
package imap

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
)

// MaxAppend is the largest message that APPEND takes, in bytes.
const MaxAppend = 100 << 20

// Refusal is what a peer over a connection limit is told.
const Refusal = "* BYE [UNAVAILABLE] Too many connections, try again later\r\n"

const shuttingDown = "[UNAVAILABLE] Shutting down, try again"

// Goodbye is what a peer is told that comes while the listener drains.
const Goodbye = "* BYE " + shuttingDown + "\r\n"

// Quota is what a gateway asks about quotas; *quota.Keeper answers.
type Quota interface {
	// Room gives what is left to the account for messages of so many bytes, or kinds.Quota
	// when its domain or tenant has no room for them.
	Room(ctx context.Context, id *directory.Identity, messages, bytes int64) (account.Room, error)
}

// Config is what a gateway needs.
type Config struct {
	Accounts *account.Store
	Blobs    blob.Store
	Login    *login.Login
	Quota    Quota
	Budget   *intake.Budget // of temporary disk for APPEND
	TempDir  string         // "" is the system's
	TLS      *tls.Config    // for STARTTLS; nil: none is offered, and there is no login in clear
	Now      func() time.Time
	Log      *slog.Logger
	Metrics  prometheus.Registerer // may be nil
}

// Gateway serves IMAP connections. Safe for concurrent use.
type Gateway struct {
	cfg      Config
	caps     imap.CapSet
	sessions atomic.Uint64
	panics   *prometheus.CounterVec
}

// New makes a gateway.
func New(cfg Config) *Gateway {
	g := &Gateway{cfg: cfg, panics: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_imap_panics_total",
		Help: "IMAP sessions ended by a defect, by command."}, []string{"command"})}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(g.panics)
	}
	g.caps = imap.CapSet{}
	for _, c := range []imap.Cap{imap.CapIMAP4rev2, imap.CapIMAP4rev1, imap.CapNamespace, imap.CapUIDPlus, imap.CapESearch,
		imap.CapSearchRes, imap.CapListExtended, imap.CapListStatus, imap.CapMove, imap.CapStatusSize, imap.CapBinary,
		imap.CapChildren, imap.CapSpecialUse, imap.CapCreateSpecialUse, imap.CapLiteralPlus} {
		g.caps[c] = struct{}{}
	}
	return g
}

// Serve is a listen.Server's handler: it serves one connection to its end. A *tls.Conn is
// taken to have done its handshake; on any other there is no login before STARTTLS.
func (g *Gateway) Serve(ctx context.Context, c net.Conn) {
	if _, secure := c.(*tls.Conn); secure {
		g.run(ctx, c, true, false)
		return
	}
	if !g.run(ctx, c, false, false) {
		return
	}
	t := tls.Server(c, g.cfg.TLS)
	if err := listen.Handshake(ctx, t); err != nil {
		g.cfg.Log.Debug("TLS handshake failed", "listener", "imap", "peer", c.RemoteAddr(), "error", err)
		return
	}
	g.run(ctx, t, true, true)
	_ = t.Close()
}

// run serves c until it ends, or until the client wants TLS on it. After STARTTLS nothing
// of the session before is left, and there is no second greeting.
//
// RFC 9051, section 6.2.1: Once TLS has been started, the client MUST discard cached information about server capabilities and SHOULD reissue the CAPABILITY command.
func (g *Gateway) run(ctx context.Context, c net.Conn, secure, greeted bool) (startTLS bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newGuard(c, !secure && g.cfg.TLS != nil, greeted)
	s := g.newSession(ctx, w)
	options := &imapserver.Options{Caps: g.caps, Logger: s, InsecureAuth: secure}
	if w.offersTLS {
		options.TLSConfig = g.cfg.TLS // is only announced; the guard does it
	}
	options.NewSession = func(conn *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
		s.conn = conn
		go s.watch()
		return s, nil, nil
	}
	if err := imapserver.New(options).Serve(&once{conn: w}); err != nil {
		g.cfg.Log.Error("IMAP server", "error", err)
	}
	<-w.closed
	s.end()
	return w.wantsTLS
}

// once is a listener that gives one connection: each has a server of its own, so that
// nothing is left when it is over.
type once struct {
	conn net.Conn
}

func (o *once) Accept() (net.Conn, error) {
	c := o.conn
	if c == nil {
		return nil, net.ErrClosed
	}
	o.conn = nil
	return c, nil
}

func (o *once) Close() error   { return nil }
func (o *once) Addr() net.Addr { return nil }

var _ io.Closer = (*once)(nil)
