package pop3

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"
)

// Limits of what a client sends, in octets with the line's end.
const (
	// RFC 2449, section 4: The maximum length of a command is increased from 47 characters (4 character command, single space, 40 character argument, CRLF) to 255 octets, including the terminating CRLF.
	maxCommand = 255
	// A line of an authentication exchange may be longer: tokens and long passwords.
	maxAuth = 13 << 10
	// A line that is longer than this is not read to its end: the session closes.
	maxFlood = 64 << 10
)

// command is a line that a client sent: a verb in upper case, and what follows the
// blank after it, verbatim.
type command struct {
	verb string
	rest string
}

// parseCommand reads a line without its end. ok is false for what can't be a command of
// any kind: control characters, text that is not UTF-8, no verb.
func parseCommand(line []byte) (c command, ok bool) {
	if bytes.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }) >= 0 || !utf8.Valid(line) {
		return c, false
	}
	verb, rest, _ := strings.Cut(string(line), " ")
	if verb == "" || len(verb) > 16 {
		return c, false
	}
	for i := range len(verb) {
		if verb[i] <= ' ' || verb[i] > '~' {
			return c, false
		}
	}
	return command{verb: strings.ToUpper(verb), rest: rest}, true
}

// args splits what follows the verb. More blanks than the one that is right do no harm.
func (c command) args() []string { return strings.Fields(c.rest) }

// parseNumber reads a number of decimal digits. One that is too large is the largest.
func parseNumber(s string) (n int64, ok bool) {
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + int64(d)
	}
	return n, s != ""
}
