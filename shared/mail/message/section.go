package message

// Range is a run of octets of the blob.
type Range struct{ Off, Len int64 }

// Spec says which octets of a part are wanted.
type Spec uint8

// The specifiers of IMAP's section syntax.
const (
	Whole  Spec = iota // BODY[], BODY[n]: the message with its header, the part without
	Header             // BODY[HEADER], BODY[n.HEADER]: of the message, of the embedded message
	Text               // BODY[TEXT], BODY[n.TEXT]
	MIME               // BODY[n.MIME]: the part's own header
)

// Header is the range of the part's header, the empty line included.
func (p *Part) Header() Range { return Range{p.Offset, p.HeaderLen} }

// Content is the range of the part's body.
func (p *Part) Content() Range { return Range{p.Offset + p.HeaderLen, p.BodyLen} }

// IsMultipart tells whether p has parts (or would have: they can be cut).
func (p *Part) IsMultipart() bool { return p.Type == "multipart" }

// MediaType gives the type as a client must be told it: a message/rfc822 (or global)
// that isn't looked into is application/octet-stream, because IMAP has no way to name
// a message without its envelope, a multipart without parts likewise.
func (p *Part) MediaType() (typ, subtype string) {
	if p.isMessage() && p.Message == nil || p.IsMultipart() && len(p.Parts) == 0 {
		return "application", "octet-stream"
	}
	return p.Type, p.Subtype
}

func (p *Part) isMessage() bool {
	return p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global")
}

// TransferEncoding is the Content-Transfer-Encoding in lower case, 7bit by default.
func (p *Part) TransferEncoding() string {
	if p.Encoding == "" {
		return "7bit"
	}
	return p.Encoding
}

// Param gives the value of a Content-Type parameter; name is in lower case.
func (p *Part) Param(name string) string { return findParam(p.Params, name) }

func findParam(ps []Param, name string) string {
	for i := range ps {
		if ps[i].Name == name {
			return ps[i].Value
		}
	}
	return ""
}

// Part finds a part by its IMAP number; nil if there is none. The empty path is the
// message itself.
//
// RFC 9051, section 6.4.5.1: Every message has at least one part number. Messages that do not use MIME, and MIME messages that are not multipart and have no encapsulated message within them, only have a part 1.
func (s *Summary) Part(path []int) *Part {
	p, top := &s.Body, true // top: p is a message's body, not yet a numbered part
	for _, n := range path {
		if !top && p.Message != nil {
			p, top = &p.Message.Body, true
		}
		switch {
		case p.IsMultipart():
			if n < 1 || n > len(p.Parts) {
				return nil
			}
			p, top = p.Parts[n-1], false
		case top && n == 1:
			top = false
		default:
			return nil
		}
	}
	return p
}

// Section gives the range that an IMAP section names; ok is false if there is no such
// section, which with CutStructure set means that the blob must be scanned to know.
func (s *Summary) Section(path []int, spec Spec) (r Range, ok bool) {
	if len(path) == 0 {
		switch spec {
		case Whole:
			return Range{0, s.Size}, true
		case Header:
			return s.Body.Header(), true
		case Text:
			return s.Body.Content(), true
		}
		return r, false
	}
	p := s.Part(path)
	if p == nil {
		return r, false
	}
	switch {
	case spec == Whole:
		return p.Content(), true
	case spec == MIME:
		return p.Header(), true
	case p.Message == nil:
		// RFC 9051, section 6.4.5.1: The HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, and TEXT part specifiers can be the sole part specifier or can be prefixed by one or more numeric part specifiers, provided that the numeric part specifier refers to a part of type MESSAGE/RFC822 or MESSAGE/GLOBAL.
		return r, false
	case spec == Header:
		return p.Message.Body.Header(), true
	}
	return p.Message.Body.Content(), true
}

// Walk calls f for p and all parts in it, parents first, those of embedded messages
// included, until f returns false.
func (p *Part) Walk(f func(*Part) bool) bool {
	if !f(p) {
		return false
	}
	if p.Message != nil {
		return p.Message.Body.Walk(f)
	}
	for _, c := range p.Parts {
		if !c.Walk(f) {
			return false
		}
	}
	return true
}
