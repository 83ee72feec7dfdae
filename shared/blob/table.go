package blob

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	maxEntries = 120
	// MaxTable is how long a Ref's table of frames is at most.
	MaxTable = 1 + maxEntries*(binary.MaxVarintLen32+sumSize) // 1081
)

// table says where frames lie. An entry stands for unit bytes of content (the last one
// for what is left), which are whole frames: one in a small blob. When there are too
// many, two become one, so that a table stays short however long the blob.
//
// As bytes: the binary logarithm of the unit, then each entry: stored length as a
// uvarint, checksum.
type table struct {
	unit    int64
	entries []entry
}

type entry struct {
	stored int64         // bytes of its frames together
	sum    [sumSize]byte // of the content of the first of them
}

func (t *table) encode() []byte {
	if len(t.entries) == 0 {
		return nil
	}
	b := []byte{byte(bits.TrailingZeros64(uint64(t.unit)))}
	for _, e := range t.entries {
		b = binary.AppendUvarint(b, uint64(e.stored))
		b = append(b, e.sum[:]...)
	}
	return b
}

func (t *table) stored() (n int64) {
	for _, e := range t.entries {
		n += e.stored
	}
	return n
}

// parseTable reads a table of a blob with size bytes of content.
func parseTable(b []byte, size int64) (table, error) {
	bad := func(what string) (table, error) {
		return table{}, kinds.Errorf(kinds.Corrupt, "blob: a table of %d bytes for %d of content: %s", len(b), size, what)
	}
	if len(b) < 1 || len(b) > MaxTable || b[0] < 16 || b[0] > 40 || size <= 0 {
		return bad("out of bounds")
	}
	t := table{unit: 1 << b[0]}
	for b = b[1:]; len(b) > 0; {
		stored, n := binary.Uvarint(b)
		if n <= 0 || stored == 0 || stored > math.MaxUint32 || len(b) < n+sumSize || len(t.entries) == maxEntries {
			return bad("no entry")
		}
		e := entry{stored: int64(stored)}
		copy(e.sum[:], b[n:])
		t.entries = append(t.entries, e)
		b = b[n+sumSize:]
	}
	if want := (size-1)/t.unit + 1; want != int64(len(t.entries)) {
		return bad("another number of entries")
	}
	return t, nil
}
