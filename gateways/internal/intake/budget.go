package intake

import (
	"sync"
	"sync/atomic"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Budget bounds the temporary disk that all intakes of a process use together, and hands
// memory from one to the next. Safe for concurrent use.
type Budget struct {
	max  int64
	used atomic.Int64
	// Memory to be used again: what is in it is never read before it is written.
	spare  sync.Pool // of *chunk
	frames sync.Pool // of *[blob.FrameSize]byte
}

// NewBudget gives a budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{max: limit} }

// Used is how many bytes are taken.
func (b *Budget) Used() int64 { return b.used.Load() }

func (b *Budget) take(n int64) error {
	if b.used.Add(n) > b.max {
		b.used.Add(-n)
		return kinds.Errorf(kinds.Throttled, "intake: the temporary disk's %d bytes are in use", b.max)
	}
	return nil
}

func (b *Budget) give(n int64) { b.used.Add(-n) }

func (b *Budget) chunk() *chunk {
	if c, ok := b.spare.Get().(*chunk); ok {
		return c
	}
	return new(chunk)
}

func (b *Budget) frame() *[blob.FrameSize]byte {
	if f, ok := b.frames.Get().(*[blob.FrameSize]byte); ok {
		return f
	}
	return new([blob.FrameSize]byte)
}
