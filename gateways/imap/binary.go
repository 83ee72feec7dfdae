package imap

import (
	"context"
	"encoding/base64"
	"io"
	"math"
	"mime/quotedprintable"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/mail/message"
)

// binary gets a BINARY[] section ready: the part decoded. Its length must be known before
// it is sent, so what is encoded is read twice rather than held.
func (m *mail) binary(ctx context.Context, item *imap.FetchItemBinarySection) (*literal, error) {
	r, encoding, err := m.encoded(ctx, item.Part)
	if err != nil {
		return nil, err
	}
	if encoding == "" {
		return m.stream(ctx, clip(r, item.Partial))
	}
	size, err := m.decodedSize(ctx, r, encoding)
	if err != nil {
		return nil, err
	}
	rc, err := m.open(ctx, r)
	if err != nil {
		return nil, err
	}
	cut := clip(message.Range{Len: size}, item.Partial)
	decoded := decoder(encoding, rc)
	if _, err := io.CopyN(io.Discard, decoded, cut.Off); err != nil {
		rc.Close()
		return nil, err
	}
	return &literal{size: cut.Len, r: decoded, closer: rc}, nil
}

// binarySize is BINARY.SIZE[].
func (m *mail) binarySize(ctx context.Context, path []int) (uint32, error) {
	r, encoding, err := m.encoded(ctx, path)
	if err == nil && encoding != "" {
		r.Len, err = m.decodedSize(ctx, r, encoding)
	}
	return uint32(min(r.Len, math.MaxUint32)), err
}

// encoded finds a part and its encoding, which is empty if the bytes are meant as they are.
//
// RFC 3516, section 4.3 asks for NO with UNKNOWN-CTE where it is not known.
func (m *mail) encoded(ctx context.Context, path []int) (r message.Range, encoding string, err error) {
	if len(path) == 0 {
		return message.Range{Len: m.content.Size()}, "", nil
	}
	r, ok, err := m.part(ctx, path, message.Whole)
	if err != nil || !ok {
		return message.Range{}, "", err
	}
	switch p := m.sum.Part(path); p.TransferEncoding() {
	case "7bit", "8bit", "binary":
		return r, "", nil
	case "base64", "quoted-printable":
		if p.IsMultipart() {
			return r, "", nil // which no encoding may have
		}
		return r, p.Encoding, nil
	}
	return r, "", no(imap.ResponseCodeUnknownCTE, "The part has an encoding that is not known")
}

func (m *mail) decodedSize(ctx context.Context, r message.Range, encoding string) (int64, error) {
	rc, err := m.open(ctx, r)
	if err != nil {
		return 0, err
	}
	defer rc.Close()
	size, err := io.Copy(io.Discard, decoder(encoding, rc))
	if err != nil {
		if ctx.Err() != nil {
			return 0, err
		}
		return 0, no(imap.ResponseCodeUnknownCTE, "The part can't be decoded")
	}
	return size, nil
}

// decoder decodes a transfer encoding.
func decoder(encoding string, r io.Reader) io.Reader {
	switch encoding {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, &alphabet{r: r})
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// alphabet leaves of base64 what the decoder can't stumble over.
//
// RFC 2045, section 6.8: Any characters outside of the base64 alphabet are to be ignored in base64-encoded data.
type alphabet struct {
	r    io.Reader
	n    int // characters so far, modulo 4
	pad  string
	done bool
}

func (a *alphabet) Read(p []byte) (int, error) {
	for !a.done {
		n, err := a.r.Read(p)
		kept := 0
		for _, c := range p[:n] {
			if c == '=' {
				a.done = true
				break
			}
			if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/' {
				p[kept] = c
				kept++
			}
		}
		a.n = (a.n + kept) % 4
		if err != nil && err != io.EOF {
			return kept, err
		}
		if a.done = a.done || err == io.EOF; a.done {
			a.pad = [...]string{"", "A==", "==", "="}[a.n]
		}
		if kept > 0 {
			return kept, nil
		}
	}
	if a.pad == "" {
		return 0, io.EOF
	}
	n := copy(p, a.pad)
	a.pad = a.pad[n:]
	return n, nil
}
