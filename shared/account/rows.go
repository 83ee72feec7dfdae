package account

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// Messages are kept as rows of 32 bytes in blocks. States share blocks; a state copies
// a block before it changes one that it does not own.
const blockRows = 256

// token marks what a state may change in place.
type token struct{ _ byte }

type row struct {
	uid   uint32
	saved uint32 // seconds
	op    uint16 // ContentRef.Index
	flags Flags
	size  uint40
	mod   uint40 // sequence number of the last entry that changed it
	entry uint40 // ContentRef.Seq
	date  int48
}

type block struct {
	owner  *token
	stored atomic.Pointer[place] // where a snapshot has the very same rows; nil: nowhere
	mod    uint64                // highest of its rows, ever
	rows   []row
	words  []bits            // one for each row, or nil when no row has any
	uidl   map[uint32]string // by UID, mostly nil
}

// place is a block within a piece. The block of a piece that is not in memory stands for
// all of its rows, and has none.
type place struct {
	piece  *piece
	at, of int // it is block at of as many
}

func (b *block) cold() bool { return len(b.rows) == 0 }

func (b *block) count() int {
	if b.cold() {
		return int(b.stored.Load().piece.Rows)
	}
	return len(b.rows)
}

func (b *block) last() uint32 {
	if b.cold() {
		return b.stored.Load().piece.Last
	}
	return b.rows[len(b.rows)-1].uid
}

// clone gives a copy with room for more rows.
func (b *block) clone(owner *token, more int) *block {
	c := &block{owner: owner, mod: b.mod}
	c.rows = append(make([]row, 0, min(blockRows, len(b.rows)+more)), b.rows...)
	c.words = slices.Clone(b.words)
	if b.uidl != nil {
		c.uidl = make(map[uint32]string, len(b.uidl))
		for k, v := range b.uidl {
			c.uidl[k] = v
		}
	}
	return c
}

// grow adds a row, and never more room than a block needs.
func (b *block) grow(r row) {
	if len(b.rows) == cap(b.rows) {
		b.rows = append(make([]row, 0, min(blockRows, max(4, 2*len(b.rows)))), b.rows...)
	}
	b.rows = append(b.rows, r)
	if b.words != nil {
		b.words = append(b.words, bits{})
	}
}

// setWords sets the keywords of one row.
func (b *block) setWords(at int, w bits) {
	if b.words == nil {
		if w == (bits{}) {
			return
		}
		b.words = make([]bits, len(b.rows), cap(b.rows))
	}
	b.words[at] = w
}

func (b *block) wordsAt(at int) bits {
	if b.words == nil {
		return bits{}
	}
	return b.words[at]
}

// bits is a set of a mailbox's keywords, by their index in Mailbox.Keywords.
type bits [2]uint64

func (w *bits) set(i int)     { w[i/64] |= 1 << (i % 64) }
func (w bits) has(i int) bool { return w[i/64]&(1<<(i%64)) != 0 }

func (w bits) or(v bits) bits     { return bits{w[0] | v[0], w[1] | v[1]} }
func (w bits) andNot(v bits) bits { return bits{w[0] &^ v[0], w[1] &^ v[1]} }

func (w bits) names(keywords []string) (names []string) {
	if w == (bits{}) {
		return nil
	}
	for i, k := range keywords {
		if w.has(i) {
			names = append(names, k)
		}
	}
	return names
}

type uint40 [5]byte

func (u uint40) get() uint64 {
	return uint64(u[4])<<32 | uint64(binary.LittleEndian.Uint32(u[:4]))
}

func (u *uint40) put(v uint64) {
	binary.LittleEndian.PutUint32(u[:4], uint32(v))
	u[4] = byte(v >> 32)
}

// int48 holds milliseconds: 4,400 years before and after 1970.
type int48 [6]byte

const maxInt48 = 1<<47 - 1

func (u int48) get() int64 {
	v := uint64(binary.LittleEndian.Uint16(u[4:]))<<32 | uint64(binary.LittleEndian.Uint32(u[:4]))
	return int64(v<<16) >> 16
}

func (u *int48) put(v int64) {
	binary.LittleEndian.PutUint32(u[:4], uint32(v))
	binary.LittleEndian.PutUint16(u[4:], uint16(v>>32))
}
