// Package wire is IMAP's syntax without its meaning: what commands and responses are made
// of, as text. It does no I/O of its own, and everything it reads is bounded by who framed
// it.
package wire

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// MaxTag is the longest tag, in bytes.
const MaxTag = 64

// IsTag tells whether s is a tag.
//
// RFC 9051, section 9: tag = 1*<any ASTRING-CHAR except "+">
func IsTag(s string) bool {
	if s == "" || len(s) > MaxTag {
		return false
	}
	for i := range len(s) {
		if !isAString(s[i]) || s[i] == '+' {
			return false
		}
	}
	return true
}

// IsAtom tells whether s is an atom.
func IsAtom(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if !isAtom(s[i]) {
			return false
		}
	}
	return true
}

// RFC 9051, section 9: ATOM-CHAR = <any CHAR except atom-specials>
func isAtom(c byte) bool {
	switch c {
	case '(', ')', '{', '%', '*', '"', '\\', ']':
		return false
	}
	return c > ' ' && c < 0x7f
}

func isAString(c byte) bool { return isAtom(c) || c == ']' }

// Malformed says what makes a line one that no command may have: control characters, a
// quoted string that isn't closed on its line, a brace that begins no literal.
func Malformed(line []byte) string {
	text := trimEnd(line)
	if bytes.ContainsAny(text, "\x00\r") {
		return "NUL and CR must not occur in a command"
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			quoted = !quoted
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '{' && !quoted:
			if _, _, ok := LiteralAt(line); !ok || i != bytes.LastIndexByte(text, '{') {
				return "Malformed literal"
			}
		}
	}
	if quoted {
		return "Quoted string without end"
	}
	return ""
}

func trimEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

// LiteralAt tells whether a line ends by announcing a literal, and of how many octets. Of a
// number out of range it is the largest.
//
// RFC 9051, section 9: literal = "{" number64 ["+"] "}" CRLF *CHAR8
func LiteralAt(line []byte) (n int64, nonSync, ok bool) {
	text, found := strings.CutSuffix(strings.TrimRight(string(line[max(0, len(line)-32):]), "\r\n"), "}")
	open := strings.LastIndexByte(text, '{')
	if !found || open < 0 {
		return 0, false, false
	}
	digits, nonSync := strings.CutSuffix(text[open+1:], "+")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || digits[0] < '0' || digits[0] > '9' {
		return 0, false, false
	}
	return n, nonSync, true
}
