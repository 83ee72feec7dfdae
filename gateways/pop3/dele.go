package pop3

// dele marks a message as deleted; QUIT removes it.
func (s *session) dele(c command) error {
	n, err := s.message(c.args(), 1)
	if err != nil {
		return err
	}
	s.drop.mark(n)
	s.ok("Message %d will be deleted at QUIT", n)
	return nil
}
