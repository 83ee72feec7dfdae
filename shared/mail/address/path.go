package address

import (
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Path is what stands between the angle brackets of MAIL FROM and RCPT TO.
type Path struct {
	Address
	// Route is the source route as given (@a,@b), empty when there is none. It is
	// recognised only so that it can be refused or ignored.
	Route string
}

// maxPath is generous to source routes, which are refused anyway by their own reply.
const maxPath = 1024

// ParsePath reads a path in angle brackets at the start of s and gives what follows it
// (the command's parameters, with their leading space). <> is the null path: its Address
// is zero. Errors are kinds.Invalid and kinds.Limit.
func ParsePath(s string) (p Path, rest string, err error) {
	if s == "" || s[0] != '<' {
		return p, "", kinds.Errorf(kinds.Invalid, "address: path does not begin with <")
	}
	end := closing(s)
	if end < 0 {
		return p, "", kinds.Errorf(kinds.Invalid, "address: path does not end with >")
	}
	if end > maxPath {
		return p, "", kinds.Errorf(kinds.Limit, "address: path of %d octets", end)
	}
	in, rest := s[1:end], s[end+1:]
	if in == "" {
		return p, rest, nil
	}
	if in[0] == '@' {
		// RFC 5321, section 4.1.2: Path = "<" [ A-d-l ":" ] Mailbox ">"
		i := routeEnd(in)
		if i < 0 {
			return p, "", kinds.Errorf(kinds.Invalid, "address: source route without a colon")
		}
		for hop := range strings.SplitSeq(in[:i], ",") {
			if len(hop) < 2 || hop[0] != '@' {
				return p, "", kinds.Errorf(kinds.Invalid, "address: bad source route")
			}
			if _, err := ParseDomain(hop[1:]); err != nil {
				return p, "", err
			}
		}
		p.Route, in = in[:i], in[i+1:]
	}
	p.Address, err = Parse(in)
	return p, rest, err
}

// closing gives the index of the > that ends the path, past any in quotes or in a
// literal, where a quote is a character as others.
func closing(s string) int {
	quoted, literal := false, false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case literal:
			literal = c != ']'
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			literal = true
		case c == '>':
			return i
		}
	}
	return -1
}

// routeEnd gives the index of the colon after a source route; colons inside a literal
// don't count.
func routeEnd(s string) int {
	literal := false
	for i := range len(s) {
		switch s[i] {
		case '[':
			literal = true
		case ']':
			literal = false
		case ':':
			if !literal {
				return i
			}
		}
	}
	return -1
}
