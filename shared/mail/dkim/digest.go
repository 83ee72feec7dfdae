package dkim

import (
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// maxHeader is how long a header section may be, in octets. A longer one is taken for body.
const maxHeader = 512 << 10

// Digest takes a message as it streams by, keeps its header section, and hashes its body
// in the ways that the signatures in it (and RelaxedBody) ask for. Its zero value is ready
// to use.
type Digest struct {
	// RelaxedBody asks for the hash that a signature of ours needs.
	RelaxedBody bool

	head   []byte
	line   int // where the last line of head begins
	inBody bool
	body   [2]*bodyHash
	hashes [2][]byte
	parsed *Header
}

// Write takes the next bytes. It never fails.
func (d *Digest) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !d.inBody {
		if len(d.head) > maxHeader {
			d.head, d.line = nil, 0
			d.begin()
			break
		}
		i := slices.Index(p, '\n') + 1
		if i == 0 {
			d.head = append(d.head, p...)
			return n, nil
		}
		d.head = append(d.head, p[:i]...)
		p = p[i:]
		if header.IsEmpty(d.head[d.line:]) {
			d.begin()
		}
		d.line = len(d.head)
	}
	for _, b := range d.body {
		if b != nil && len(p) > 0 {
			_, _ = b.Write(p)
		}
	}
	return n, nil
}

// begin begins the body.
func (d *Digest) begin() {
	d.inBody = true
	want := [2]bool{Relaxed: d.RelaxedBody}
	for _, f := range d.Header().fields {
		if f.Is("DKIM-Signature") || f.Is("ARC-Message-Signature") {
			if s := parseSignature(f); s.Result == "" {
				want[s.body] = true
			}
		}
	}
	for c, wanted := range want {
		if wanted {
			d.body[c] = newBodyHash(Canonicalization(c))
		}
	}
}

// Header gives the header section, as soon as its last byte has come.
func (d *Digest) Header() *Header {
	if d.parsed == nil {
		d.parsed = ParseHeader(d.head)
	}
	return d.parsed
}

// BodyHash gives the SHA-256 of the body; nil if nothing asked for it. No bytes may follow.
func (d *Digest) BodyHash(c Canonicalization) []byte {
	if !d.inBody {
		d.begin() // a message without a body
	}
	return d.hashes[c]
}

// Close says that the last byte has come. It never fails.
func (d *Digest) Close() error {
	if !d.inBody {
		d.begin()
	}
	for c, b := range d.body {
		if b != nil {
			d.hashes[c] = b.end()
		}
	}
	d.body = [2]*bodyHash{}
	return nil
}

// Header is the header section of a message, of which any field is found at once.
type Header struct {
	fields []header.Field
	byName map[string][]int // from the bottom
}

// ParseHeader reads a header section.
func ParseHeader(section []byte) *Header {
	h := &Header{byName: map[string][]int{}}
	for f := range header.All(section) {
		h.fields = append(h.fields, f)
	}
	for i := len(h.fields) - 1; i >= 0; i-- {
		name := strings.ToLower(string(h.fields[i].Name))
		h.byName[name] = append(h.byName[name], i)
	}
	return h
}

// All gives the fields of a name, the lowest first.
func (h *Header) All(name string) []header.Field {
	var list []header.Field
	for _, i := range h.byName[strings.ToLower(name)] {
		list = append(list, h.fields[i])
	}
	return list
}

// picker takes fields in the order of h=.
//
// RFC 6376, section 5.4.2: Signers choosing to sign an existing header field that occurs more than once in the message MUST sign the physically last instance of that header field in the header block; and so on upwards.
type picker struct {
	h    *Header
	used map[string]int
}

// next gives the raw field, nil if there is none (left).
func (p *picker) next(name string) []byte {
	name = strings.ToLower(name)
	at, n := p.h.byName[name], p.used[name]
	if n >= len(at) {
		return nil
	}
	p.used[name]++
	return p.h.fields[at[n]].Raw
}
