package blob

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Ref points to the bytes of a blob: what a message, a job or an entry carries.
type Ref struct {
	Name   string `cbor:"1,keyasint"`
	Header uint32 `cbor:"2,keyasint"` // length of the stored header; ranges are shifted by it
	Size   int64  `cbor:"3,keyasint"` // bytes of content, without the header

	// Frames is the table of the frames in which the content is stored, up to MaxTable
	// bytes, so that any range of it is one read. Without it, the content lies as it is
	// behind the header. A reader that doesn't know the field must refuse the Ref.
	Frames cbor.ByteString `cbor:"4,keyasint,omitempty"`
}

// Stored is how many bytes the object has; kinds.Corrupt when the table makes no sense.
func (r Ref) Stored() (int64, error) {
	if len(r.Frames) == 0 {
		return int64(r.Header) + r.Size, nil
	}
	t, err := parseTable([]byte(r.Frames), r.Size)
	return int64(r.Header) + t.stored(), err
}

// Header stands before the bytes of every blob.
type Header struct {
	KeyID  string   `cbor:"1,keyasint,omitempty"` // envelope encryption, reserved
	Owners []string `cbor:"2,keyasint,omitempty"` // account ids that share the blob
}

// The header is: magic, version, length of the CBOR that follows (big endian), CBOR.
const (
	magic      = "GWB"
	plain      = 1 // version: the content as it is
	framed     = 2 // version: the content as zstd frames, one after the other (RFC 8878)
	prefixSize = len(magic) + 1 + 4
	maxHeader  = 1 << 20
)

// Store puts the blob format (a versioned header, then frames) over a driver.
type Store struct{ Driver Driver }

// Messages begins the names of all blobs that NewName gives.
const Messages = "m/"

// NewName gives a fresh name for a blob of the tenant: the generation (the hour of its
// making) lets a later sweep find what a crashed writer left.
func NewName(tenant string, now time.Time) string {
	return Messages + tenant + "/" + now.UTC().Format("2006010215") + "/" + strings.ToLower(rand.Text())
}

// Put writes size bytes of body under name, with a header, durably. It holds in memory
// what it stores: for what is large there is PutFrames.
func (s Store) Put(ctx context.Context, name string, h Header, body io.ReaderAt, size int64) (Ref, error) {
	var stored bytes.Buffer
	f := NewFramer(&stored)
	piece := make([]byte, min(size, FrameSize))
	for off := int64(0); off < size; off += FrameSize {
		p := piece[:min(size-off, FrameSize)]
		if n, err := body.ReadAt(p, off); n < len(p) {
			return Ref{}, kinds.Errorf(kinds.Invalid, "blob: the body ends after %d bytes of %d: %w", off+int64(n), size, err)
		}
		if err := f.Frame(p); err != nil {
			return Ref{}, err
		}
	}
	return s.PutFrames(ctx, name, h, f, bytes.NewReader(stored.Bytes()))
}

// PutFrames writes under name, with a header, durably, what f wrote, which is read from
// frames. Nothing more is given to f.
func (s Store) PutFrames(ctx context.Context, name string, h Header, f *Framer, frames io.ReaderAt) (Ref, error) {
	head, err := encodeHeader(h, framed)
	if err != nil {
		return Ref{}, err
	}
	ref := Ref{Name: name, Header: uint32(len(head)), Size: f.size, Frames: cbor.ByteString(f.table.encode())}
	return ref, s.Driver.Put(ctx, name, &joined{head, frames}, int64(len(head))+f.stored)
}

// Open reads n bytes of the content from off (n < 0: to the end). A range that reaches
// past the end is cut; one that begins past it is empty. What is not as it was written
// is kinds.Corrupt when it is read, before a byte of that frame is given.
func (s Store) Open(ctx context.Context, ref Ref, off, n int64) (io.ReadCloser, error) {
	if off < 0 {
		return nil, kinds.Errorf(kinds.Invalid, "blob: offset %d", off)
	}
	if len(ref.Frames) == 0 {
		return s.Driver.Open(ctx, ref.Name, int64(ref.Header)+off, n)
	}
	off = min(off, ref.Size)
	if n < 0 || n > ref.Size-off {
		n = ref.Size - off
	}
	if n <= 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	return s.openFrames(ctx, ref, off, n)
}

// ReadHeader reads and checks the header of a stored blob.
func (s Store) ReadHeader(ctx context.Context, name string) (Header, error) {
	var h Header
	r, err := s.Driver.Open(ctx, name, 0, int64(prefixSize+maxHeader))
	if err != nil {
		return h, err
	}
	defer r.Close()
	var pre [prefixSize]byte
	if _, err := io.ReadFull(r, pre[:]); err != nil || string(pre[:3]) != magic {
		return h, kinds.Errorf(kinds.Corrupt, "blob %s: no blob header", name)
	}
	if pre[3] != plain && pre[3] != framed {
		return h, kinds.Errorf(kinds.TooNew, "blob %s: header version %d", name, pre[3])
	}
	n := int64(pre[4])<<24 | int64(pre[5])<<16 | int64(pre[6])<<8 | int64(pre[7])
	if n > maxHeader {
		return h, kinds.Errorf(kinds.Corrupt, "blob %s: header of %d bytes", name, n)
	}
	enc := make([]byte, n)
	if _, err := io.ReadFull(r, enc); err != nil {
		return h, kinds.Errorf(kinds.Corrupt, "blob %s: header cut short", name)
	}
	if err := cbor.Unmarshal(enc, &h); err != nil {
		return h, kinds.Errorf(kinds.Corrupt, "blob %s: header: %w", name, err)
	}
	return h, nil
}

// joined reads head, then body, as one.
type joined struct {
	head []byte
	body io.ReaderAt
}

func (j *joined) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("blob: negative offset")
	}
	n := 0
	if off < int64(len(j.head)) {
		n = copy(p, j.head[off:])
		if n == len(p) {
			return n, nil
		}
	}
	m, err := j.body.ReadAt(p[n:], off+int64(n)-int64(len(j.head)))
	return n + m, err
}
