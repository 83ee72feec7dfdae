package imap

import (
	"bytes"
	"context"
	"io"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// maxHeader is how much of a header section is read where the summary doesn't know enough.
const maxHeader = 1 << 20

// mail is what a message is made of, with its summary.
type mail struct {
	session *session
	content account.Content
	sum     message.Summary
	header  int64  // length of the whole header section: the head's and the blob's
	scanned bool   // sum was made of the blob, nothing in it was cut
	brief   bool   // sum has no more than what the header says
	octets  []byte // of the whole message, if it was read
}

// open reads a message's summary.
func (s *session) open(c account.Content) (*mail, error) {
	sum, err := message.Decode(c.Summary)
	return s.mail(c, sum), err
}

// openHeader reads of a message's summary what the header says; the rest follows where it is
// needed.
func (s *session) openHeader(c account.Content) (*mail, error) {
	sum, err := message.DecodeHeader(c.Summary)
	m := s.mail(c, sum)
	m.brief = true
	return m, err
}

func (s *session) mail(c account.Content, sum message.Summary) *mail {
	m := &mail{session: s, content: c, sum: sum, header: int64(len(c.Head)) + max(0, sum.HeaderLen-c.Skip)}
	if c.Skip > 0 { // the header is in the head alone
		m.headerFrom(c.Head)
	}
	return m
}

// headerFrom makes the summary's fields and envelope anew.
func (m *mail) headerFrom(section []byte) {
	sc := message.NewScanner()
	_, _ = sc.Write(section) // never fails
	h := sc.Finish()
	m.sum.Fields, m.sum.Envelope, m.sum.Thread = h.Fields, h.Envelope, h.Thread
	m.sum.Cut = m.sum.Cut&^(message.CutFields|message.CutEnvelope) | h.Cut&(message.CutFields|message.CutEnvelope)
}

// whole reads the blob where what is asked for was cut from the summary.
func (m *mail) whole(ctx context.Context, cut message.Cut) error {
	if m.brief && cut != message.CutEnvelope {
		full, err := m.session.open(m.content)
		if err != nil {
			return err
		}
		full.sum.Fields, full.sum.Envelope, full.sum.Thread = m.sum.Fields, m.sum.Envelope, m.sum.Thread
		m.sum, m.brief = full.sum, false
	}
	if m.sum.Cut&cut == 0 || m.scanned {
		return nil
	}
	if cut == message.CutEnvelope {
		section, err := m.bytes(ctx, message.Range{Len: min(m.header, maxHeader)})
		if err == nil {
			m.headerFrom(section)
		}
		return err
	}
	r, err := m.session.gateway.cfg.Blobs.Open(ctx, m.content.Blob, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	sc := message.NewScanner()
	if _, err := io.Copy(sc, r); err != nil {
		return err
	}
	fields, envelope, thread := m.sum.Fields, m.sum.Envelope, m.sum.Thread
	m.sum, m.scanned = sc.Finish(), true
	if m.content.Skip > 0 {
		m.sum.Fields, m.sum.Envelope, m.sum.Thread = fields, envelope, thread
	}
	return nil
}

// at turns a range of the blob into one of the message.
func (m *mail) at(r message.Range) message.Range {
	off := r.Off + int64(len(m.content.Head)) - m.content.Skip
	if off < 0 { // of the header that the head took the place of
		return message.Range{}
	}
	return message.Range{Off: off, Len: r.Len}
}

// open reads a range of the message.
func (m *mail) open(ctx context.Context, r message.Range) (io.ReadCloser, error) {
	if m.octets != nil {
		n := int64(len(m.octets))
		from := min(r.Off, n)
		return io.NopCloser(bytes.NewReader(m.octets[from:min(from+r.Len, n)])), nil
	}
	return m.session.gateway.cfg.Accounts.OpenMessage(ctx, &m.content, r.Off, r.Len)
}

// bytes reads a range that is not long.
func (m *mail) bytes(ctx context.Context, r message.Range) ([]byte, error) {
	rc, err := m.open(ctx, r)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	b := make([]byte, r.Len)
	if _, err := io.ReadFull(rc, b); err != nil {
		return nil, kinds.Wrap(kinds.Corrupt, err, "imap: read a message")
	}
	return b, nil
}

// fields gives the header fields of the message that are named, in their order, without
// reading the blob if the summary has them.
func (m *mail) fields(ctx context.Context, names []string) ([]byte, error) {
	if m.content.Skip == 0 {
		if listed, ok := m.sum.Select(names...); ok {
			return append(pick(m.content.Head, names, true), listed...), nil
		}
	} else if listed, ok := m.sum.Select(names...); ok {
		return listed, nil
	}
	section, err := m.bytes(ctx, message.Range{Len: min(m.header, maxHeader)})
	if err != nil {
		return nil, err
	}
	return pick(section, names, true), nil
}

// pick gives the fields of a section that are named, or those that aren't.
func pick(section []byte, names []string, named bool) []byte {
	var out []byte
	for f := range header.All(section) {
		found := false
		for _, n := range names {
			if f.Is(n) {
				found = true
				break
			}
		}
		if found == named {
			out = append(out, f.Raw...)
			if !bytes.HasSuffix(f.Raw, []byte("\n")) {
				out = append(out, "\r\n"...)
			}
		}
	}
	return out
}
