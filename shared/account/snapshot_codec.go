package account

import (
	"encoding/binary"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// scan reads numbers and bytes from a section; after the first that is not there all are
// zero.
type scan struct {
	b   []byte
	bad bool
}

func (s *scan) uint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.bad, s.b = true, nil
		return 0
	}
	s.b = s.b[n:]
	return v
}

// upTo reads a number that is at most limit.
func (s *scan) upTo(limit uint64) uint64 {
	v := s.uint()
	if v > limit {
		s.bad, s.b = true, nil
		return 0
	}
	return v
}

// count reads how many things follow that take at least one byte each.
func (s *scan) count(limit int) int { return int(s.upTo(uint64(min(limit, len(s.b))))) }

func (s *scan) int() int64 {
	v := s.uint()
	return int64(v>>1) ^ -int64(v&1)
}

// bytes gives the next n bytes. They are part of the section.
func (s *scan) bytes(n int) []byte {
	if n < 0 || n > len(s.b) {
		s.bad, s.b = true, nil
		return nil
	}
	b := s.b[:n:n]
	s.b = s.b[n:]
	return b
}

// end fails unless all was there and nothing is left.
func (s *scan) end(what string) error {
	if s.bad || len(s.b) > 0 {
		return kinds.Errorf(kinds.Corrupt, "account: %s that is cut off, too long or out of its limits", what)
	}
	return nil
}

// format reads a section's first byte, which is the version of its form.
func (s *scan) format(what string, newest byte) error {
	f := s.bytes(1)
	switch {
	case f == nil || f[0] == 0:
		return kinds.Errorf(kinds.Corrupt, "account: %s without a form", what)
	case f[0] > newest:
		return kinds.Errorf(kinds.TooNew, "account: %s of form %d", what, f[0])
	}
	return nil
}

func putInt(b []byte, v int64) []byte { return binary.AppendUvarint(b, uint64(v)<<1^uint64(v>>63)) }
func putUint(b []byte, v uint64) []byte {
	return binary.AppendUvarint(b, v)
}
