// Package imap is the IMAP gateway: IMAP4rev2 and IMAP4rev1 for mail clients, over the
// account store. It is in layers:
//
//   - wire is the syntax: what commands and responses are made of;
//   - conn and input are the connection: who may write when, how long a client may take, and
//     how it is told that the session ends;
//   - command frames one command after the other, so that no octet of one that was refused
//     is ever taken for a command;
//   - session answers them, one file for each, strictly in the order in which they came.
//
// Commands may be pipelined; what answers them goes out when there is no more to read, or
// when much has been collected.
package imap

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/sharing"
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
	// Limits gives the quotas in force for the account.
	Limits(ctx context.Context, id *directory.Identity) (directory.Limits, error)
}

// Config is what a gateway needs.
type Config struct {
	Accounts *account.Store
	Blobs    blob.Store
	Login    *login.Login
	Quota    Quota
	Sharing  *sharing.Sharing
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
	commands map[string]handler
	sessions atomic.Uint64
	panics   *prometheus.CounterVec
	out      wire.Buffers
	in       inputs
	buffers  sync.Pool // of compression
	readers  chan struct{}
	columns  *columnCache
	progress time.Duration // between two words to a client that waits
}

// New makes a gateway.
func New(cfg Config) *Gateway {
	g := &Gateway{cfg: cfg, commands: handlers(), readers: make(chan struct{}, gatewayReaders), columns: newColumnCache(), progress: progressTime,
		panics: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_imap_panics_total",
			Help: "IMAP sessions ended by a defect, by command."}, []string{"command"})}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(g.panics)
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
// of the session before is left, what the client has sent in clear behind it included, and
// there is no second greeting.
//
// RFC 9051, section 6.2.1: Once TLS has been started, the client MUST discard cached information about server capabilities and SHOULD reissue the CAPABILITY command.
func (g *Gateway) run(ctx context.Context, c net.Conn, secure, greeted bool) (startTLS bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := g.newSession(ctx, newConn(c, &g.out), secure)
	go s.watch()
	s.serve(greeted)
	close(s.conn.closed)
	if !s.wantsTLS {
		_ = c.Close()
	}
	s.end()
	return s.wantsTLS
}

func (g *Gateway) now() time.Time {
	if g.cfg.Now == nil {
		return time.Now()
	}
	return g.cfg.Now()
}
