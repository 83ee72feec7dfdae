package pop3

// noop does nothing.
func (s *session) noop(c command) error {
	if c.rest != "" {
		return misuse("NOOP takes no argument")
	}
	s.ok("Still here")
	return nil
}
