package dialog

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// line is one line of a script.
type line struct {
	number int
	source string
	conn   string
	verb   string // connect, tls_connect, starttls, close, ->, ->-, <-, <~, <..., <*, <eof>, eventually
	text   string
	block  []line // of eventually
}

var (
	arrow   = regexp.MustCompile(`^([A-Za-z0-9_]*)(->-|->|<-|<~|<\.\.\.|<\*|<eof>)(?: (.*))?$`)
	command = regexp.MustCompile(`^([A-Za-z0-9_]+): (connect|tls_connect|starttls|close)(?: ([A-Za-z0-9_-]+))?$`)
)

func parse(text string) ([]line, error) {
	var all, block []line
	open := 0 // the line of an eventually that has no end yet
	for i, s := range strings.Split(text, "\n") {
		s = strings.TrimSuffix(s, "\r")
		n := i + 1
		switch trimmed := strings.TrimSpace(s); {
		case trimmed == "" || trimmed[0] == '#':
			continue
		case trimmed == "eventually" && open == 0:
			open, block = n, nil
			continue
		case trimmed == "end" && open > 0:
			all = append(all, line{number: open, source: "eventually", verb: "eventually", block: block})
			open = 0
			continue
		}
		l := line{number: n, source: strings.TrimSpace(s), conn: "c"}
		s = strings.TrimLeft(s, " \t") // blocks may be indented; blanks at the end count
		if m := arrow.FindStringSubmatch(s); m != nil {
			l.verb, l.text = m[2], m[3]
			if m[1] != "" {
				l.conn = m[1]
			}
		} else if m := command.FindStringSubmatch(s); m != nil {
			l.conn, l.verb, l.text = m[1], m[2], m[3]
			if (l.text != "") != strings.HasSuffix(l.verb, "connect") {
				return nil, fmt.Errorf("%d: %s: %s and %q", n, s, l.verb, l.text)
			}
		} else {
			return nil, fmt.Errorf("%d: %s: no line of a script", n, s)
		}
		if open > 0 {
			block = append(block, l)
		} else {
			all = append(all, l)
		}
	}
	if open > 0 {
		return nil, fmt.Errorf("%d: eventually without an end", open)
	}
	return all, nil
}

// expect reads what the line says.
func (p *player) expect(c *conn, l line) error {
	var re *regexp.Regexp
	want := ""
	var err error
	if l.verb == "<~" || l.verb == "<*" {
		if want, err = p.replace(l.text, regexp.QuoteMeta); err != nil {
			return err
		}
		if re, err = regexp.Compile(want); err != nil {
			return err
		}
	} else if want, err = p.text(l.text); err != nil {
		return err
	}
	for {
		got, err := c.line()
		if err != nil {
			return err
		}
		ok := false
		switch l.verb {
		case "<-":
			ok = got == want
		case "<...":
			ok = strings.HasPrefix(got, want)
		default:
			m := re.FindStringSubmatch(got)
			if ok = m != nil; ok {
				for i, name := range re.SubexpNames() {
					if name != "" {
						p.vars[name] = m[i]
					}
				}
			}
		}
		if ok {
			return nil
		}
		if l.verb != "<*" {
			return fmt.Errorf("got %q", got)
		}
	}
}

// text replaces escapes and variables.
func (p *player) text(s string) (string, error) {
	return p.replace(s, nil)
}

// replace replaces ${...} and, unless quote is given, escapes.
func (p *player) replace(s string, quote func(string) string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "${"):
			n := closing(s[i:])
			if n < 0 {
				return "", fmt.Errorf("no } for %s", s[i:])
			}
			v, err := p.value(s[i+2 : i+n])
			if err != nil {
				return "", err
			}
			if quote != nil {
				v = quote(v)
			}
			b.WriteString(v)
			i += n + 1
		case s[i] == '\\' && quote == nil:
			c, n, err := unescape(s[i:])
			if err != nil {
				return "", err
			}
			b.WriteByte(c)
			i += n
		default:
			b.WriteByte(s[i])
			i++
		}
	}
	return b.String(), nil
}

// value is what ${in} stands for.
func (p *player) value(in string) (string, error) {
	if rest, ok := strings.CutPrefix(in, "b64:"); ok {
		v, err := p.text(rest)
		return base64.StdEncoding.EncodeToString([]byte(v)), err
	}
	if rest, ok := strings.CutPrefix(in, "repeat:"); ok {
		count, what, _ := strings.Cut(rest, ":")
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 {
			return "", fmt.Errorf("repeat %q times", count)
		}
		v, err := p.text(what)
		if err == nil && n*len(v) > 200<<20 {
			err = fmt.Errorf("repeat makes %d bytes", n*len(v))
		}
		if err != nil {
			return "", err
		}
		return strings.Repeat(v, n), nil
	}
	v, ok := p.vars[in]
	if !ok {
		return "", fmt.Errorf("there is no variable %q", in)
	}
	return v, nil
}

// closing gives the index of the } that belongs to the ${ at the start of s.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "${"):
			depth++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// unescape gives the byte that the backslash at the start of s begins, and its length.
func unescape(s string) (byte, int, error) {
	if len(s) >= 2 {
		if i := strings.IndexByte(`rnt0\`, s[1]); i >= 0 {
			return "\r\n\t\x00\\"[i], 2, nil
		}
		if s[1] == 'x' && len(s) >= 4 {
			n, err := strconv.ParseUint(s[2:4], 16, 8)
			return byte(n), 4, err
		}
	}
	return 0, 0, fmt.Errorf("no escape: %s", s)
}
