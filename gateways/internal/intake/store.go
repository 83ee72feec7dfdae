package intake

import (
	"io"
	"os"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	chunkSize = 32 << 10
	maxStored = MaxMemory - blob.FrameSize // what is gathered for a frame takes the rest
	diskStep  = 1 << 20                    // bytes by which disk is taken from the budget
)

// chunk is a piece of memory, used again by the next message.
type chunk [chunkSize]byte

// store holds bytes: in chunks first, and when there are maxStored of them in a file,
// with one chunk left to gather what goes there.
type store struct {
	budget *Budget
	dir    string
	mem    []*chunk
	size   int64
	file   *os.File
	onDisk int64 // bytes in file; the rest is in mem
	taken  int64 // from budget
}

// Write takes all of p, or fails.
func (s *store) Write(p []byte) (int, error) {
	all := len(p)
	for len(p) > 0 {
		held := int(s.size - s.onDisk)
		if held == len(s.mem)*chunkSize {
			if held == maxStored || s.file != nil && held > 0 {
				if err := s.spill(); err != nil {
					return 0, err
				}
				held = 0
			}
			if len(s.mem) == 0 || held > 0 {
				s.mem = append(s.mem, s.budget.chunk())
			}
		}
		n := copy(s.mem[held/chunkSize][held%chunkSize:], p)
		s.size += int64(n)
		p = p[n:]
	}
	return all, nil
}

// spill moves what is in memory to the file and keeps one chunk.
func (s *store) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "godwit-intake-*")
		if err != nil {
			return kinds.Wrap(kinds.Unavailable, err, "intake: temporary file")
		}
		// Without a name it is gone whatever happens to this process.
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return kinds.Wrap(kinds.Unavailable, err, "intake: temporary file")
		}
		s.file = f
	}
	for i, c := range s.mem {
		if s.onDisk+chunkSize > s.taken {
			if err := s.budget.take(diskStep); err != nil {
				return err
			}
			s.taken += diskStep
		}
		n := min(s.size-s.onDisk, chunkSize)
		if _, err := s.file.WriteAt(c[:n], s.onDisk); err != nil {
			return kinds.Wrap(kinds.Unavailable, err, "intake: temporary file")
		}
		s.onDisk += n
		if i > 0 {
			s.budget.spare.Put(c)
		}
	}
	s.mem = s.mem[:1]
	return nil
}

// ReadAt reads what was written.
func (s *store) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= s.size {
		return 0, io.EOF
	}
	if off < s.onDisk {
		n, err = s.file.ReadAt(p[:min(int64(len(p)), s.onDisk-off)], off)
		if err != nil {
			return n, err
		}
		off += int64(n)
	}
	for n < len(p) && off < s.size {
		at := off - s.onDisk
		end := min(s.size-s.onDisk-at/chunkSize*chunkSize, chunkSize)
		m := copy(p[n:], s.mem[at/chunkSize][at%chunkSize:end])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// free gives everything back.
func (s *store) free() {
	for _, c := range s.mem {
		s.budget.spare.Put(c)
	}
	s.mem, s.size, s.onDisk = nil, 0, 0
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	if s.taken > 0 {
		s.budget.give(s.taken)
		s.taken = 0
	}
}
