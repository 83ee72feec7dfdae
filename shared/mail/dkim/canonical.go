package dkim

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"strings"
)

// Canonicalization is how text is made alike before it is hashed, so that a mail server on
// the way may change its blanks.
type Canonicalization uint8

// The two ways of RFC 6376, section 3.4.
const (
	Simple Canonicalization = iota
	Relaxed
)

func parseCanonicalization(s string) (c Canonicalization, ok bool) {
	switch strings.ToLower(s) {
	case "", "simple":
		return Simple, true
	case "relaxed":
		return Relaxed, true
	}
	return 0, false
}

// field appends a header field, its line end included.
//
// RFC 6376, section 3.4.2: convert names to lowercase, unfold, convert sequences of WSP to a single SP, delete WSP at the end and round the colon.
func (c Canonicalization) field(to, raw []byte) []byte {
	if c == Simple {
		return append(to, raw...)
	}
	name, value, _ := bytes.Cut(raw, []byte(":"))
	to = append(to, bytes.ToLower(bytes.TrimRight(name, " \t\r\n"))...)
	to = append(to, ':')
	for i, word := range bytes.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }) {
		if i > 0 {
			to = append(to, ' ')
		}
		to = append(to, word...)
	}
	return append(to, "\r\n"...)
}

// bodyHash hashes a body that comes in pieces. A line may end with CRLF or LF.
type bodyHash struct {
	canon Canonicalization
	sum   hash.Hash
	out   []byte // not hashed yet
	lines int    // line ends that count only if something follows
	blank bool   // likewise, of blanks (Relaxed)
	cr    bool   // the last octet was a CR: part of a line end, perhaps
	some  bool   // something was hashed
}

func newBodyHash(c Canonicalization) *bodyHash { return &bodyHash{canon: c, sum: sha256.New()} }

// Write never fails.
func (b *bodyHash) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			b.part(p)
			break
		}
		b.part(p[:i])
		b.lines, b.blank, b.cr = b.lines+1, false, false
		p = p[i+1:]
	}
	b.flush(4096)
	return n, nil
}

// part takes a piece of a line.
func (b *bodyHash) part(p []byte) {
	if len(p) == 0 {
		return
	}
	if b.cr {
		b.text([]byte("\r"))
	}
	if b.cr = p[len(p)-1] == '\r'; b.cr {
		p = p[:len(p)-1]
	}
	b.text(p)
}

func (b *bodyHash) text(p []byte) {
	for len(p) > 0 {
		n := len(p)
		if b.canon == Relaxed {
			if p[0] == ' ' || p[0] == '\t' {
				b.blank, p = true, p[1:]
				continue
			}
			for n = 1; n < len(p) && p[n] != ' ' && p[n] != '\t'; n++ {
			}
		}
		for ; b.lines > 0; b.lines-- {
			b.out = append(b.out, "\r\n"...)
			b.flush(4096)
		}
		if b.blank {
			b.out, b.blank = append(b.out, ' '), false
		}
		b.out, b.some = append(b.out, p[:n]...), true
		p = p[n:]
	}
	b.flush(4096)
}

func (b *bodyHash) flush(over int) {
	if len(b.out) > over {
		b.sum.Write(b.out)
		b.out = b.out[:0]
	}
}

// end gives the hash of the whole body.
//
// RFC 6376, section 3.4.3: if there is no body or no trailing CRLF on the message body, a CRLF is added.
// RFC 6376, section 3.4.4: if the body is non-empty but does not end with a CRLF, a CRLF is added.
func (b *bodyHash) end() []byte {
	if b.cr {
		b.text([]byte("\r"))
	}
	if b.some || b.canon == Simple {
		b.out = append(b.out, "\r\n"...)
	}
	b.flush(-1)
	return b.sum.Sum(nil)
}
