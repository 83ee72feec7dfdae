package pop3

import "fmt"

// uidl tells a message's name that no other message of the account has or will have.
//
// RFC 1939, section 7: The unique-id of a message is an arbitrary server-determined string, consisting of one to 70 characters in the range 0x21 to 0x7E, which uniquely identifies a message within a maildrop and which persists across sessions.
func (s *session) uidl(c command) error {
	if args := c.args(); len(args) > 0 {
		n, err := s.message(args, 1)
		if err != nil {
			return err
		}
		s.ok("%d %s", n, s.drop.uniqueID(n))
		return nil
	}
	s.ok("Names follow")
	return s.listing(func(n int, _ *item) {
		fmt.Fprintf(s.out, "%d %s\r\n", n, s.drop.uniqueID(n))
	})
}
