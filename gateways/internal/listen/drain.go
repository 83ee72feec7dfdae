package listen

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Shutdown tells the sessions to end and waits for them. When ctx ends first, their
// connections are closed under them, and the error says how many there were.
//
// Without Spread the port is closed at once and all sessions are told at once. With it,
// the sessions are told one by one over that time, evenly but not in step, so that their
// clients don't all come to another server in the same second; the port stays open until
// that time is over and the last session is gone, and who comes is told Goodbye, because a
// load balancer goes on for a while to send connections here. If ctx has a deadline, the
// sessions are told within the first five sixths of the time, so that the last ones have
// some of it to end in.
func (s *Server) Shutdown(ctx context.Context) error {
	began, spread, left := s.beginDrain(ctx)
	if spread <= 0 {
		s.listener.Close()
	}
	s.dismiss(ctx, left, began, spread)
	all := make(chan struct{})
	go func() {
		s.sessions.Wait()
		s.shut()
		s.turned.Wait()
		close(all)
	}()
	select {
	case <-all:
		s.cancel()
		return nil
	case <-ctx.Done():
	}
	return s.cut(all)
}

// beginDrain lets no more sessions in, and without a spread no more farewells either.
func (s *Server) beginDrain(ctx context.Context) (began time.Time, spread time.Duration, left []*guest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended() {
		close(s.draining)
		s.drainBegan = time.Now()
	}
	began, spread = s.drainBegan, s.Spread
	if last, ok := ctx.Deadline(); ok {
		spread = min(spread, last.Sub(began)*5/6)
	}
	if spread <= 0 && !s.isShut() {
		close(s.closed)
	}
	for g := range s.guests {
		if !g.farewell {
			left = append(left, g)
		}
	}
	return began, spread, left
}

// dismiss tells the guests to end, one by one, and returns when spread is over or ctx ends.
func (s *Server) dismiss(ctx context.Context, left []*guest, began time.Time, spread time.Duration) {
	rand.Shuffle(len(left), func(i, j int) { left[i], left[j] = left[j], left[i] })
	for i, g := range left {
		share := (float64(i) + rand.Float64()) / float64(len(left))
		if !waitUntil(ctx, began.Add(time.Duration(share*float64(spread)))) {
			return
		}
		s.tell(g)
	}
	waitUntil(ctx, began.Add(spread))
}

// waitUntil reports false if ctx ended before that moment came.
func waitUntil(ctx context.Context, moment time.Time) bool {
	wait := time.Until(moment)
	if wait <= 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tell says to g that it should end.
func (s *Server) tell(g *guest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.isTold() {
		return
	}
	close(g.told)
	if g.waiting {
		_ = g.SetReadDeadline(time.Unix(1, 0))
	}
}

// cut ends what is left, and waits for all to be over.
func (s *Server) cut(all <-chan struct{}) error {
	s.shut()
	s.cancel()
	s.mu.Lock()
	left := len(s.guests) - s.farewells
	for g := range s.guests {
		g.Close()
	}
	s.mu.Unlock()
	<-all
	if left == 0 {
		return nil
	}
	return kinds.Errorf(kinds.Unavailable, "listen: %s: %d sessions did not end by themselves", s.Name, left)
}

// shut closes the port.
func (s *Server) shut() {
	s.mu.Lock()
	if !s.isShut() {
		close(s.closed)
	}
	s.mu.Unlock()
	s.listener.Close()
}

// ended tells that a shutdown has begun, isShut that the port is closed.
func (s *Server) ended() bool  { return isClosed(s.draining) }
func (s *Server) isShut() bool { return isClosed(s.closed) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

type drainKey struct{}

// Draining gives the channel that is closed when the session should end, which each has
// for itself. Outside a server it is nil, which is never ready.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(drainKey{}).(chan struct{})
	return c
}

// WithDraining gives a context in which Draining returns c, for a session without a Server.
func WithDraining(ctx context.Context, c chan struct{}) context.Context {
	return context.WithValue(ctx, drainKey{}, c)
}
