package pop3

// top sends the header of a message and the first lines of its body.
//
// RFC 1939, section 7: the POP3 server sends the headers of the message, the blank line separating the headers from the body, and then the number of lines of the indicated message's body
func (s *session) top(c command) error {
	args := c.args()
	n, err := s.message(args, 2)
	if err != nil {
		return err
	}
	lines, ok := parseNumber(args[1])
	if !ok {
		return misuse("That is no number of lines")
	}
	// The largest number means the whole message to send, and is as good as all others
	// that are larger than any message.
	return s.send(n, min(lines, wholeMessage-1))
}
