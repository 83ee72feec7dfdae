package pop3

import "fmt"

// list tells the size of one message, or of all that are not marked as deleted.
//
// QUIRK: the size is that of the message as it is stored, for all clients. It is what
// RETR sends, but for messages that an import or APPEND brought in with lines that end
// in LF alone or not at all, where RETR sends the CR (and LF) beside. RFC 1939, section
// 11, wants those counted, which would take reading each message.
func (s *session) list(c command) error {
	if args := c.args(); len(args) > 0 {
		n, err := s.message(args, 1)
		if err != nil {
			return err
		}
		s.ok("%d %d", n, s.drop.item(n).size)
		return nil
	}
	s.ok("%d messages (%d octets)", s.drop.count, s.drop.octets)
	return s.listing(func(n int, it *item) {
		fmt.Fprintf(s.out, "%d %d\r\n", n, it.size)
	})
}

// listing sends a line for each message that is not marked as deleted.
func (s *session) listing(line func(n int, it *item)) error {
	for i := range s.drop.items {
		if it := &s.drop.items[i]; !it.deleted {
			line(i+1, it)
		}
	}
	_, err := s.out.WriteString(".\r\n")
	return err
}

// message reads the number of a message that is not marked as deleted: the first of
// want arguments.
func (s *session) message(args []string, want int) (int, error) {
	if len(args) != want {
		return 0, misuse("Wrong number of arguments")
	}
	n, ok := parseNumber(args[0])
	switch {
	case !ok:
		return 0, misuse("That is no message number")
	case n < 1 || n > int64(len(s.drop.items)):
		return 0, fail("No such message, there are %d", len(s.drop.items))
	case s.drop.item(int(n)).deleted:
		return 0, fail("Message %d is deleted", n)
	}
	return int(n), nil
}
