package message

import "strings"

// parseAddresses reads an address list of RFC 5322 with its obsolete forms, and makes the
// best of what is none. limit bounds the result.
func parseAddresses(v string, limit int) (list []Address) {
	t := tokens{s: v}
	group := false
	for len(list) < limit {
		t.blanks()
		if t.i >= len(t.s) {
			break
		}
		switch t.s[t.i] {
		case ',':
			t.i++
			continue
		case ';':
			t.i++
			if group {
				list, group = append(list, Address{End: true}), false
			}
			continue
		}
		a, isGroup := t.mailbox(!group)
		if isGroup {
			group = true
		}
		if a != (Address{}) {
			list = append(list, a)
		}
	}
	if group && len(list) > 0 && !list[len(list)-1].End {
		list = append(list, Address{End: true})
	}
	return list
}

// mailbox reads up to the comma or semicolon that ends an address, or up to the colon that
// begins a group. It always goes forward.
func (t *tokens) mailbox(groups bool) (a Address, group bool) {
	var phrase []string
	var comment string
	begin := t.i
	glue := true // nothing but white space is between this word and the one before
	for {
		before := t.i
		if c := t.comment(); c != "" {
			comment = c
		}
		if t.i > before {
			glue = false
		}
		if t.i >= len(t.s) {
			break
		}
		switch c := t.s[t.i]; c {
		case ',', ';':
			return bare(phrase, comment), false
		case '<':
			t.i++
			a = t.angle()
			a.Name = join(phrase)
			return a, false
		case ':':
			t.i++
			if groups && len(phrase) > 0 && !strings.Contains(phrase[len(phrase)-1], "@") {
				return Address{Group: join(phrase)}, true
			}
		case '"':
			q := t.i
			var w string
			w, t.i = quoted(t.s, t.i)
			if t.i < len(t.s) && t.s[t.i] == '@' { // a quoted local part
				w = t.s[q:t.i]
			}
			phrase = word(phrase, w, false)
		default:
			start := t.i
			for t.i < len(t.s) && strings.IndexByte(" \t\r\n,;<:\"(", t.s[t.i]) < 0 {
				if t.s[t.i] == '[' { // a literal has colons
					if end := strings.IndexByte(t.s[t.i:], ']'); end > 0 {
						t.i += end
					}
				}
				t.i++
			}
			w := t.s[start:t.i]
			// local @ domain may have blanks round its at sign
			phrase = word(phrase, w, glue && start > begin ||
				w[0] == '@' || len(phrase) > 0 && strings.HasSuffix(phrase[len(phrase)-1], "@"))
		}
		glue = true
	}
	return bare(phrase, comment), false
}

func word(phrase []string, w string, glued bool) []string {
	if glued && len(phrase) > 0 {
		phrase[len(phrase)-1] += w
		return phrase
	}
	return append(phrase, w)
}

func join(phrase []string) string { return strings.Join(phrase, " ") }

// comment goes past blanks and gives the text of the last comment in them.
func (t *tokens) comment() string {
	start := t.i
	t.blanks()
	s := t.s[start:t.i]
	open := strings.IndexByte(s, '(')
	if open < 0 {
		return ""
	}
	s = strings.TrimRight(s[open+1:], " \t\r\n")
	return strings.TrimSuffix(s, ")")
}

// angle reads an address up to the closing bracket, or to where the next address seems to
// begin if that is missing; a source route is left out.
func (t *tokens) angle() Address {
	start, inQuote, route := t.i, false, false
scan:
	for ; t.i < len(t.s); t.i++ {
		switch c := t.s[t.i]; {
		case c == '\\' && inQuote:
			t.i++
		case c == '"':
			inQuote = !inQuote
		case inQuote:
		case c == '@' && t.i == start:
			route = true
		case c == ':':
			route = false
		case c == '>' || (c == ',' || c == ';' || c == '<') && !route:
			break scan
		}
	}
	t.i = min(t.i, len(t.s))
	s := t.s[start:t.i]
	if t.i < len(t.s) && t.s[t.i] == '>' {
		t.i++
	}
	if strings.ContainsAny(s, " \t\r\n") {
		s = strings.Join(strings.Fields(s), "")
	}
	if strings.HasPrefix(s, "@") {
		if c := strings.IndexByte(s, ':'); c >= 0 {
			s = s[c+1:]
		}
	}
	return split(s)
}

// bare makes an address of words without brackets; a comment is its name, as of old.
func bare(phrase []string, comment string) Address {
	for i, w := range phrase {
		if strings.IndexByte(w, '@') >= 0 {
			a := split(w)
			if a.Name = strings.Trim(join(phrase[:i]), " "); a.Name == "" {
				a.Name = comment
			}
			return a
		}
	}
	if len(phrase) == 0 {
		return Address{}
	}
	if len(phrase) == 1 {
		return Address{Name: comment, Local: phrase[0]}
	}
	return Address{Name: join(phrase)}
}

// split divides an address at its last at sign; quotes round the local part go.
func split(s string) (a Address) {
	a.Local = s
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		a.Local, a.Domain = s[:i], s[i+1:]
	}
	if len(a.Local) >= 2 && a.Local[0] == '"' && a.Local[len(a.Local)-1] == '"' {
		a.Local, _ = quoted(a.Local, 0)
	}
	return a
}
