package account

import (
	"bytes"
	"context"
	"io"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// OpenMessage reads n bytes of the message from off (n < 0: to the end): head, then
// blob[skip:]. What lies past the end is cut off. The blob is opened when its first byte
// is read; one that is shorter than it should be is kinds.Corrupt. ctx must last as long
// as the reading.
func (s *Store) OpenMessage(ctx context.Context, c *Content, off, n int64) (io.ReadCloser, error) {
	size := c.Size()
	if off < 0 || c.Skip < 0 || c.Skip > c.Blob.Size {
		return nil, kinds.Errorf(kinds.Invalid, "account: read a message of %d bytes from %d", size, off)
	}
	off = min(off, size)
	if n < 0 || n > size-off {
		n = size - off
	}
	head := int64(len(c.Head))
	r := &messageReader{ctx: ctx, store: s, content: c}
	r.head.Reset(c.Head[min(off, head):min(off+n, head)])
	r.left = n - int64(r.head.Len())
	r.off = c.Skip + max(0, off-head)
	return r, nil
}

type messageReader struct {
	ctx     context.Context
	store   *Store
	content *Content
	head    bytes.Reader
	blob    io.ReadCloser
	off     int64 // in the blob
	left    int64 // of the blob
}

func (r *messageReader) Read(p []byte) (int, error) {
	if r.head.Len() > 0 {
		return r.head.Read(p)
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if r.blob == nil {
		b, err := r.store.cfg.Blobs.Open(r.ctx, r.content.Blob, r.off, r.left)
		if err != nil {
			return 0, err
		}
		r.blob = b
	}
	n, err := r.blob.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == io.EOF {
		if r.left > 0 {
			return n, kinds.Errorf(kinds.Corrupt, "account: blob %s ends %d bytes early", r.content.Blob.Name, r.left)
		}
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

// Close ends the reading.
func (r *messageReader) Close() error {
	if r.blob == nil {
		return nil
	}
	return r.blob.Close()
}
