package account

import "slices"

// unit is a piece of a new snapshot: one of the last snapshot that is as it was, or new.
type unit struct {
	blocks []*block // of the state; one that is not in memory stands for its whole piece
	graves *graves  // instead, of the tombs
	old    *piece   // nil: it is to be encoded
	data   []byte   // as stored; nil: it stays where it is
	piece  *piece   // the outcome
}

func (u *unit) bytes() int64 {
	if u.data != nil {
		return int64(len(u.data))
	}
	return int64(u.old.Len)
}

// planner cuts a mailbox's blocks into pieces.
type planner struct {
	known   map[section]bool // of the last snapshot: only these may be taken over
	max     int              // rows of a piece
	units   []*unit
	pending []*block
	rows    int      // of pending
	cold    []*piece // that must be read first
}

// plan gives the pieces of a mailbox in a new snapshot, or else what must be read before.
// What is small is joined with what has changed beside it.
func plan(m *Mailbox, known map[section]bool, rows int) (units []*unit, cold []*piece) {
	p := &planner{known: known, max: rows}
	if g := m.gone; g != nil {
		old := g.stored.Load()
		switch {
		case old != nil && known[old.section]:
			p.units = append(p.units, &unit{graves: g, old: old})
		case g.cold:
			p.cold = append(p.cold, old)
		default:
			p.units = append(p.units, &unit{graves: g})
		}
	}
	for blocks := m.blocks; len(blocks) > 0; {
		n, old := p.same(blocks)
		if old == nil {
			p.change(blocks[0])
			blocks = blocks[1:]
			continue
		}
		if len(p.pending) > 0 && p.small(old) && p.rows+int(old.Rows) <= p.max {
			for _, b := range blocks[:n] {
				p.add(b)
			}
		} else {
			p.flush()
			p.units = append(p.units, &unit{blocks: blocks[:n:n], old: old})
		}
		blocks = blocks[n:]
	}
	p.flush()
	return p.units, p.cold
}

// small says whether a piece is joined with what has changed beside it.
func (p *planner) small(old *piece) bool { return int(old.Rows) < p.max/2 }

// same gives the piece that the blocks begin with, as it was, and how many they are.
func (p *planner) same(blocks []*block) (n int, old *piece) {
	first := blocks[0].stored.Load()
	if first == nil || first.at != 0 || !p.known[first.piece.section] {
		return 0, nil
	}
	if blocks[0].cold() {
		return 1, first.piece
	}
	if len(blocks) < first.of {
		return 0, nil
	}
	rows := 0
	for i, b := range blocks[:first.of] {
		at := b.stored.Load()
		if at == nil || at.piece.section != first.piece.section || at.at != i || b.cold() {
			return 0, nil
		}
		rows += len(b.rows)
	}
	if rows != int(first.piece.Rows) {
		return 0, nil
	}
	return first.of, first.piece
}

// change takes a block that is in no piece as it is.
func (p *planner) change(b *block) {
	if n := len(p.units); len(p.pending) == 0 && n > 0 && p.units[n-1].old != nil && p.units[n-1].graves == nil &&
		p.small(p.units[n-1].old) {
		last := p.units[n-1]
		p.units = p.units[:n-1]
		for _, b := range last.blocks {
			p.add(b)
		}
	}
	p.add(b)
}

func (p *planner) add(b *block) {
	if b.cold() {
		p.cold = append(p.cold, b.stored.Load().piece)
	}
	p.pending = append(p.pending, b)
	p.rows += b.count()
}

// flush makes pieces of what has changed.
func (p *planner) flush() {
	for len(p.pending) > 0 {
		n, rows := 0, 0
		for n < len(p.pending) && rows+p.pending[n].count() <= p.max {
			rows += p.pending[n].count()
			n++
		}
		// A cold block alone may be too large; it is read before this is used.
		n = max(n, 1)
		p.units = append(p.units, &unit{blocks: slices.Clone(p.pending[:n])})
		p.pending = p.pending[n:]
	}
	p.rows = 0
}

// encode packs a unit that is new.
func (u *unit) encode() {
	if u.graves != nil {
		u.data = packSection(encodeTombs(u.graves))
		u.piece = &piece{section: section{Sum: checksum(u.data)}}
		return
	}
	u.data = packSection(encodePiece(u.blocks))
	u.piece = &piece{section: section{Sum: checksum(u.data)}, Last: u.blocks[len(u.blocks)-1].last()}
	for _, b := range u.blocks {
		u.piece.Rows += uint32(len(b.rows))
	}
}

// settle notes in the state where its rows are now, so that the next snapshot need not have
// them again.
func (u *unit) settle() {
	if u.graves != nil {
		u.graves.stored.Store(u.piece)
		return
	}
	for i, b := range u.blocks {
		b.stored.Store(&place{piece: u.piece, at: i, of: len(u.blocks)})
	}
}

// Pieces of a mailbox are together in one object, its base, but for those that have changed
// since: each snapshot has them in its front. They are written again with each, until that
// has cost as much as the whole index; then all are put together anew.
const smallIndex = 64 << 10 // which is always together, and in the front

// arrange says which of a mailbox's pieces go into the new object: its front or its body.
// carried is what of the last snapshot was written in vain.
func arrange(units []*unit, last string, carried int64) (front, body []*unit, now int64) {
	base, total, objects := "", int64(0), map[string]bool{}
	fresh := false
	for _, u := range units {
		total += u.bytes()
		if u.old == nil {
			fresh = true
			continue
		}
		objects[u.old.Object] = true
		if base == "" || u.old.Object != last {
			base = u.old.Object
		}
	}
	if !fresh && len(objects) <= 1 {
		return nil, nil, carried
	}
	var others []*unit
	cost := int64(0)
	for _, u := range units {
		if u.old == nil || u.old.Object != base {
			others = append(others, u)
			cost += u.bytes()
		}
	}
	switch {
	case total <= smallIndex:
		return units, nil, 0
	case len(others) == len(units) || carried+cost >= total:
		return nil, units, 0
	}
	return others, nil, carried + cost
}
