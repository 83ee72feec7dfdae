package message

import (
	"strconv"
	"strings"
	"unicode"
)

const (
	maxAttachments = 64
	maxFilename    = 255 // octets of one name
)

// Filename is the decoded name of the part: the filename of its Content-Disposition, or
// the name of its Content-Type; "" if it has none. It is UTF-8 without control
// characters, at most 255 octets, and not safe as a path.
func (p *Part) Filename() string {
	name := decodeParam(p.DispositionParams, "filename")
	if name == "" {
		name = decodeParam(p.Params, "name")
	}
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, name)
	if name = strings.TrimSpace(name); len(name) > maxFilename {
		cut := maxFilename
		for cut > 0 && name[cut]&0xc0 == 0x80 {
			cut--
		}
		name = name[:cut]
	}
	return name
}

// decodeParam gives the value of a parameter that may be encoded and continued (RFC 2231).
//
// QUIRK: encoded words in parameters, which RFC 2047, section 5 forbids, are decoded: Outlook
// and many others write them.
func decodeParam(ps []Param, name string) string {
	if len(ps) == 0 {
		return ""
	}
	var raw strings.Builder
	var cs string
	encoded := false
	piece := func(v string, ext, first bool) {
		if ext {
			encoded = true
			if first {
				if c, rest, ok := strings.Cut(v, "'"); ok {
					if _, text, ok := strings.Cut(rest, "'"); ok {
						cs, v = c, text
					}
				}
			}
			v = unpercent(v)
		}
		raw.WriteString(v)
	}
	if v := findParam(ps, name+"*"); v != "" {
		piece(v, true, true)
	} else {
		for i := 0; ; i++ {
			n := name + "*" + strconv.Itoa(i)
			if v, ok := lookParam(ps, n+"*"); ok {
				piece(v, true, i == 0)
			} else if v, ok := lookParam(ps, n); ok {
				piece(v, false, false)
			} else {
				break
			}
		}
	}
	if raw.Len() == 0 {
		return DecodeText(findParam(ps, name))
	}
	if !encoded {
		return DecodeText(raw.String())
	}
	t, err := toUTF8([]byte(raw.String()), cs)
	if err != nil {
		return validUTF8(raw.String())
	}
	return t
}

func lookParam(ps []Param, name string) (string, bool) {
	for i := range ps {
		if ps[i].Name == name {
			return ps[i].Value, true
		}
	}
	return "", false
}

func unpercent(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// IsAttachment tells whether people would call the leaf p an attachment: it says so, or it
// has a name and isn't shown in place; a message in a message is one too.
func (p *Part) IsAttachment() bool {
	switch {
	case p.IsMultipart():
		return false
	case p.Disposition == "attachment":
		return true
	case p.Disposition == "inline" && (p.ID != "" || p.Type == "text"):
		return false
	case p.isMessage():
		return p.Disposition != "inline"
	}
	named := p.Filename() != ""
	return named && (p.ID == "" || p.Disposition != "")
}

// attachments collects the names of the attachments, not those inside of one. The messages
// that make up a digest or a report are none, unless they have a name.
func (s *Scanner) attachments() {
	var walk func(p *Part, made bool)
	walk = func(p *Part, made bool) {
		if p.IsAttachment() && !(made && p.isMessage() && p.Filename() == "") {
			if len(s.sum.Attachments) >= maxAttachments {
				s.sum.Cut |= CutAttachments
				return
			}
			s.sum.Attachments = append(s.sum.Attachments, p.Filename())
		}
		for _, c := range p.Parts {
			walk(c, p.Subtype == "digest" || p.Subtype == "report")
		}
	}
	walk(&s.sum.Body, false)
}
