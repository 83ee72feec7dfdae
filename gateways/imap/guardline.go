package imap

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// isTag tells whether s is a tag.
//
// RFC 9051, section 9: tag = 1*<any ASTRING-CHAR except "+">
func isTag(s string) bool {
	if s == "" || len(s) > maxTag {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`(){%*"\+`, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// verbOf gives the command's name in upper case, with that of a UID command; "" if there is
// none.
func verbOf(rest string) string {
	name, more, _ := strings.Cut(rest, " ")
	if name = strings.ToUpper(name); !isAtom(name) {
		return ""
	}
	if name != "UID" {
		return name
	}
	sub, _, _ := strings.Cut(more, " ")
	if sub = strings.ToUpper(sub); !isAtom(sub) {
		return ""
	}
	return name + " " + sub
}

// isAtom tells whether s is an atom of IMAP.
func isAtom(s string) bool {
	if s == "" {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`(){%*"\]`, s[i]) >= 0 {
			return false
		}
	}
	return true
}

// malformed says what makes a line one that no command may have: control characters, a
// quoted string that isn't closed on its line, a brace that begins no literal (imapserver
// passes over it).
func malformed(line []byte) string {
	text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
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
			if _, _, ok := literalAt(line); !ok || i != bytes.LastIndexByte(text, '{') {
				return "Malformed literal"
			}
		}
	}
	if quoted {
		return "Quoted string without end"
	}
	return ""
}

// literalAt tells whether a line ends by announcing a literal, and of how many octets.
//
// RFC 9051, section 9: literal = "{" number64 ["+"] "}" CRLF *CHAR8
func literalAt(line []byte) (n int64, nonSync, ok bool) {
	text, found := strings.CutSuffix(strings.TrimRight(string(line[max(0, len(line)-32):]), "\r\n"), "}")
	open := strings.LastIndexByte(text, '{')
	if !found || open < 0 {
		return 0, false, false
	}
	digits, nonSync := strings.CutSuffix(text[open+1:], "+")
	n, err := strconv.ParseInt(digits, 10, 64) // of a number out of range it is the largest
	if err != nil && !errors.Is(err, strconv.ErrRange) || digits[0] < '0' || digits[0] > '9' {
		return 0, false, false
	}
	return n, nonSync, true
}

// mend rewrites what imapserver reads wrongly: a SMALLER that it forgets when a date or a
// size follows. NOT LARGER says the same.
func (g *guard) mend(line []byte) []byte {
	if g.verb != "SEARCH" && g.verb != "UID SEARCH" || !bytes.Contains(bytes.ToUpper(line), []byte("SMALLER ")) {
		return line
	}
	var out []byte
	quoted := false
	for i := 0; i < len(line); i++ {
		const key = "SMALLER "
		if c := line[i]; c == '"' && (i == 0 || line[i-1] != '\\') {
			quoted = !quoted
		}
		if quoted || i == 0 || line[i-1] != ' ' && line[i-1] != '(' || len(line) < i+len(key) ||
			!strings.EqualFold(string(line[i:i+len(key)]), key) {
			out = append(out, line[i])
			continue
		}
		digits := line[i+len(key):]
		end := 0
		for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
			end++
		}
		n, err := strconv.ParseInt(string(digits[:end]), 10, 64)
		if err != nil {
			out = append(out, line[i])
			continue
		}
		out = append(out, "NOT LARGER "+strconv.FormatInt(max(0, n-1), 10)...)
		i += len(key) + end - 1
	}
	return out
}
