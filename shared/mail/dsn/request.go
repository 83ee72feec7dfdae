package dsn

import (
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// What a sender asks for (RFC 3461) is kept as it is written, with its keywords in capitals.

// What NOTIFY may hold, and what RET may be.
const (
	Never   = "NEVER"
	Success = "SUCCESS"
	Failure = "FAILURE"
	Delay   = "DELAY"

	ReturnFull   = "FULL"
	ReturnHeader = "HDRS"
)

// Limits of RFC 3461: section 4.2 of the address, 4.4 of the envelope's id.
const (
	maxOrigin = 500
	maxEnvID  = 100
)

// Wants tells whether a sender is told of what, who has asked by NOTIFY, or not asked.
//
// RFC 3461, section 4.1: If no NOTIFY parameter is specified, the MTA may assume FAILURE, or both FAILURE and DELAY.
func Wants(notify, what string) bool {
	if notify == "" {
		return what == Failure || what == Delay
	}
	for word := range strings.SplitSeq(notify, ",") {
		if word == what {
			return true
		}
	}
	return false
}

// Without is a NOTIFY that no longer asks for what.
func Without(notify, what string) string {
	if !Wants(notify, what) {
		return notify
	}
	var left []string
	for word := range strings.SplitSeq(notify, ",") {
		if word != what {
			left = append(left, word)
		}
	}
	if len(left) == 0 {
		return Never
	}
	return strings.Join(left, ",")
}

// ParseNotify reads the value of NOTIFY; kinds.Invalid.
//
// RFC 3461, section 4.1: notify-esmtp-value = "NEVER" / 1#notify-list-element
func ParseNotify(s string) (string, error) {
	s = strings.ToUpper(s)
	seen := map[string]bool{}
	for word := range strings.SplitSeq(s, ",") {
		if seen[word] || word != Success && word != Failure && word != Delay && (word != Never || s != Never) {
			return "", kinds.Errorf(kinds.Invalid, "dsn: NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY")
		}
		seen[word] = true
	}
	return s, nil
}

// ParseReturn reads the value of RET; kinds.Invalid.
func ParseReturn(s string) (string, error) {
	if s = strings.ToUpper(s); s != ReturnFull && s != ReturnHeader {
		return "", kinds.Errorf(kinds.Invalid, "dsn: RET is FULL or HDRS")
	}
	return s, nil
}

// CheckEnvID judges the value of ENVID; kinds.Invalid.
//
// RFC 3461, section 4.4: An ENVID parameter's value is xtext of at most 100 characters, of which what is encoded prints.
func CheckEnvID(s string) error {
	if s == "" || len(s) > maxEnvID || !isXtext(s) || !prints(unxtext(s), false) {
		return kinds.Errorf(kinds.Invalid, "dsn: ENVID is at most %d characters of xtext", maxEnvID)
	}
	return nil
}

// CheckOrigin judges the value of ORCPT; with utf8 it may hold what only SMTPUTF8 lets
// pass (RFC 6533, section 3). kinds.Invalid.
func CheckOrigin(s string, utf8 bool) error {
	kind, addr, ok := strings.Cut(s, ";")
	ok = ok && len(s) <= maxOrigin && isAtom(kind) && addr != ""
	if ok {
		if strings.EqualFold(kind, "utf-8") {
			ok = isUTF8Address(addr, utf8)
		} else {
			ok = isXtext(addr) && prints(unxtext(addr), false)
		}
	}
	if !ok {
		return kinds.Errorf(kinds.Invalid, "dsn: ORCPT is a type of address, a semicolon and the address as xtext, of at most %d characters", maxOrigin)
	}
	return nil
}

// Xtext writes a text as xtext: RFC 3461, section 4.
func Xtext(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '+' && c != '=' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'+', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// isXtext holds a text against RFC 3461, section 4: xchar = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "=".
func isXtext(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
			i += 2
		case c < '!' || c > '~' || c == '=':
			return false
		}
	}
	return true
}

// isHex: hexchar has capitals only.
func isHex(c byte) bool { return '0' <= c && c <= '9' || 'A' <= c && c <= 'F' }

func isAtom(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\".[]`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// isUTF8Address holds an address of the type utf-8 against RFC 6533, section 3: characters
// outside ASCII stand for themselves, or as \x{HEX} where SMTPUTF8 is not used.
func isUTF8Address(s string, utf8 bool) bool {
	text, ok := unUTF8(s)
	if !ok || !prints(text, true) {
		return false
	}
	return utf8 || ascii(s)
}

// unUTF8 reads utf-8-addr-xtext and utf-8-addr-unitext of RFC 6533.
func unUTF8(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); {
		if !strings.HasPrefix(s[i:], `\x{`) {
			if c := s[i]; c <= ' ' || c == 0x7f || c == '\\' || c == '+' || c == '=' {
				return "", false
			}
			b.WriteByte(s[i])
			i++
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 5 || end > 9 {
			return "", false
		}
		var r rune
		for _, c := range []byte(s[i+3 : i+end]) {
			if !isHex(c) {
				return "", false
			}
			d := c - '0'
			if c >= 'A' {
				d = c - 'A' + 10
			}
			r = r<<4 | rune(d)
		}
		b.WriteRune(r)
		i += end + 1
	}
	return b.String(), true
}

// prints tells whether a text has no control characters, and none outside ASCII unless it may.
func prints(s string, wide bool) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == 0xfffd || r >= 0x80 && (!wide || r < 0xa0) {
			return false
		}
	}
	return s != ""
}
