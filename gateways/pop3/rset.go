package pop3

// rset takes all marks of deletion off.
func (s *session) rset(c command) error {
	if c.rest != "" {
		return misuse("RSET takes no argument")
	}
	s.drop.unmark()
	s.ok("%d messages (%d octets)", s.drop.count, s.drop.octets)
	return nil
}
