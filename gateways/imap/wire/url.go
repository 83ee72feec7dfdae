package wire

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// URL names a message or a part of one, on this server.
type URL struct {
	Relative    bool // to the selected mailbox
	Mailbox     string
	UIDValidity uint32 // 0: any
	UID         uint32
	Section     string // as it stands in BODY[...]; "": all of the message
	Cut         bool   // only Size octets from Off
	Off, Size   int64  // Size 0: to the end
}

// ParseURL reads a relative IMAP URL that names a message: "/INBOX/;UID=20/;SECTION=1.2", or
// ";UID=20" in the selected mailbox.
//
// RFC 5092, section 11 has the syntax, of which what grants access to others (URLAUTH) is not
// taken.
func ParseURL(s string) (u URL, ok bool) {
	if strings.HasPrefix(s, "//") || !plainURL(s) {
		return u, false
	}
	at := strings.IndexByte(s, ';')
	if at < 0 {
		return u, false
	}
	path, absolute := strings.CutPrefix(s[:at], "/")
	if strings.Contains(path, ":") {
		return u, false // a scheme
	}
	path = strings.TrimSuffix(path, "/")
	name, err := url.PathUnescape(path)
	if err != nil || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\r\n") {
		return u, false
	}
	u.Mailbox, u.Relative = name, !absolute || name == ""
	const uid = 2
	done := 0 // how far the parameters have come: each may stand once, in this order
	for _, param := range strings.Split(s[at+1:], ";") {
		name, value, _ := strings.Cut(strings.TrimSuffix(param, "/"), "=")
		step := map[string]int{"UIDVALIDITY": 1, "UID": uid, "SECTION": 3, "PARTIAL": 4}[strings.ToUpper(name)]
		if step <= done || step > uid && done < uid {
			return u, false
		}
		done = step
		switch step {
		case 1:
			u.UIDValidity, ok = positive(value)
		case uid:
			u.UID, ok = positive(value)
		case 3:
			u.Section, err = url.PathUnescape(value)
			ok = err == nil && value != "" && !strings.ContainsAny(u.Section, "]\x00\r\n")
		case 4:
			ok = u.partial(value)
		}
		if !ok {
			return u, false
		}
	}
	return u, done >= uid
}

// partial reads OFFSET or OFFSET.SIZE.
func (u *URL) partial(value string) bool {
	off, size, sized := strings.Cut(value, ".")
	n, err := strconv.ParseUint(off, 10, 63)
	if err != nil || off[0] == '+' {
		return false
	}
	u.Cut, u.Off = true, int64(n)
	if sized {
		m, ok := positive(size)
		u.Size = int64(m)
		return ok
	}
	return true
}

func positive(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n > 0 && s[0] != '+'
}

// plainURL tells whether all octets are ones that a URL may have.
func plainURL(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", c) >= 0 {
			return false
		}
	}
	return true
}
