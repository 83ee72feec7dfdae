package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Why connections are refused, in metrics and logs.
const (
	overTotal   = "total"     // MaxConns
	overPerIP   = "per-ip"    // MaxPerIP
	draining    = "draining"  // the server is about to end
	noHandshake = "handshake" // TLS
	notProxied  = "proxy"     // not from a load balancer, or without its header
)

// A farewell that takes more than one write is limited in time, and there are at most so
// many at once: who comes to a full or ending server must not be its work.
const (
	farewellTime = 5 * time.Second
	maxFarewells = 100
	// refusalTime is for a write that goes to the socket's empty buffer.
	refusalTime = time.Second
)

// guest is one connection, from accept to close. Of its fields only told, waiting and
// farewell are looked at by others than who serves it, under Server.mu.
type guest struct {
	net.Conn               // as it was accepted
	told     chan struct{} // closed when it should end
	waiting  bool          // for its PROXY header
	farewell bool          // it is only told goodbye, and counts for no limit
	open     bool          // it was let in
	counted  bool          // it counts for peer
	peer     netip.Prefix
}

func (g *guest) isTold() bool { return isClosed(g.told) }

// accept serves c, or refuses it. It waits for nothing that the peer has to do.
func (s *Server) accept(c net.Conn) {
	proxied := len(s.Proxy) > 0
	if proxied && !s.fromBalancer(c.RemoteAddr()) {
		// Not a word, and no noise: nobody who is entitled to comes this way.
		s.Metrics.refused(s.Name, notProxied)
		s.Log.Debug("connection refused", "listener", s.Name, "reason", notProxied, "peer", c.RemoteAddr())
		c.Close()
		return
	}
	g := &guest{Conn: c, told: make(chan struct{})}
	if reason := s.enter(g); reason != "" {
		s.turnAway(g, reason)
		return
	}
	if !proxied && !s.admit(g, c, false) {
		s.leave(g)
		return
	}
	go s.serve(g)
}

// enter gives g one of the server's places, or says why there is none.
func (s *Server) enter(g *guest) (reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended():
		return draining
	case len(s.guests)-s.farewells >= s.MaxConns:
		return overTotal
	}
	s.guests[g] = struct{}{}
	s.sessions.Add(1)
	return ""
}

// admit lets g in, whose peer is that of c, unless that has too many connections already.
// What the balancer opened for itself counts for nobody.
func (s *Server) admit(g *guest, c net.Conn, own bool) bool {
	peer := prefixOf(c.RemoteAddr())
	s.mu.Lock()
	g.open = own || s.perPeer[peer] < s.MaxPerIP || peer.Addr().IsLoopback()
	if g.open && !own {
		g.peer, g.counted = peer, true
		s.perPeer[peer]++
	}
	s.mu.Unlock()
	if !g.open {
		s.refused(overPerIP, c.RemoteAddr())
		if !s.Implicit {
			sayTo(c, s.Refusal)
		}
		return false
	}
	s.Metrics.opened(s.Name)
	return true
}

// leave ends g and gives back its place.
func (s *Server) leave(g *guest) {
	g.Close()
	s.mu.Lock()
	delete(s.guests, g)
	if g.farewell {
		s.farewells--
	}
	if g.counted {
		if s.perPeer[g.peer]--; s.perPeer[g.peer] <= 0 {
			delete(s.perPeer, g.peer)
		}
	}
	s.mu.Unlock()
	if g.open {
		s.Metrics.closed(s.Name)
	}
	if g.farewell {
		s.turned.Done()
	} else {
		s.sessions.Done()
	}
}

// serve runs the handler for g. A panic in it ends this connection only.
func (s *Server) serve(g *guest) {
	defer s.leave(g)
	defer func() {
		if p := recover(); p != nil {
			s.Metrics.panicked(s.Name)
			s.Log.Error("session panicked", "listener", s.Name, "panic", p, "stack", stack())
		}
	}()
	c, own, err := s.unwrap(g)
	if err != nil {
		s.unproxied(g, err)
		return
	}
	if !g.open && !s.admit(g, c, own) {
		return
	}
	ctx := WithDraining(s.ctx, g.told)
	if !s.Implicit {
		s.Handler(ctx, c)
		return
	}
	t := tls.Server(c, s.TLS)
	if err := Handshake(ctx, t); err != nil {
		s.Metrics.refused(s.Name, noHandshake)
		s.Log.Debug("TLS handshake failed", "listener", s.Name, "peer", c.RemoteAddr(), "error", err)
		return
	}
	s.Handler(ctx, t)
	_ = t.Close() // with an alert that says so
}

// unproxied tells of a balancer that sent no header. Whoever runs the service must hear of
// it: the balancer is set up wrongly, and nobody gets in. A probe that only connects is
// none of that, and neither is a wait that a drain cut short.
func (s *Server) unproxied(g *guest, err error) {
	if errors.Is(err, errNoHeader) || g.isTold() {
		s.Log.Debug("connection ended before its PROXY header", "listener", s.Name, "peer", g.RemoteAddr())
		return
	}
	s.Metrics.refused(s.Name, notProxied)
	s.Log.Warn("connection refused", "listener", s.Name, "reason", notProxied, "peer", g.RemoteAddr(), "error", err)
}

func (s *Server) refused(reason string, peer net.Addr) {
	s.Metrics.refused(s.Name, reason)
	log := s.Log.Warn
	if reason == draining { // which is how it should be
		log = s.Log.Info
	}
	log("connection refused", "listener", s.Name, "reason", reason, "peer", peer)
}

// turnAway tells a newcomer that there is no place for it.
func (s *Server) turnAway(g *guest, reason string) {
	s.refused(reason, g.RemoteAddr())
	text := s.Refusal
	if reason == draining && s.Goodbye != "" {
		text = s.Goodbye
	}
	switch {
	case text == "", s.Implicit && reason != draining: // a full server does no handshake for it
	case !s.Implicit && len(s.Proxy) == 0:
		sayTo(g.Conn, text)
	case s.enterFarewell(g):
		go func() {
			defer s.leave(g)
			s.sayGoodbye(g, text)
		}()
		return
	}
	g.Close()
}

func (s *Server) enterFarewell(g *guest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isShut() || s.farewells >= maxFarewells {
		return false
	}
	g.farewell = true
	s.guests[g] = struct{}{}
	s.farewells++
	s.turned.Add(1)
	return true
}

// sayGoodbye is a session of one line. The peer's address doesn't matter, but a socket
// that is closed before its PROXY header was read takes the line back.
func (s *Server) sayGoodbye(g *guest, text string) {
	c, _, err := s.unwrap(g)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, farewellTime)
	defer cancel()
	if s.Implicit {
		t := tls.Server(c, s.TLS)
		if t.HandshakeContext(ctx) != nil {
			return
		}
		defer t.Close()
		c = t
	}
	sayTo(c, text)
}

// sayTo writes one line to a peer that nothing was said to yet.
func sayTo(c net.Conn, text string) {
	if text != "" {
		_ = c.SetWriteDeadline(time.Now().Add(refusalTime))
		_, _ = c.Write([]byte(text))
	}
}
