package account

import (
	"cmp"
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// snapshot is one whose manifest was read.
type snapshot struct {
	text  string // Standing.Snapshot
	at    snapshotRef
	man   *manifest
	front []byte // what came with the manifest
}

func (s *Store) readSnapshot(ctx context.Context, ref Ref, text string) (*snapshot, error) {
	at, err := parseSnapshotRef(text)
	if err != nil {
		return nil, err
	}
	front, err := s.readObject(ctx, ref, at.object, at.front, -1, maxFront)
	if err != nil {
		return nil, err
	}
	man, err := decodeManifest(ref, at, front)
	if err != nil {
		return nil, err
	}
	return &snapshot{text: text, at: at, man: man, front: front}, nil
}

// size estimates the bytes of memory that it takes.
func (s *snapshot) size() int64 {
	n := int64(2000 + cap(s.front) + len(s.man.Used) + 64*len(s.man.Objects) + 48*len(s.man.Subs))
	for i := range s.man.Boxes {
		n += 300 + 40*int64(len(s.man.Boxes[i].Pieces))
	}
	for i := range s.man.Packs {
		n += 100 + 24*int64(len(s.man.Packs[i].Blocks))
	}
	return n
}

// within gives the stored bytes of a section that is in the front, nil if it is elsewhere.
func (s *snapshot) within(at section) []byte {
	if s == nil || at.Object != s.at.object || at.Off < s.at.front || at.end() > s.at.front+int64(len(s.front)) {
		return nil
	}
	return s.front[at.Off-s.at.front : at.end()-s.at.front]
}

// A read of sections goes on over bytes that were not asked for while there are at most
// maxGap of them in a row, and takes at most maxRange in all.
const (
	maxGap   = 256 << 10
	maxRange = 16 << 20
)

// readSections gives the stored bytes of sections, neighbours together. They are not
// checked.
func (s *Store) readSections(ctx context.Context, ref Ref, snap *snapshot, list []section) (map[section][]byte, error) {
	out := make(map[section][]byte, len(list))
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b section) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Off, b.Off))
	})
	list = slices.DeleteFunc(list, func(at section) bool {
		b := snap.within(at)
		if b != nil {
			out[at] = b
		}
		return b != nil
	})
	for len(list) > 0 {
		n, end := 1, list[0].end()
		for n < len(list) && list[n].Object == list[0].Object && list[n].Off <= end+maxGap && list[n].end() <= list[0].Off+maxRange {
			end = max(end, list[n].end())
			n++
		}
		b, err := s.readObject(ctx, ref, list[0].Object, list[0].Off, end-list[0].Off, end-list[0].Off)
		if err != nil {
			return nil, err
		}
		for _, at := range list[:n] {
			out[at] = b[at.Off-list[0].Off : at.end()-list[0].Off]
		}
		list = list[n:]
	}
	return out, nil
}

// need is what must be in memory of a mailbox: the messages in some ranges of UIDs, or
// all; and the tombs.
type need struct {
	box   MailboxID
	uids  []Range
	whole bool
	tombs bool
}

// needs tells what must be in memory before operations can be folded.
func (s *State) needs(ops []Op) (list []need) {
	ask := func(n need) {
		if m := s.MailboxByID(n.box); m != nil && len(m.missing(&n)) > 0 {
			list = append(list, n)
		}
	}
	words := map[MailboxID]int{} // that may be new to the mailbox
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Flags != nil:
			m := s.MailboxByID(op.Flags.Mailbox)
			ask(need{box: op.Flags.Mailbox, uids: op.Flags.UIDs, tombs: m != nil && (m.apart() || regrants(ops))})
			words[op.Flags.Mailbox] += len(op.Flags.Words)
		case op.Expunge != nil:
			ask(need{box: op.Expunge.Mailbox, uids: op.Expunge.UIDs, tombs: true})
		case op.Copy != nil, op.Move != nil:
			c := op.Copy
			if c == nil {
				c = op.Move
			}
			ask(need{box: c.From, uids: c.UIDs, tombs: op.Move != nil})
			if from := s.MailboxByID(c.From); from != nil && c.From != c.To {
				words[c.To] += len(from.Keywords)
			}
		case op.Add != nil:
			words[s.boxFor(op.Add)] += len(op.Add.Words)
			words[Inbox] += len(op.Add.Words) // should the mailbox be deleted before
		case op.SeenBy != nil:
			ask(need{box: op.SeenBy.Mailbox, uids: op.SeenBy.UIDs, tombs: true})
		case op.SetACL != nil:
			ask(need{box: op.SetACL.Mailbox, tombs: true})
		case op.SeenMode != nil:
			ask(need{box: op.SeenMode.Mailbox, tombs: true})
		case op.Rename != nil && op.Rename.Mailbox == Inbox:
			ask(need{box: Inbox, whole: true, tombs: true})
		}
	}
	for id, n := range words {
		// Which keywords are in use is asked only when there is no room for another.
		if m := s.MailboxByID(id); m != nil && n > 0 && len(m.Keywords)+n > MaxKeywords {
			ask(need{box: id, whole: true})
		}
	}
	return list
}

// regrants tells whether operations change who reads a mailbox, and how.
func regrants(ops []Op) bool {
	return slices.ContainsFunc(ops, func(op Op) bool { return op.SetACL != nil || op.SeenMode != nil })
}

// missing gives the pieces of which something is needed and not in memory.
func (m *Mailbox) missing(n *need) (list []*piece) {
	whole := n.whole
	if g := m.gone; n.tombs && g != nil {
		if g.cold {
			// Whether they will have to be merged is seen when they are here.
			list = append(list, g.stored.Load())
		} else if len(g.list)+len(n.uids) >= max(minTombs, g.at) {
			whole = true
		}
	}
	uids := n.uids
	if !whole {
		uids = Normalize(uids)
	}
	before := uint32(0)
	for _, b := range m.blocks {
		last := b.last()
		if b.cold() && (whole || slices.ContainsFunc(uids, func(r Range) bool { return r.First <= last && r.Last > before })) {
			list = append(list, b.stored.Load().piece)
		}
		before = last
	}
	return list
}

// warm reads into a state, which must be one's own, what is needed.
func (s *Store) warm(ctx context.Context, state *State, snap *snapshot, needs []need) error {
	for _, n := range needs {
		m := state.MailboxByID(n.box)
		if m == nil {
			continue
		}
		// Twice, when the tombs then say that more is needed.
		for list := m.missing(&n); len(list) > 0; list = m.missing(&n) {
			got, err := s.readPieces(ctx, state.ref, snap, list)
			if err != nil {
				return err
			}
			m = state.own(n.box)
			m.fill(got)
		}
	}
	return nil
}

// pieceContent is a decoded piece: blocks or tombs.
type pieceContent struct {
	blocks []*block
	graves *graves
}

func (s *Store) readPieces(ctx context.Context, ref Ref, snap *snapshot, list []*piece) (map[*piece]pieceContent, error) {
	sections := make([]section, len(list))
	for i, p := range list {
		sections[i] = p.section
	}
	stored, err := s.readSections(ctx, ref, snap, sections)
	if err != nil {
		return nil, err
	}
	out := make(map[*piece]pieceContent, len(list))
	for _, p := range list {
		c, err := p.decode(ref, stored[p.section])
		if err != nil {
			return nil, err
		}
		out[p] = c
	}
	return out, nil
}

func (p *piece) decode(ref Ref, stored []byte) (c pieceContent, err error) {
	limit := maxIndex
	if p.Rows == 0 {
		limit = maxGraves
	}
	raw, err := verify(ref, p.section, stored, limit)
	if err != nil {
		return c, err
	}
	if p.Rows == 0 {
		if c.graves, err = decodeTombs(raw); err != nil {
			return c, damaged(ref, p.section, err)
		}
		c.graves.stored.Store(p)
		return c, nil
	}
	if c.blocks, err = decodePiece(raw); err != nil {
		return c, damaged(ref, p.section, err)
	}
	rows := 0
	for i, b := range c.blocks {
		rows += len(b.rows)
		b.stored.Store(&place{piece: p, at: i, of: len(c.blocks)})
	}
	if rows != int(p.Rows) || c.blocks[len(c.blocks)-1].last() != p.Last {
		return c, damaged(ref, p.section, kinds.Errorf(kinds.Corrupt, "it has %d messages up to another UID than its %d", rows, p.Rows))
	}
	return c, nil
}

// fill puts what was read in the place of what stood for it.
func (m *Mailbox) fill(got map[*piece]pieceContent) {
	if g := m.gone; g != nil && g.cold {
		if c, ok := got[g.stored.Load()]; ok {
			m.gone = c.graves
		}
	}
	var blocks []*block
	var ends []int
	total := 0
	for _, b := range m.blocks {
		in := []*block{b}
		if b.cold() {
			if c, ok := got[b.stored.Load().piece]; ok {
				in = c.blocks
			}
		}
		for _, b := range in {
			total += b.count()
			blocks, ends = append(blocks, b), append(ends, total)
		}
	}
	m.blocks, m.ends = blocks, ends
}
