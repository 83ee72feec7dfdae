package account

import (
	"github.com/godwit-mail/godwit/shared/kinds"
)

// A mailbox's index is cut into pieces of up to 16 blocks. One that has not changed since
// a snapshot is no part of the next one's work.
const (
	indexForm = 1
	tombsForm = 2              // 1: without readers
	pieceRows = 16 * blockRows // at most
	maxTombs  = MaxMessages + 2*minTombs
	maxIndex  = pieceRows * 200 // bytes, unpacked: a UIDL of 70 bytes and keywords
	maxGraves = 64 << 20
)

// piece is a part of a mailbox's index in a snapshot.
type piece struct {
	section
	Rows uint32 // 0: these are the tombs
	Last uint32 // UID
}

// encodePiece writes the rows of some blocks as columns: what is alike is together.
func encodePiece(blocks []*block) []byte {
	n := 0
	for _, b := range blocks {
		n += len(b.rows)
	}
	out := make([]byte, 0, 100+12*n)
	out = append(out, indexForm)
	out = putUint(out, uint64(n))
	column := func(put func(r, before *row)) {
		var zero row
		before := &zero
		for _, b := range blocks {
			for i := range b.rows {
				put(&b.rows[i], before)
				before = &b.rows[i]
			}
		}
	}
	column(func(r, before *row) { out = putUint(out, uint64(r.uid-before.uid)) })
	column(func(r, _ *row) { out = append(out, byte(r.flags)) })
	column(func(r, before *row) { out = putInt(out, int64(r.entry.get())-int64(before.entry.get())) })
	column(func(r, _ *row) { out = putUint(out, uint64(r.op)) })
	column(func(r, _ *row) { out = putInt(out, int64(r.mod.get())-int64(r.entry.get())) })
	column(func(r, before *row) { out = putInt(out, r.date.get()-before.date.get()) })
	column(func(r, _ *row) { out = putInt(out, int64(r.saved)-r.date.get()/1000) })
	column(func(r, _ *row) { out = putUint(out, r.size.get()) })
	out = putWords(out, blocks)
	return putUIDLs(out, blocks)
}

// putWords writes the sets of keywords that there are, then which of them each row has;
// only the number 0 when no row has any.
func putWords(out []byte, blocks []*block) []byte {
	sets := map[bits]int{}
	var order []bits
	var rows []byte
	for _, b := range blocks {
		for i := range b.rows {
			w := b.wordsAt(i)
			n, ok := sets[w]
			if !ok {
				n = len(order)
				sets[w] = n
				order = append(order, w)
			}
			rows = putUint(rows, uint64(n))
		}
	}
	if len(order) == 0 || len(order) == 1 && order[0] == (bits{}) {
		return putUint(out, 0)
	}
	out = putUint(out, uint64(len(order)))
	for _, w := range order {
		out = putUint(putUint(out, w[0]), w[1])
	}
	return append(out, rows...)
}

func putUIDLs(out []byte, blocks []*block) []byte {
	n := 0
	for _, b := range blocks {
		n += len(b.uidl)
	}
	out = putUint(out, uint64(n))
	if n == 0 {
		return out
	}
	at, before := 0, 0
	for _, b := range blocks {
		for i := range b.rows {
			if uidl, ok := b.uidl[b.rows[i].uid]; ok {
				out = putUint(out, uint64(at+i-before))
				out = append(putUint(out, uint64(len(uidl))), uidl...)
				before = at + i
			}
		}
		at += len(b.rows)
	}
	return out
}

// decodePiece reads what encodePiece wrote.
func decodePiece(raw []byte) ([]*block, error) {
	in := &scan{b: raw}
	if err := in.format("a piece of an index", indexForm); err != nil {
		return nil, err
	}
	n := in.count(pieceRows)
	if n == 0 {
		return nil, kinds.Errorf(kinds.Corrupt, "account: a piece of an index without messages")
	}
	rows := make([]row, n)
	uid := uint64(0)
	for i := range rows {
		uid += in.uint()
		if uid > 1<<32-1 || i > 0 && uint32(uid) <= rows[i-1].uid {
			return nil, kinds.Errorf(kinds.Corrupt, "account: a piece of an index whose UIDs do not rise")
		}
		rows[i].uid = uint32(uid)
	}
	for i, f := range in.bytes(n) {
		rows[i].flags = Flags(f) & allFlags
	}
	wrong := false
	entry := int64(0)
	for i := range rows {
		entry += in.int()
		wrong = wrong || entry < 0 || entry > maxSeq
		rows[i].entry.put(uint64(entry))
	}
	for i := range rows {
		rows[i].op = uint16(in.upTo(1<<16 - 1))
	}
	for i := range rows {
		mod := int64(rows[i].entry.get()) + in.int()
		wrong = wrong || mod < 0 || mod > maxSeq
		rows[i].mod.put(uint64(mod))
	}
	date := int64(0)
	for i := range rows {
		date += in.int()
		wrong = wrong || date < -maxInt48 || date > maxInt48
		rows[i].date.put(date)
	}
	for i := range rows {
		saved := rows[i].date.get()/1000 + in.int()
		wrong = wrong || saved < 0 || saved > 1<<32-1
		rows[i].saved = uint32(saved)
	}
	for i := range rows {
		rows[i].size.put(in.upTo(maxSeq))
	}
	words := getWords(in, n)
	uidls := getUIDLs(in, rows)
	if err := in.end("a piece of an index"); err != nil || wrong {
		return nil, kinds.Errorf(kinds.Corrupt, "account: a piece of an index is out of its limits (%v)", err)
	}
	return cutBlocks(rows, words, uidls), nil
}

// cutBlocks makes blocks of rows. Each has an array of its own, so that one that is
// replaced takes no memory.
func cutBlocks(rows []row, words []bits, uidls map[uint32]string) (blocks []*block) {
	for at := 0; at < len(rows); at += blockRows {
		end := min(at+blockRows, len(rows))
		b := &block{rows: append(make([]row, 0, end-at), rows[at:end]...)}
		for i := range b.rows {
			b.mod = max(b.mod, b.rows[i].mod.get())
			if uidl, ok := uidls[b.rows[i].uid]; ok {
				if b.uidl == nil {
					b.uidl = map[uint32]string{}
				}
				b.uidl[b.rows[i].uid] = uidl
			}
			if words != nil {
				b.setWords(i, words[at+i])
			}
		}
		blocks = append(blocks, b)
	}
	return blocks
}

func getWords(in *scan, n int) []bits {
	sets := make([]bits, in.count(n))
	if len(sets) == 0 {
		return nil
	}
	for i := range sets {
		sets[i] = bits{in.uint(), in.upTo(1<<(MaxKeywords-64) - 1)}
	}
	words := make([]bits, n)
	for i := range words {
		if set := in.upTo(uint64(len(sets) - 1)); !in.bad {
			words[i] = sets[set]
		}
	}
	return words
}

func getUIDLs(in *scan, rows []row) map[uint32]string {
	n := in.count(len(rows))
	if n == 0 {
		return nil
	}
	uidls := make(map[uint32]string, n)
	at := uint64(0)
	for range n {
		at += in.upTo(uint64(len(rows)))
		uidl := in.bytes(int(in.upTo(70)))
		if in.bad || at >= uint64(len(rows)) {
			in.bad = true
			return nil
		}
		uidls[rows[at].uid] = string(uidl)
	}
	return uidls
}

func encodeTombs(g *graves) []byte {
	form := byte(1)
	if len(g.readers) > 0 || len(g.quiet) > 0 {
		form = tombsForm
	}
	out := append(make([]byte, 0, 20+6*len(g.list)), form)
	out = putUint(putUint(out, uint64(g.at)), uint64(len(g.list)))
	before := tomb{}
	for _, t := range g.list {
		out = putUint(out, t.mod-before.mod)
		out = putInt(out, int64(t.first)-int64(before.last))
		out = putUint(out, uint64(t.last-t.first))
		before = t
	}
	if form > 1 {
		out = putUint(out, uint64(len(g.readers)))
		for _, r := range g.readers {
			out = append(putUint(out, uint64(len(r.id))), r.id...)
			out = putMarks(out, r.marks)
		}
		out = putMarks(out, g.quiet)
	}
	return out
}

// putMarks writes marks; the lowest bit of what is between two tells whether they were seen.
func putMarks(out []byte, l marks) []byte {
	out = putUint(out, uint64(len(l)))
	before := mark{}
	for _, r := range l {
		seen := uint64(0)
		if r.seen {
			seen = 1
		}
		out = putUint(out, uint64(r.first-before.last)<<1|seen)
		out = putUint(out, uint64(r.last-r.first))
		out = putInt(out, int64(r.mod)-int64(before.mod))
		before = r
	}
	return out
}

func getMarks(in *scan) marks {
	l := make(marks, in.count(maxTombs))
	last, mod := uint64(0), int64(0)
	for i := range l {
		first := in.upTo(1 << 33)
		length := in.upTo(1<<32 - 1)
		mod += in.int()
		seen := first&1 != 0
		first = last + first>>1
		last = first + length
		if first == 0 || i > 0 && first <= uint64(l[i-1].last) || last > 1<<32-1 || mod <= 0 || mod > maxSeq {
			in.bad = true
			return nil
		}
		l[i] = mark{first: uint32(first), last: uint32(last), seen: seen, mod: uint64(mod)}
	}
	if len(l) == 0 {
		return nil
	}
	return l
}

func decodeTombs(raw []byte) (*graves, error) {
	in := &scan{b: raw}
	if err := in.format("tombs", tombsForm); err != nil {
		return nil, err
	}
	form := raw[0]
	g := &graves{at: int(in.upTo(2 * maxTombs))}
	g.list = make([]tomb, in.count(maxTombs))
	before := tomb{}
	for i := range g.list {
		mod := before.mod + in.upTo(maxSeq)
		first := int64(before.last) + in.int()
		last := first + int64(in.upTo(1<<32-1))
		if mod > maxSeq || first < 0 || last > 1<<32-1 {
			in.bad = true
			break
		}
		before = tomb{first: uint32(first), last: uint32(last), mod: mod}
		g.list[i] = before
	}
	if form > 1 {
		for range in.count(MaxReaders) {
			id := ID(in.bytes(int(in.upTo(64))))
			if n := len(g.readers); id == "" || n > 0 && g.readers[n-1].id >= id {
				in.bad = true
				break
			}
			g.readers = append(g.readers, readerMarks{id: id, marks: getMarks(in)})
		}
		g.quiet = getMarks(in)
	}
	return g, in.end("tombs")
}
