package reports

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"mime/quotedprintable"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// Limits of the files in a message.
const (
	maxFiles  = 4        // that are looked at
	maxPacked = 10 << 20 // octets of one
	maxText   = 32 << 20 // octets of what was packed
)

// files gives what is in the files of a message that may be reports, unpacked.
func (b *Inbox) files(ctx context.Context, sum *message.Summary, ref blob.Ref) (list [][]byte, err error) {
	sum.Body.Walk(func(p *message.Part) bool {
		if len(list) >= maxFiles || err != nil {
			return false
		}
		if p.IsMultipart() || p.Message != nil || p.BodyLen > 2*maxPacked || p.Type == "text" && p.Subtype != "xml" {
			return true
		}
		var text []byte
		if text, err = b.file(ctx, p, ref); text != nil {
			list = append(list, text)
		}
		return true
	})
	return list, err
}

// file reads one; nil if it is no report, or too large for one.
func (b *Inbox) file(ctx context.Context, p *message.Part, ref blob.Ref) ([]byte, error) {
	at := p.Content()
	r, err := b.Blobs.Open(ctx, ref, at.Off, at.Len)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "reports: a file")
	}
	return Unpack(raw, p.TransferEncoding()), nil
}

// Unpack decodes a file: base64 or quoted-printable, then gzip or zip, or neither. nil if it
// can't be, or is too large.
func Unpack(raw []byte, encoding string) []byte {
	var r io.Reader = bytes.NewReader(raw)
	switch encoding {
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	}
	packed, ok := atMost(r, maxPacked)
	if !ok {
		return nil
	}
	var text io.Reader = bytes.NewReader(packed)
	switch {
	case bytes.HasPrefix(packed, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(text)
		if err != nil {
			return nil
		}
		text = z
	case bytes.HasPrefix(packed, []byte("PK\x03\x04")):
		z, err := zip.NewReader(bytes.NewReader(packed), int64(len(packed)))
		if err != nil || len(z.File) != 1 {
			return nil
		}
		f, err := z.File[0].Open()
		if err != nil {
			return nil
		}
		defer f.Close()
		text = f
	}
	out, ok := atMost(text, maxText)
	if !ok {
		return nil
	}
	return out
}

// atMost reads all, unless there is more than that.
func atMost(r io.Reader, most int64) ([]byte, bool) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	return b, err == nil && int64(len(b)) <= most
}
