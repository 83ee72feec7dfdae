package pop3

import "strings"

// userName takes the name of a login. Whether there is such an account is told by PASS
// only, and there not either.
func (s *session) userName(c command) error {
	if !s.secure {
		return misuse("Use TLS first: no password goes in clear")
	}
	name := strings.TrimSpace(c.rest)
	if name == "" {
		return misuse("USER takes a name")
	}
	s.user = name
	s.ok("Send the password")
	return nil
}
