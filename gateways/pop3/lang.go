package pop3

import (
	"io"
	"strings"
)

// lang chooses the language of replies. There is one, English.
//
// RFC 6856, section 3.2: If the command succeeds, the server returns a +OK response followed by a single space, the exact language tag selected, and another space.
func (s *session) lang(c command) error {
	args := c.args()
	switch {
	case len(args) == 0:
		s.ok("Languages follow")
		io.WriteString(s.out, "en English\r\n.\r\n")
	case len(args) > 1:
		return misuse("LANG takes one language at most")
	case args[0] == "*" || strings.EqualFold(args[0], "en"):
		s.ok("en English it is")
	default:
		return fail("That language is not available")
	}
	return nil
}
