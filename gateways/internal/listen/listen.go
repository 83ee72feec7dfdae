// Package listen accepts connections for a gateway: TLS from the first byte where that
// is wanted, limits, and an end in which sessions can say goodbye.
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
	// when a shutdown's patience does; Draining tells that one has begun.
	Handler func(ctx context.Context, c net.Conn)
	// Refusal is what a peer over a limit is told before it is hung up on. It is not
	// sent where TLS is implicit.
	Refusal  string
	MaxConns int // at the same time
	MaxPerIP int // of one IPv4 address or IPv6 /64; loopback has no such limit
	Log      *slog.Logger
	Metrics  *Metrics // may be nil

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	perPeer  map[netip.Prefix]int
	draining chan struct{}
	ctx      context.Context // of all handlers
	cancel   context.CancelFunc
	handlers sync.WaitGroup
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
	s.conns, s.perPeer = map[net.Conn]struct{}{}, map[netip.Prefix]int{}
	s.draining = make(chan struct{})
	s.ctx, s.cancel = context.WithCancel(context.WithValue(context.Background(), drainKey{}, s.draining))
}

// Address is where the server listens, which tells the port if Addr left it open.
func (s *Server) Address() net.Addr { return s.listener.Addr() }

// Serve accepts connections until Shutdown; then it returns nil.
func (s *Server) Serve() error {
	var pause time.Duration
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = 0
			s.accept(c)
		case s.ended() || errors.Is(err, net.ErrClosed):
			return nil
		default: // out of file descriptors and the like: it may pass
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.Log.Warn("accept failed", "listener", s.Name, "error", err)
			select {
			case <-time.After(pause):
			case <-s.draining:
			}
		}
	}
}

func (s *Server) ended() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// accept starts the handler of c, or refuses c.
func (s *Server) accept(c net.Conn) {
	peer := prefixOf(c.RemoteAddr())
	s.mu.Lock()
	reason := ""
	switch {
	case s.ended():
		reason = "draining"
	case len(s.conns) >= s.MaxConns:
		reason = "total"
	case s.perPeer[peer] >= s.MaxPerIP && !peer.Addr().IsLoopback():
		reason = "per-ip"
	default:
		s.conns[c] = struct{}{}
		s.perPeer[peer]++
		s.handlers.Add(1)
	}
	s.mu.Unlock()
	if reason != "" {
		s.Metrics.refused(s.Name, reason)
		s.Log.Warn("connection refused", "listener", s.Name, "reason", reason, "peer", c.RemoteAddr())
		if s.Refusal != "" && !s.Implicit {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = c.Write([]byte(s.Refusal))
		}
		c.Close()
		return
	}
	s.Metrics.opened(s.Name)
	go func() {
		defer s.done(c, peer)
		s.handle(c)
	}()
}

func (s *Server) done(c net.Conn, peer netip.Prefix) {
	c.Close()
	s.Metrics.closed(s.Name)
	s.mu.Lock()
	delete(s.conns, c)
	if s.perPeer[peer]--; s.perPeer[peer] <= 0 {
		delete(s.perPeer, peer)
	}
	s.mu.Unlock()
	s.handlers.Done()
}

// handle runs the handler. A panic in it ends this connection only.
func (s *Server) handle(c net.Conn) {
	defer func() {
		if p := recover(); p != nil {
			s.Metrics.panicked(s.Name)
			s.Log.Error("session panicked", "listener", s.Name, "panic", p, "stack", stack())
		}
	}()
	if !s.Implicit {
		s.Handler(s.ctx, c)
		return
	}
	t := tls.Server(c, s.TLS)
	if err := Handshake(s.ctx, t); err != nil {
		s.Metrics.refused(s.Name, "handshake")
		s.Log.Debug("TLS handshake failed", "listener", s.Name, "peer", c.RemoteAddr(), "error", err)
		return
	}
	s.Handler(s.ctx, t)
	_ = t.Close() // with an alert that says so
}

// Shutdown stops accepting, tells the sessions to end and waits for them. When ctx ends
// first, their connections are closed under them.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.ended() {
		close(s.draining)
	}
	s.mu.Unlock()
	s.listener.Close()
	all := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(all)
	}()
	select {
	case <-all:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	s.mu.Lock()
	left := len(s.conns)
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	<-all
	return kinds.Errorf(kinds.Unavailable, "listen: %s: %d sessions did not end by themselves", s.Name, left)
}

type drainKey struct{}

// Draining gives the channel that is closed when sessions should end. Outside a server
// it is nil, which is never ready.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(drainKey{}).(chan struct{})
	return c
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

// WithDraining gives a context in which Draining returns c, for a session without a Server.
func WithDraining(ctx context.Context, c chan struct{}) context.Context {
	return context.WithValue(ctx, drainKey{}, c)
}
