package imap

import "strings"

// idling is IDLE (RFC 2177): what happens is told when it happens, until the client says
// DONE. The client is waited for as between commands, and costs as little.
func (s *session) idling(cmd *command) error {
	if err := cmd.End(); err != nil {
		return err
	}
	s.w().Raw("+ idling\r\n")
	s.idle.Store(true)
	defer s.idle.Store(false)
	if err := s.news(true); err != nil {
		return err
	}
	if err := s.conn.rest(true); err != nil {
		return err
	}
	line, err := s.done()
	if err != nil {
		return err
	}
	if err := s.conn.rest(false); err != nil {
		return err
	}
	if !strings.EqualFold(line, "DONE") {
		return bad("IDLE ends with DONE")
	}
	return nil
}

// done waits for the line that ends IDLE; meanwhile others may hold the session.
func (s *session) done() (string, error) {
	if err := s.w().Flush(); err != nil {
		return "", err
	}
	s.conn.lent = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.conn.lent = false
	}()
	if len(s.conn.in.buf) == 0 {
		s.conn.each(idlePatience)
		if err := s.conn.in.wait(); err != nil {
			return "", s.conn.lost(err)
		}
	}
	s.conn.all(linePatience)
	return s.raw()
}

// push tells a client that idles, or has asked for it by NOTIFY, what has happened.
func (s *session) push() {
	defer func() {
		if p := recover(); p != nil {
			s.panicked("IDLE", p)
			_ = s.conn.Conn.Close()
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.idle.Load() {
		return
	}
	s.conn.writing.Lock()
	defer s.conn.writing.Unlock()
	err := s.news(true)
	if flushed := s.w().Flush(); err != nil || flushed != nil {
		_ = s.conn.Conn.Close()
	}
}
