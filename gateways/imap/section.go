package imap

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// literal is a section of a message that is ready to be sent.
type literal struct {
	size   int64
	head   []byte // octets that were read already
	r      io.Reader
	closer io.Closer // may be nil
	number bool      // size is all there is to be sent
}

func (l *literal) close() {
	if l.closer != nil {
		l.closer.Close()
		l.closer = nil
	}
}

// send writes the literal. After an error the connection is of no more use.
func (l *literal) send(w *wire.Writer, binary bool) error {
	if l.number {
		return w.Uint(uint64(l.size)).Err()
	}
	mark := ""
	if binary {
		mark = "~"
	}
	return w.Literal(mark, l.size, l.head, l.r)
}

// inMemory makes a literal of bytes.
func inMemory(b []byte, partial *imap.SectionPartial) *literal {
	r := clip(message.Range{Len: int64(len(b))}, partial)
	return &literal{size: r.Len, head: b[r.Off : r.Off+r.Len]}
}

// clip applies <offset.size> to a range.
func clip(r message.Range, p *imap.SectionPartial) message.Range {
	if p == nil {
		return r
	}
	off := min(p.Offset, r.Len)
	return message.Range{Off: r.Off + off, Len: min(p.Size, r.Len-off)}
}

// stream opens a range of the message, and has read its first byte: what can fail
// should do so before the literal is announced.
func (m *mail) stream(ctx context.Context, r message.Range) (*literal, error) {
	rc, err := m.open(ctx, r)
	if err != nil {
		return nil, err
	}
	l := &literal{size: r.Len, r: rc, closer: rc}
	if r.Len > 0 {
		first := make([]byte, min(r.Len, 512))
		n, err := io.ReadAtLeast(rc, first, 1)
		if err != nil {
			rc.Close()
			return nil, err
		}
		l.head = first[:n]
	}
	return l, nil
}

// body gets a BODY[] section ready. A section that isn't there is empty.
func (m *mail) body(ctx context.Context, item *imap.FetchItemBodySection) (*literal, error) {
	if len(item.Part) == 0 {
		switch {
		case len(item.HeaderFields) > 0:
			b, err := m.fields(ctx, item.HeaderFields)
			return inMemory(append(b, "\r\n"...), item.Partial), err
		case len(item.HeaderFieldsNot) > 0:
			return m.filtered(ctx, message.Range{Len: m.header}, item)
		}
		size := m.content.Size()
		r := message.Range{Len: size}
		switch item.Specifier {
		case imap.PartSpecifierHeader:
			r.Len = m.header
		case imap.PartSpecifierText:
			r = message.Range{Off: m.header, Len: size - m.header}
		case imap.PartSpecifierMIME:
			return inMemory(nil, nil), nil
		}
		return m.stream(ctx, clip(r, item.Partial))
	}
	r, ok, err := m.part(ctx, item.Part, specOf(item.Specifier))
	if err != nil {
		return nil, err
	}
	switch {
	case !ok:
		return inMemory(nil, nil), nil
	case len(item.HeaderFields) > 0 || len(item.HeaderFieldsNot) > 0:
		return m.filtered(ctx, r, item)
	}
	return m.stream(ctx, clip(r, item.Partial))
}

func specOf(s imap.PartSpecifier) message.Spec {
	switch s {
	case imap.PartSpecifierHeader:
		return message.Header
	case imap.PartSpecifierText:
		return message.Text
	case imap.PartSpecifierMIME:
		return message.MIME
	}
	return message.Whole
}

// part finds a numbered part in the message.
func (m *mail) part(ctx context.Context, path []int, spec message.Spec) (message.Range, bool, error) {
	r, ok := m.sum.Section(path, spec)
	if !ok && m.sum.Cut&message.CutStructure != 0 {
		if err := m.whole(ctx, message.CutStructure); err != nil {
			return r, false, err
		}
		r, ok = m.sum.Section(path, spec)
	}
	if !ok {
		return r, false, nil
	}
	if spec == message.MIME && m.sum.Part(path) == &m.sum.Body {
		// Part 1 of a message without parts: its header is the message's.
		return message.Range{Len: m.header}, true, nil
	}
	return m.at(r), true, nil
}

// filtered gets HEADER.FIELDS or HEADER.FIELDS.NOT of a header section ready.
//
// RFC 9051, section 6.4.5.1: the blank line is included in all header fetches, except in the case of a message that has no body and no blank line.
func (m *mail) filtered(ctx context.Context, r message.Range, item *imap.FetchItemBodySection) (*literal, error) {
	r.Len = min(r.Len, maxHeader)
	section, err := m.bytes(ctx, r)
	if err != nil {
		return nil, err
	}
	names, named := item.HeaderFields, true
	if len(names) == 0 {
		names, named = item.HeaderFieldsNot, false
	}
	return inMemory(append(pick(section, names, named), "\r\n"...), item.Partial), nil
}
