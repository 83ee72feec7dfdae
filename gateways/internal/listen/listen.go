// Package listen accepts connections for a gateway: the PROXY protocol of a load balancer,
// TLS from the first byte where that is wanted, limits, and an end in which sessions can
// say goodbye.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits that apply where a Server leaves them zero.
const (
	DefaultMaxConns = 2000
	DefaultMaxPerIP = 100
)

// handshakeTime is how long a peer may take for a TLS handshake.
const handshakeTime = 30 * time.Second

// Server listens on one port. Its fields must not change after Listen.
type Server struct {
	Name     string      // of the listener, in logs and metrics
	Addr     string      // host:port
	TLS      *tls.Config // used here if Implicit; a gateway with STARTTLS has it for itself
	Implicit bool        // the handshake comes first; the handler then gets a *tls.Conn that has done it
	// Handler serves one connection, which is closed when it returns. Its context ends
	// when a shutdown's patience does; Draining tells that the session should end before.
	Handler func(ctx context.Context, c net.Conn)
	// Proxy are the addresses of load balancers. If there are any, no other may connect,
	// and theirs begin with a header of the PROXY protocol, version 2, of at most 4 KiB,
	// within five seconds and before TLS. The handler sees the address in it as the
	// connection's, and so does MaxPerIP. A connection that the balancer opens for itself
	// (LOCAL: a health check) keeps the balancer's address and counts for no peer.
	//
	// QUIRK: AWS's Network Load Balancer holds the header back until the client has sent
	// something, while a client of SMTP, POP3 and IMAP waits for a greeting, unless TLS is
	// implicit. Its target group must have the attribute
	// proxy_protocol_v2.client_to_server.header_placement set to on_first_ack.
	Proxy []netip.Prefix
	// Refusal is what a peer over a limit is told before it is hung up on. It is not
	// sent where TLS is implicit.
	Refusal string
	// Goodbye is what a peer is told that connects while the server drains, over TLS where
	// that is implicit. Empty: Refusal.
	Goodbye string
	// Spread is the time over which a shutdown tells the sessions to end, and for which the
	// port stays open at least (see Shutdown). 0: all at once, and it is closed at once.
	Spread   time.Duration
	MaxConns int // at the same time, those whose header is awaited included
	MaxPerIP int // of one IPv4 address or IPv6 /64; loopback has no such limit
	Log      *slog.Logger
	Metrics  *Metrics // may be nil

	listener net.Listener
	ctx      context.Context // of all handlers
	cancel   context.CancelFunc
	draining chan struct{} // closed when a shutdown begins
	closed   chan struct{} // closed when the port is
	sessions sync.WaitGroup
	turned   sync.WaitGroup // guests that are only told goodbye

	mu         sync.Mutex
	guests     map[*guest]struct{}
	farewells  int // of the guests
	perPeer    map[netip.Prefix]int
	drainBegan time.Time
}

// Listen opens the port.
func (s *Server) Listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.Addr)
	if err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "listen: "+s.Name)
	}
	s.Start(l)
	return nil
}

// Start takes a port that is open, instead of Listen.
func (s *Server) Start(l net.Listener) {
	if s.MaxConns == 0 {
		s.MaxConns = DefaultMaxConns
	}
	if s.MaxPerIP == 0 {
		s.MaxPerIP = DefaultMaxPerIP
	}
	s.listener = l
	s.guests, s.perPeer = map[*guest]struct{}{}, map[netip.Prefix]int{}
	s.draining, s.closed = make(chan struct{}), make(chan struct{})
	s.ctx, s.cancel = context.WithCancel(context.Background())
}

// Address is where the server listens, which tells the port if Addr left it open.
func (s *Server) Address() net.Addr { return s.listener.Addr() }

// Serve accepts connections until Shutdown closes the port; then it returns nil.
func (s *Server) Serve() error {
	var pause time.Duration
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accept(c)
		case s.isShut() || errors.Is(err, net.ErrClosed):
			return nil
		default: // out of file descriptors and the like: it may pass
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.Log.Warn("accept failed", "listener", s.Name, "error", err)
			select {
			case <-time.After(pause):
			case <-s.closed:
			}
		}
	}
}

// Handshake does the server's side of a TLS handshake within handshakeTime. A drain ends
// it: nothing was said yet that could be lost.
func Handshake(ctx context.Context, t *tls.Conn) error {
	hs, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	go func() {
		select {
		case <-Draining(ctx):
			cancel()
		case <-hs.Done():
		}
	}()
	return t.HandshakeContext(hs)
}
