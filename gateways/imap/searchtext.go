package imap

import (
	"bytes"
	"context"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"

	"github.com/godwit-mail/godwit/shared/mail/collate"
	"github.com/godwit-mail/godwit/shared/mail/header"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// hasField tells whether a header field of that name contains a text, encoded words
// decoded. An empty text is in any field. The text is given by its collation key.
func (m *mail) hasField(ctx context.Context, name, needle string) (bool, error) {
	raw, err := m.fields(ctx, []string{name})
	if err != nil {
		return false, err
	}
	for f := range header.All(raw) {
		if strings.Contains(collate.Key(message.DecodeText(f.Text())), needle) {
			return true, nil
		}
	}
	return false, nil
}

// readAtOnce is the size up to which a message is read as a whole where its text is looked
// into, in octets.
const readAtOnce = 128 << 10

// contains tells whether the text of the message, or (with headers) one of its header
// sections, contains a text. Texts are decoded and compared as Unicode; parts that are no
// text are passed over.
func (m *mail) contains(ctx context.Context, needle string, headers bool) (bool, error) {
	if needle == "" {
		return true, nil
	}
	if m.octets == nil && m.content.Size() <= readAtOnce {
		// One read is less than one for the header and one for each part.
		var err error
		if m.octets, err = m.bytes(ctx, message.Range{Len: m.content.Size()}); err != nil {
			return false, err
		}
	}
	if headers {
		if ok, err := m.headerContains(ctx, message.Range{Len: m.header}, needle); ok || err != nil {
			return ok, err
		}
	}
	if err := m.whole(ctx, message.CutStructure); err != nil {
		return false, err
	}
	found := false
	var failed error
	m.sum.Body.Walk(func(p *message.Part) bool {
		if headers && p != &m.sum.Body && p.HeaderLen > 0 {
			// RFC 9051, section 6.4.4: in the header (including MIME header fields) or body
			if found, failed = m.headerContains(ctx, m.at(p.Header()), needle); found || failed != nil {
				return false
			}
		}
		switch {
		case p.Type == "text":
			found, failed = m.partContains(ctx, p, needle)
		case p.Message != nil && !headers:
			// What is a header within the body is part of the body's text.
			found, failed = m.headerContains(ctx, m.at(p.Message.Body.Header()), needle)
		}
		return !found && failed == nil
	})
	return found, failed
}

// headerContains searches the fields of a header section.
func (m *mail) headerContains(ctx context.Context, r message.Range, needle string) (bool, error) {
	r.Len = min(r.Len, maxHeader)
	section, err := m.bytes(ctx, r)
	if err != nil {
		return false, err
	}
	for f := range header.All(section) {
		if strings.Contains(collate.Key(string(f.Name)+": "+message.DecodeText(f.Text())), needle) {
			return true, nil
		}
	}
	return false, nil
}

// partContains streams a text part through its decoders. Where they fail, what came
// before is what can be searched.
func (m *mail) partContains(ctx context.Context, p *message.Part, needle string) (bool, error) {
	rc, err := m.open(ctx, m.at(p.Content()))
	if err != nil {
		return false, err
	}
	defer rc.Close()
	raw := &watched{r: rc}
	var text io.Reader = decoder(p.TransferEncoding(), raw)
	if cs := p.Param("charset"); cs != "" && !strings.EqualFold(cs, "utf-8") && !strings.EqualFold(cs, "us-ascii") {
		if r, err := charset.Reader(cs, text); err == nil {
			text = r
		}
	}
	found := streamContains(text, needle)
	return found, raw.err
}

// watched remembers that reading the blob failed, which is no matter of decoding.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// streamContains searches a stream with bounded memory, for a text of which the collation key
// is given.
func streamContains(r io.Reader, needle string) bool {
	in := make([]byte, 32<<10)
	held := 0 // octets of a character that isn't complete
	want := []byte(needle)
	var text []byte // keys; before them what a match may begin in
	for {
		n, err := r.Read(in[held:])
		n += held
		whole := n
		if err == nil {
			whole = completeUTF8(in[:n])
		}
		keep := min(len(text), len(want)-1)
		text = append(text[:0], text[len(text)-keep:]...)
		text = collate.Append(text, in[:whole])
		held = copy(in, in[whole:n])
		if bytes.Contains(text, want) {
			return true
		}
		if err != nil {
			return false
		}
	}
}

// completeUTF8 gives the length of b without a character that isn't complete.
func completeUTF8(b []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return len(b) - i
			}
			break
		}
	}
	return len(b)
}
