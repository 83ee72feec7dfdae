package pop3

// stat tells the number and size of the messages that are not marked as deleted.
func (s *session) stat(c command) error {
	if c.rest != "" {
		return misuse("STAT takes no argument")
	}
	s.ok("%d %d", s.drop.count, s.drop.octets)
	return nil
}
