package message

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What is held of a text part for the preview, in encoded octets: enough for 256
// characters, behind the style sheet that HTML begins with.
const (
	maxPreview     = 256 // characters
	maxTextCapture = 4 << 10
	maxHTMLCapture = 32 << 10
)

// capture holds the beginning of a part's body.
type capture struct {
	part  *Part
	inner bool // it is in an embedded message
	buf   []byte
	max   int
}

// listen decides whether the body of leaf p is captured: the first plain and the first
// HTML text that isn't an attachment; one in an embedded message only if there is none before.
func (s *Scanner) listen(p *Part) {
	s.cur = nil
	if p.Type != "text" || p.Disposition == "attachment" {
		return
	}
	inner := false
	for i := 1; i < len(s.stack); i++ {
		inner = inner || s.stack[i].top
	}
	if inner && (s.text.part != nil || s.html.part != nil) {
		return
	}
	c := &s.text
	if p.Subtype == "html" {
		c = &s.html
	} else if p.Subtype != "plain" {
		return
	}
	if c.part == nil {
		c.part, c.inner, s.cur = p, inner, c
	}
}

// take gives content to the capture at work.
func (s *Scanner) take(p []byte) {
	if s.cur == nil {
		return
	}
	room := s.cur.max - len(s.cur.buf)
	if room <= 0 {
		s.cur = nil
		return
	}
	s.cur.buf = append(s.cur.buf, p[:min(room, len(p))]...)
}

// preview makes the preview of the text that comes first and isn't blank.
//
// RFC 8970, section 3.1: a preview of up to 256 characters
func (s *Scanner) preview() {
	first, second := &s.text, &s.html
	if first.part == nil || second.part != nil && second.part.Offset < first.part.Offset {
		first, second = second, first
	}
	for _, c := range []*capture{first, second} {
		if c.part == nil || c != first && c.inner {
			continue
		}
		text := c.part.decodeText(c.buf)
		if c.part.Subtype == "html" {
			text = stripHTML(text)
		}
		if s.sum.Preview = shorten(text, maxPreview); s.sum.Preview != "" {
			return
		}
	}
}

// shorten makes one line of s, of at most n characters.
func shorten(s string, n int) string {
	var b strings.Builder
	blank := false
	for _, r := range s {
		// Byte order marks, soft hyphens, zero-width fillers; the joiner holds emoji together.
		if r != 0x200d && unicode.Is(unicode.Cf, r) || r == 0x034f {
			continue
		}
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			blank = b.Len() > 0
			continue
		}
		if blank {
			if n--; n <= 0 {
				break
			}
			b.WriteByte(' ')
			blank = false
		}
		if n--; n < 0 {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " ")
}

// stripHTML gives the text of HTML: without tags, comments, style sheets and scripts.
func stripHTML(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			i = len(s)
		}
		b.WriteString(s[:i])
		s = s[i:]
		if s == "" {
			break
		}
		if strings.HasPrefix(s, "<!--") {
			s = after(s, "-->")
			continue
		}
		if len(s) < 2 || s[1] != '/' && s[1] != '!' && s[1] != '?' && !isLetter(s[1]) {
			b.WriteByte('<')
			s = s[1:]
			continue
		}
		name := tagName(s[1:])
		s = afterTag(s)
		switch name {
		case "style", "script", "title", "head", "template":
			if name == "head" { // its text is in the elements above
				break
			}
			s = afterElement(s, name)
		case "b", "i", "u", "a", "em", "strong", "span", "font", "/b", "/i", "/u", "/a", "/em", "/strong", "/span", "/font":
		default:
			b.WriteByte(' ')
		}
	}
	return html.UnescapeString(b.String())
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func tagName(s string) string {
	i := 0
	for i < len(s) && i < 12 && (isLetter(s[i]) || i == 0 && s[i] == '/') {
		i++
	}
	return lower(s[:i])
}

// afterTag goes past the tag at the start of s, and any > in its quoted attributes.
func afterTag(s string) string {
	var quote byte
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			if s[i-1] == '=' {
				quote = c
			}
		case c == '>':
			return s[i+1:]
		}
	}
	return ""
}

// afterElement goes past the end tag of an element that holds no tags.
func afterElement(s, name string) string {
	for {
		i := strings.Index(s, "</")
		if i < 0 {
			return ""
		}
		s = s[i+2:]
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			return after(s, ">")
		}
	}
}

func after(s, sep string) string {
	if _, rest, ok := strings.Cut(s, sep); ok {
		return rest
	}
	return ""
}

// validUTF8 replaces what is no UTF-8.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
