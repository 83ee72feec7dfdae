package account

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// someBlocks are rows with everything that a row may have.
func someBlocks(n int) []*block {
	var blocks []*block
	for i := range n {
		if i%blockRows == 0 {
			blocks = append(blocks, &block{})
		}
		b := blocks[len(blocks)-1]
		r := row{uid: uint32(1 + 2*i), saved: uint32(1_900_000_000 + i), op: uint16(i % 3), flags: Flags(i) & allFlags}
		r.size.put(uint64(i * i * 1000))
		r.entry.put(uint64(1 + i*7))
		r.mod.put(uint64(1 + i*7 + i%2*100))
		r.date.put(int64(i-5) * 86_400_000)
		b.grow(r)
		b.mod = max(b.mod, r.mod.get())
		if i%7 == 3 {
			b.setWords(len(b.rows)-1, bits{1 << (i % 64), uint64(i % 30)})
		}
		if i%11 == 5 {
			if b.uidl == nil {
				b.uidl = map[uint32]string{}
			}
			b.uidl[r.uid] = fmt.Sprint("uidl", i)
		}
	}
	return blocks
}

func FuzzIndexPiece(f *testing.F) {
	for _, n := range []int{1, 2, 100, 2*blockRows + 3} {
		f.Add(encodePiece(someBlocks(n)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		blocks, err := decodePiece(raw)
		if err != nil {
			return
		}
		again := encodePiece(blocks)
		second, err := decodePiece(again)
		porttest.OK(t, err)
		if !bytes.Equal(encodePiece(second), again) {
			t.Error("it is not read back as it was written")
		}
	})
}

func TestAPieceIsReadBackAsItWasWritten(t *testing.T) {
	for _, n := range []int{1, 255, blockRows, blockRows + 1, pieceRows} {
		blocks := someBlocks(n)
		got, err := decodePiece(encodePiece(blocks))
		porttest.OK(t, err)
		for i, b := range blocks {
			if g := got[i]; fmt.Sprint(g.rows, g.words, g.uidl, g.mod) != fmt.Sprint(b.rows, b.words, b.uidl, b.mod) {
				t.Errorf("block %d of %d rows differs", i, n)
			}
		}
	}
}

func FuzzTombs(f *testing.F) {
	f.Add(encodeTombs(&graves{}))
	f.Add(encodeTombs(&graves{at: 5000, list: []tomb{{5, 9, 3}, {1, 2, 3}, {1 << 31, 1<<32 - 1, maxSeq}}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, err := decodeTombs(raw)
		if err != nil {
			return
		}
		again := encodeTombs(g)
		second, err := decodeTombs(again)
		porttest.OK(t, err)
		if !bytes.Equal(encodeTombs(second), again) || second.at != g.at {
			t.Error("it is not read back as it was written")
		}
	})
}

func FuzzBlock(f *testing.F) {
	add := delivery("x")
	e := &Entry{Seq: 7, Ops: []Op{{Add: &add}, {Subscribe: &Subscribe{}}, {Add: &add}}}
	for _, list := range [][]record{nil, e.records()} {
		raw, err := encodeBlock(list)
		porttest.OK(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := decodeBlock(raw)
		if err != nil {
			return
		}
		again, err := encodeBlock(list)
		porttest.OK(t, err)
		second, err := decodeBlock(again)
		porttest.OK(t, err)
		if third, _ := encodeBlock(second); !bytes.Equal(third, again) {
			t.Error("it is not read back as it was written")
		}
	})
}

func FuzzManifest(f *testing.F) {
	s := NewState(goldenRef)
	porttest.OK(f, s.fold(&Entry{Epoch: 3, Seq: 1, Op: "op", Ops: []Op{{Create: &Create{Mailboxes: defaultMailboxes()}}}}))
	d := &draft{store: New(Config{}), ref: goldenRef, state: s}
	porttest.OK(f, d.make(f.Context(), nil))
	at, err := parseSnapshotRef(d.text)
	porttest.OK(f, err)
	front := d.object[at.front:]
	raw, err := unpackSection(front[:len(front)-snapshotTail], maxManifest)
	porttest.OK(f, err)
	f.Add(raw, front)
	f.Add([]byte{}, []byte("GWS\x02"))
	f.Fuzz(func(t *testing.T, raw, front []byte) {
		// A front whose checksum is right, so that what lies behind it is met.
		at := at
		if n := len(front) - snapshotTail; n > 0 {
			at.sum = checksum(front[:n])
		}
		if m, err := decodeManifest(goldenRef, at, front); err == nil {
			m.state(goldenRef)
		}
		m := new(manifest)
		if unmarshal(raw, m) != nil || len(m.Objects) == 0 || m.check(m.Objects[0]) != "" {
			return
		}
		m.state(goldenRef)
		for i := range m.Packs {
			m.sections(&m.Packs[i])
		}
		(&snapshot{man: m}).blocks(&wanted{at: map[ContentRef][]int{{Seq: m.Seq}: nil}})
	})
}

func FuzzSection(f *testing.F) {
	f.Add(packSection([]byte("some bytes some bytes some bytes")))
	f.Add(packSection(nil))
	f.Fuzz(func(t *testing.T, stored []byte) {
		const limit = 1 << 16
		if raw, err := unpackSection(stored, limit); err == nil && len(raw) > limit {
			t.Errorf("%d bytes", len(raw))
		}
		if at, err := parseSnapshotRef(string(stored)); err == nil && at.String() != string(stored) {
			t.Errorf("%q is %q", stored, at)
		}
	})
}
