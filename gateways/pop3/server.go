// Package pop3 is the POP3 gateway: RFC 1939 with the extensions that clients use
// (RFC 2449, 2595, 3206, 5034, 6856). A session is a view of the account's INBOX as it
// was at login. Nothing is locked: blobs don't change, so what the view shows can be
// read whatever others do meanwhile, and deletions take place at QUIT, all or none.
package pop3

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
)

// Limits of a session, beside those of Config.
const (
	patience  = 2 * time.Minute // for a client that takes nothing of what is sent
	commit    = time.Minute     // for opening an account, and for deleting at QUIT
	maxBad    = 20              // lines that break the protocol
	maxLogins = 5               // failed logins

	inBuffer  = 4 << 10
	outBuffer = 8 << 10
)

// Goodbye is what a listener tells a peer that comes while it drains.
const Goodbye = "-ERR [SYS/TEMP] Shutting down\r\n"

// Config is what the gateway needs.
type Config struct {
	Accounts *account.Store
	Login    *login.Login
	TLS      *tls.Config // for STLS; nil: not offered, so that clear listeners let nobody in
	Log      *slog.Logger
	Metrics  *Metrics // may be nil
	// LoginTime is how long a client may take from the connection to its login. 0: 3 minutes.
	LoginTime time.Duration
	// IdleTime is how long a client that is logged in may take for its next line. 0: 10
	// minutes, less than which it should not be.
	//
	// RFC 1939, section 3: Such a timer MUST be of at least 10 minutes' duration.
	IdleTime time.Duration
}

// Server serves POP3 to any number of connections.
type Server struct {
	login     *login.Login
	tls       *tls.Config
	log       *slog.Logger
	metrics   *Metrics
	loginTime time.Duration
	idleTime  time.Duration
	bodies    sync.Pool // of *bufio.Reader, for messages on their way
	open      func(ctx context.Context, id *directory.Identity, session string) (*maildrop, error)
}

// New makes a server.
func New(c Config) *Server {
	return &Server{
		login: c.Login, tls: c.TLS, log: c.Log, metrics: c.Metrics,
		loginTime: cmp.Or(c.LoginTime, 3*time.Minute),
		idleTime:  cmp.Or(c.IdleTime, 10*time.Minute),
		open: func(ctx context.Context, id *directory.Identity, session string) (*maildrop, error) {
			return openInbox(ctx, c.Accounts, id, session)
		},
	}
}

// Handle serves one connection until its end; it is a listen.Server's Handler. A
// connection whose handshake is done must be a *tls.Conn.
func (s *Server) Handle(ctx context.Context, conn net.Conn) {
	_, secure := conn.(*tls.Conn)
	s.serve(ctx, conn, secure)
}

func (s *Server) serve(ctx context.Context, conn net.Conn, secure bool) {
	name := rand.Text()[:12]
	c := &session{
		Server: s,
		ctx:    ctx,
		name:   name,
		log:    s.log.With("session", name),
		raw:    conn,
		secure: secure,
		until:  time.Now().Add(s.loginTime),
		over:   make(chan struct{}),
	}
	c.setConn(conn)
	c.run()
}

// setConn makes conn what the session speaks through. Whatever was read from another
// before is forgotten.
func (s *session) setConn(conn net.Conn) {
	s.conn = conn
	s.in = bufio.NewReaderSize(conn, inBuffer)
	s.out = bufio.NewWriterSize(patientWriter{conn, patience}, outBuffer)
}
