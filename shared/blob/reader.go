package blob

import (
	"context"
	"io"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// reader reads a range of a blob's content out of its frames. No byte is given before
// the checksum of its frame is found right.
type reader struct {
	name    string
	src     io.ReadCloser
	scratch *scratch // nil when there is no more to give
	unread  []byte   // in scratch: content that is next

	entries []entry // in which the range lies
	unit    int64
	size    int64 // bytes of content that entries stand for
	skip    int64 // bytes of content before what is next
	left    int64 // bytes of content still to be read, unread not counted

	content int64 // bytes of content read of entries[0]
	stored  int64 // and bytes of frames
	err     error
}

// openFrames opens a range that lies within the blob and is not empty.
func (s Store) openFrames(ctx context.Context, ref Ref, off, n int64) (io.ReadCloser, error) {
	t, err := parseTable([]byte(ref.Frames), ref.Size)
	if err != nil {
		return nil, err
	}
	first, last := off/t.unit, (off+n-1)/t.unit
	before := table{entries: t.entries[:first]}
	within := table{entries: t.entries[first : last+1]}
	src, err := s.Driver.Open(ctx, ref.Name, int64(ref.Header)+before.stored(), within.stored())
	if err != nil {
		return nil, err
	}
	r := &reader{name: ref.Name, src: src, entries: within.entries, unit: t.unit, skip: off - first*t.unit, left: n}
	r.size = min((last+1)*t.unit, ref.Size) - first*t.unit
	r.scratch = frames.readers.Get().(*scratch)
	r.scratch.in.Reset(src)
	return r, nil
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(r.unread) == 0 {
		if r.err == nil && r.left == 0 {
			r.err = io.EOF
		}
		if r.err != nil {
			r.free()
			return 0, r.err
		}
		if r.err = r.next(); r.err != nil && kinds.Is(r.err, kinds.Corrupt) {
			r.err = kinds.Wrap(kinds.Corrupt, r.err, "blob "+r.name)
		}
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// next reads one frame.
func (r *reader) next() error {
	buf := frames.frames.Get().(*[]byte)
	defer frames.frames.Put(buf)
	frame, n, err := frames.read(r.scratch.in, *buf)
	if err != nil {
		return err
	}
	e := r.entries[0]
	if r.stored == 0 && sum(frame) != e.sum {
		return kinds.Errorf(kinds.Corrupt, "blob: the frame of another blob")
	}
	whole := min(r.unit, r.size)
	r.content, r.stored = r.content+n, r.stored+int64(len(frame))
	switch {
	case r.content > whole || r.stored > e.stored || (r.content == whole) != (r.stored == e.stored):
		return kinds.Errorf(kinds.Corrupt, "blob: %d bytes in frames of %d, not %d in %d", r.content, r.stored, whole, e.stored)
	case r.content == whole:
		r.entries, r.size, r.content, r.stored = r.entries[1:], r.size-whole, 0, 0
	}
	if n <= r.skip {
		r.skip -= n
		return nil
	}
	content, err := frames.decode(r.scratch.content[:], frame, n)
	if err != nil {
		return err
	}
	content = content[r.skip:]
	r.skip = 0
	r.unread = content[:min(int64(len(content)), r.left)]
	r.left -= int64(len(r.unread))
	return nil
}

// free gives back the memory. Reading goes no further.
func (r *reader) free() {
	if r.scratch != nil {
		r.scratch.in.Reset(nil)
		frames.readers.Put(r.scratch)
		r.scratch, r.unread = nil, nil
	}
}

// Close ends the reading.
func (r *reader) Close() error {
	r.free()
	r.err = io.ErrClosedPipe
	return r.src.Close()
}
