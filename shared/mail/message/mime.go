package message

import (
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// maxParams bounds the parameters of one field.
const maxParams = 64

func usASCII() []Param { return []Param{{"charset", "us-ascii"}} }

// fill takes from the kept header fields what they say of the part. What is missing or
// not to be understood gets RFC 2045's defaults.
//
// RFC 2046, section 5.1.5: in a digest, the default Content-Type value for a body part is changed from "text/plain" to "message/rfc822"
func (p *Part) fill(kept string, digest bool) {
	var seenType, seenEncoding bool
	for f := range allFields(kept) {
		switch v := f.value; f.class {
		case mimeType:
			if isName(f.name, "content-type") {
				if !seenType {
					seenType = true
					p.setType(v)
				}
			} else if !seenEncoding {
				seenEncoding = true
				p.Encoding = firstToken(v)
			}
		case mimeMore:
			p.setMore(f.name, v)
		}
	}
	if p.Encoding == "7bit" {
		p.Encoding = ""
	}
	if p.Type == "" {
		p.Params = usASCII()
		if p.Type, p.Subtype = "text", "plain"; digest && !seenType {
			p.Type, p.Subtype, p.Params = "message", "rfc822", nil
		}
	}
}

func (p *Part) setMore(name, v string) {
	set := func(dst *string, v string) {
		if *dst == "" {
			*dst = v
		}
	}
	switch {
	case isName(name, "content-id"):
		set(&p.ID, header.Unfold(v))
	case isName(name, "content-description"):
		set(&p.Description, header.Unfold(v))
	case isName(name, "content-location"):
		set(&p.Location, header.Unfold(v))
	case isName(name, "content-md5"):
		set(&p.MD5, header.Unfold(v))
	case isName(name, "content-language"):
		if p.Language == nil {
			for l := range strings.SplitSeq(header.Unfold(v), ",") {
				if l = strings.TrimSpace(l); l != "" && len(p.Language) < 20 {
					p.Language = append(p.Language, l)
				}
			}
		}
	case isName(name, "content-disposition"):
		if p.Disposition == "" {
			t := tokens{s: v}
			if p.Disposition = lower(t.word()); p.Disposition != "" {
				p.DispositionParams = t.params()
			}
		}
	}
}

// setType parses a Content-Type; one without a proper type/subtype says nothing.
//
// RFC 2045, section 5.2: It is also recommend that this default be assumed when a syntactically invalid Content-Type header field is encountered.
func (p *Part) setType(v string) {
	t := tokens{s: v}
	typ := t.word()
	if !t.skip('/') {
		return
	}
	sub := t.word()
	if typ == "" || sub == "" {
		return
	}
	p.Type, p.Subtype, p.Params = lower(typ), lower(sub), t.params()
	if p.Type == "text" && p.Param("charset") == "" && p.Subtype == "plain" {
		// RFC 2045, section 5.2: Content-type: text/plain; charset=us-ascii
		p.Params = append(p.Params, usASCII()...)
	}
}

// tokens reads a structured field value (RFC 2045, section 5.1) as far as it can.
type tokens struct {
	s string
	i int
}

// blanks goes past white space, folds and comments.
func (t *tokens) blanks() {
	depth := 0
	for ; t.i < len(t.s); t.i++ {
		switch c := t.s[t.i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			t.i++
		case depth > 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			return
		}
	}
	t.i = min(t.i, len(t.s))
}

// skip goes past c, if it comes next.
func (t *tokens) skip(c byte) bool {
	t.blanks()
	if t.i < len(t.s) && t.s[t.i] == c {
		t.i++
		return true
	}
	return false
}

// word reads a token; 8-bit octets pass.
func (t *tokens) word() string {
	t.blanks()
	start := t.i
	for t.i < len(t.s) && t.s[t.i] > ' ' && t.s[t.i] != 0x7f && strings.IndexByte(`()<>@,;:\"/[]?=`, t.s[t.i]) < 0 {
		t.i++
	}
	return t.s[start:t.i]
}

// params reads ;name=value until nothing follows.
func (t *tokens) params() (ps []Param) {
	for len(ps) < maxParams {
		if !t.skip(';') {
			// QUIRK: some write a comma, or nothing, between parameters; and rubbish
			// must not hide what follows it.
			next := strings.IndexByte(t.s[t.i:], ';')
			if next < 0 {
				return ps
			}
			t.i += next + 1
		}
		name := t.word()
		if name == "" || !t.skip('=') {
			continue
		}
		ps = append(ps, Param{lower(name), t.value()})
	}
	return ps
}

// value reads a token or a quoted string.
func (t *tokens) value() string {
	t.blanks()
	if t.i < len(t.s) && t.s[t.i] == '"' {
		var v string
		v, t.i = quoted(t.s, t.i)
		return v
	}
	// QUIRK: values that should have been quoted go on to the semicolon: file names
	// with blanks, boundaries with = and /.
	start := t.i
	for t.i < len(t.s) && t.s[t.i] != ';' && t.s[t.i] != '\r' && t.s[t.i] != '\n' {
		t.i++
	}
	v := strings.Trim(t.s[start:t.i], " \t")
	if c := strings.Index(v, " ("); c >= 0 && strings.HasSuffix(v, ")") {
		v = strings.TrimRight(v[:c], " \t") // a comment
	}
	return v
}

// quoted reads the quoted string at s[i] and gives the index after it. Folds in it are
// taken out; one that isn't closed goes on to the end.
func quoted(s string, i int) (string, int) {
	i++
	start := i
	for i < len(s) && s[i] != '"' && s[i] != '\\' && s[i] != '\n' && s[i] != '\r' {
		i++
	}
	if i < len(s) && s[i] == '"' {
		return s[start:i], i + 1
	}
	b := []byte(s[start:i])
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return string(b), i + 1
		case c == '\\' && i+1 < len(s) && s[i+1] != '\r' && s[i+1] != '\n':
			i++
			b = append(b, s[i])
		case c == '\n' || c == '\r' && i+1 < len(s) && s[i+1] == '\n':
		default:
			b = append(b, c)
		}
	}
	return strings.TrimRight(string(b), " \t"), i
}

func firstToken(v string) string {
	t := tokens{s: v}
	return lower(t.word())
}

// lower is strings.ToLower for ASCII, and leaves other octets as they are.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
