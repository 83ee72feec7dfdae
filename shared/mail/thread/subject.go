// Package thread finds which messages belong together: the base subject, and the two
// algorithms of IMAP's THREAD.
package thread

import "strings"

// BaseSubject gives a decoded subject without what mailers and lists put round it. reply
// tells whether that made it a reply or something forwarded.
//
// RFC 5256, section 2.1: All servers and disconnected clients MUST use exactly this algorithm to determine the "base subject".
func BaseSubject(subject string) (base string, reply bool) {
	s := squeeze(subject)
	for {
		s = trailers(s, &reply)
		s = leaders(s, &reply)
		if len(s) < len("[fwd:]") || !hasPrefix(s, "[fwd:") || s[len(s)-1] != ']' {
			return s, reply
		}
		s, reply = s[len("[fwd:"):len(s)-1], true
	}
}

// squeeze makes one space of any number of blanks and line ends.
func squeeze(s string) string {
	if !strings.ContainsAny(s, "\t\r\n") && !strings.Contains(s, "  ") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		c := s[i]
		if c == '\t' || c == '\r' || c == '\n' {
			c = ' '
		}
		if c != ' ' || len(b) == 0 || b[len(b)-1] != ' ' {
			b = append(b, c)
		}
	}
	return string(b)
}

// trailers takes off what matches subj-trailer: "(fwd)", and blanks.
func trailers(s string, reply *bool) string {
	for {
		s = strings.TrimRight(s, " ")
		n := len(s) - len("(fwd)")
		if n < 0 || !hasPrefix(s[n:], "(fwd)") {
			return s
		}
		s, *reply = s[:n], true
	}
}

// leaders takes off what matches subj-leader ("Re:", "[list] Fwd[x]:", blanks), and each
// subj-blob ("[list]") that has something behind it.
func leaders(s string, reply *bool) string {
	for {
		s = strings.TrimLeft(s, " ")
		at, last := 0, 0 // the end of the blobs; where the last of them begins
		for n := blob(s); n > 0; n = blob(s[at:]) {
			last = at
			at += n
		}
		switch n := refwd(s[at:]); {
		case n > 0:
			s, *reply = s[at+n:], true
		case at < len(s):
			return s[at:]
		default: // nothing but blobs: the last is the base
			return s[last:]
		}
	}
}

// blob gives the length of a subj-blob, 0 if there is none.
//
// RFC 5256, section 5: subj-blob = "[" *BLOBCHAR "]" *WSP
func blob(s string) int {
	if s == "" || s[0] != '[' {
		return 0
	}
	n := strings.IndexAny(s[1:], "[]") + 1
	if n == 0 || s[n] == '[' {
		return 0
	}
	for n++; n < len(s) && s[n] == ' '; {
		n++
	}
	return n
}

// refwd gives the length of a subj-refwd, 0 if there is none.
//
// RFC 5256, section 5: subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
func refwd(s string) int {
	n := 2
	switch {
	case hasPrefix(s, "re"):
	case hasPrefix(s, "fwd"):
		n = 3
	case hasPrefix(s, "fw"):
	default:
		return 0
	}
	for n < len(s) && s[n] == ' ' {
		n++
	}
	n += blob(s[n:])
	if n == len(s) || s[n] != ':' {
		return 0
	}
	return n + 1
}

// hasPrefix compares without regard to the case of ASCII; lower is in small letters.
func hasPrefix(s, lower string) bool {
	if len(s) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
