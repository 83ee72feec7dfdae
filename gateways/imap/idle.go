package imap

import (
	"fmt"
	"runtime/debug"

	"github.com/emersion/go-imap/v2/imapserver"
)

// Idle is IDLE (RFC 2177): it tells what happens, when it happens, until the client says DONE.
func (s *session) Idle(w *imapserver.UpdateWriter, stop <-chan struct{}) error {
	// imapserver doesn't wait for this when the connection is lost.
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return nil
	}
	s.idling.Add(1)
	s.mu.Unlock()
	defer s.idling.Done()
	defer func() {
		if p := recover(); p != nil {
			s.panicked("IDLE", fmt.Sprintf("%v\n%s", p, debug.Stack()))
			_ = s.guard.Conn.Close()
		}
	}()
	for {
		changed := s.account.Changed()
		if err := s.Poll(w, true); err != nil {
			return s.fail(err)
		}
		select {
		case <-changed:
		case <-stop:
			return nil
		case <-s.guard.closed:
			return nil
		}
	}
}
