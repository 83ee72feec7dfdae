package blob

import (
	"io"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Framer turns content that streams in into the frames in which a blob is stored:
// compressed where that saves a tenth, with a checksum always. It holds no content.
// Not safe for concurrent use.
type Framer struct {
	out    io.Writer
	table  table
	size   int64
	stored int64
	last   int64 // bytes of content in the last entry
}

// NewFramer gives a framer that writes to out, one frame at a time.
func NewFramer(out io.Writer) *Framer {
	return &Framer{out: out, table: table{unit: FrameSize}}
}

// Frame takes the next FrameSize bytes of content. Only the last ones may be fewer; none
// come after them.
func (f *Framer) Frame(content []byte) error {
	if len(content) == 0 || len(content) > FrameSize || f.size%FrameSize != 0 {
		return kinds.Errorf(kinds.Internal, "blob: a frame of %d bytes after %d", len(content), f.size)
	}
	buf := frames.frames.Get().(*[]byte)
	defer frames.frames.Put(buf)
	frame, err := frames.encode(*buf, content)
	if err != nil {
		return err
	}
	if _, err := f.out.Write(frame); err != nil {
		return err
	}
	f.add(frame, int64(len(content)))
	return nil
}

func (f *Framer) add(frame []byte, content int64) {
	t := &f.table
	f.size, f.stored = f.size+content, f.stored+int64(len(frame))
	if n := len(t.entries); n > 0 && f.last < t.unit {
		t.entries[n-1].stored += int64(len(frame))
		f.last += content
		return
	}
	if len(t.entries) == maxEntries { // an even number of entries, all full
		for i := range maxEntries / 2 {
			a, b := t.entries[2*i], t.entries[2*i+1]
			t.entries[i] = entry{stored: a.stored + b.stored, sum: a.sum}
		}
		t.entries, t.unit = t.entries[:maxEntries/2], 2*t.unit
	}
	t.entries = append(t.entries, entry{stored: int64(len(frame)), sum: sum(frame)})
	f.last = content
}

// Size is how many bytes of content have come.
func (f *Framer) Size() int64 { return f.size }
