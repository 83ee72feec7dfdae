package pop3

import "context"

// quit ends the session; after the login it removes the messages that are marked, as one
// change of the account.
//
// RFC 1939, section 6: If there is an error, such as a resource shortage, encountered while removing messages, the maildrop may result in having some or none of the messages marked as deleted be removed.
func (s *session) quit(c command) error {
	if c.rest != "" {
		return misuse("QUIT takes no argument")
	}
	if s.drop != nil {
		if n := len(s.drop.items) - s.drop.count; n > 0 {
			ctx, cancel := context.WithTimeout(s.ctx, commit)
			defer cancel()
			if err := s.drop.view.Expunge(ctx, s.drop.marked()); err != nil {
				f := s.failKind(err, "deleting at QUIT").(*failure)
				f.text, f.final = "The deletion failed: "+f.text, true
				return f
			}
			s.done.deleted = int64(n)
			s.metrics.removed(n)
		}
	}
	s.ok("Bye")
	return errQuit
}
