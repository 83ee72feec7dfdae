package pop3

// utf8Mode says that the client can take messages with UTF-8 in their header.
//
// RFC 6856, section 2.1: The "UTF8" command enables UTF-8 mode.
func (s *session) utf8Mode(c command) error {
	if c.rest != "" {
		return misuse("UTF8 takes no argument")
	}
	s.utf8 = true
	s.ok("UTF-8 mode")
	return nil
}
