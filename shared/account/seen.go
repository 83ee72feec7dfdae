package account

import (
	"cmp"
	"slices"
)

// Who reads a mailbox that is not theirs has a \Seen of their own in it, unless the mailbox
// is set otherwise: entries of the owner's journal that change nothing for anybody else.
// What a reader sees is the mailbox with their own \Seen in the place of the owner's, and
//
//   - the MODSEQ of a message is the larger of that of their own last change and that of the
//     last change that they can see: where the owner, or whoever shares the owner's \Seen,
//     changes \Seen and nothing else, the mailbox keeps the MODSEQ from before beside it;
//   - HIGHESTMODSEQ is the larger of the two likewise.
//
// So a reader's MODSEQs never go down, and rise only where what they see has changed. Where
// the mailbox is set to one \Seen for all, or back, all MODSEQs rise.

// MaxReaders is how many readers of a mailbox may have a \Seen of their own.
const MaxReaders = 10_000

// maxMarks is after how many more marks those that touch and say the same are joined, with the
// higher MODSEQ: a client may then be told again of what it knows.
const maxMarks = 4096

// mark is a range of UIDs, and the entry by which something became so of its messages.
type mark struct {
	first, last uint32
	seen        bool
	mod         uint64 // sequence number
}

// marks are by rising UIDs and don't overlap.
type marks []mark

func (l marks) find(uid uint32) (mark, bool) {
	i, _ := slices.BinarySearchFunc(l, uid, func(r mark, uid uint32) int { return cmp.Compare(r.last, uid) })
	if i < len(l) && l[i].first <= uid {
		return l[i], true
	}
	return mark{}, false
}

func (l marks) seen(uid uint32) bool {
	r, _ := l.find(uid)
	return r.seen
}

// over gives the marks with others put over them, of which those with mod 0 only remove.
func (l marks) over(with marks) marks {
	if len(with) == 0 {
		return l
	}
	out := make(marks, 0, len(l)+2*len(with))
	put := func(r mark) {
		if n := len(out); n > 0 && out[n-1].last+1 == r.first && out[n-1].seen == r.seen && out[n-1].mod == r.mod {
			out[n-1].last = r.last
			return
		}
		out = append(out, r)
	}
	rest := l
	for _, w := range with {
		for len(rest) > 0 && rest[0].last < w.first {
			put(rest[0])
			rest = rest[1:]
		}
		if len(rest) > 0 && rest[0].first < w.first {
			before := rest[0]
			before.last = w.first - 1
			put(before)
		}
		for len(rest) > 0 && rest[0].last <= w.last {
			rest = rest[1:]
		}
		if w.mod != 0 {
			put(w)
		}
		if len(rest) > 0 && rest[0].first <= w.last {
			after := rest[0]
			after.first = w.last + 1
			rest = append(marks{after}, rest[1:]...)
		}
	}
	for _, r := range rest {
		put(r)
	}
	if len(out)/maxMarks > len(l)/maxMarks {
		out = out.join()
	}
	return slices.Clip(out)
}

// join joins marks that touch and say the same.
func (l marks) join() marks {
	out := l[:0:0]
	for _, r := range l {
		if n := len(out); n > 0 && out[n-1].last+1 == r.first && out[n-1].seen == r.seen {
			out[n-1].last, out[n-1].mod = r.last, max(out[n-1].mod, r.mod)
			continue
		}
		out = append(out, r)
	}
	return out
}

// add appends a message to marks that grow by rising index: neighbours that say the same
// become one, whatever UIDs are no more between them.
func (l marks) add(r mark, neighbour bool) marks {
	if n := len(l); n > 0 && neighbour && l[n-1].seen == r.seen && l[n-1].mod == r.mod {
		l[n-1].last = r.last
		return l
	}
	return append(l, r)
}

// readerMarks are what a reader has seen, and no longer.
type readerMarks struct {
	id    ID
	marks marks
}

// reader is what is always known of a reader of a mailbox.
type reader struct {
	id      ID
	seen    int    // messages that they have seen and that are there
	highest uint64 // MODSEQ of their last change
}

// apart tells whether readers have a \Seen of their own.
func (m *Mailbox) apart() bool { return !m.SharedSeen && len(m.ACL) > 0 }

// parted is called when readers may have got or lost their own \Seen: from here on, or until
// here, each change of a message was one for all.
func (s *State) parted(m *Mailbox, before bool) {
	if m.apart() == before {
		return
	}
	m.othersModSeq = m.HighestModSeq
	if m.gone != nil && len(m.gone.quiet) > 0 {
		m.ownGone(s.owner).quiet = nil
	}
}

// touch notes that a message was changed for all to see.
func (m *Mailbox) touch(modSeq uint64) { m.HighestModSeq, m.othersModSeq = modSeq, modSeq }

// reader gives the reader with an id for changing.
func (m *Mailbox) reader(id ID) *reader {
	i, ok := slices.BinarySearchFunc(m.readers, id, func(r reader, id ID) int { return cmp.Compare(r.id, id) })
	if !ok {
		m.readers = slices.Insert(m.readers, i, reader{id: id})
	}
	return &m.readers[i]
}

// marksOf gives what a reader has seen.
func (g *graves) marksOf(id ID) marks {
	if g == nil {
		return nil
	}
	if i, ok := g.readerAt(id); ok {
		return g.readers[i].marks
	}
	return nil
}

func (g *graves) readerAt(id ID) (int, bool) {
	return slices.BinarySearchFunc(g.readers, id, func(r readerMarks, id ID) int { return cmp.Compare(r.id, id) })
}

func (g *graves) putMarks(id ID, r marks) {
	i, ok := g.readerAt(id)
	if !ok {
		g.readers = slices.Insert(g.readers, i, readerMarks{id: id})
	}
	g.readers[i].marks = r
}

// seenBy is the fold of a reader's change of their own \Seen.
func (s *State) seenBy(e *Entry, o *SeenBy) error {
	m := s.own(o.Mailbox)
	if m == nil || o.Reader == "" {
		return s.corrupt(e, "a \\Seen in no mailbox or of nobody")
	}
	old := m.gone.marksOf(o.Reader)
	var now marks
	n := 0
	for _, r := range Normalize(o.UIDs) {
		first, last := m.span(r)
		before := -1
		for i := first; i < last; i++ {
			uid := m.UIDAt(i)
			if old.seen(uid) != o.On {
				now = now.add(mark{first: uid, last: uid, seen: o.On, mod: e.Seq}, before == i-1)
				before = i
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	if !o.On {
		n = -n
	}
	r := m.reader(o.Reader)
	r.seen += n
	r.highest = s.ModSeq()
	m.ownGone(s.owner).putMarks(o.Reader, old.over(now))
	return nil
}

// forget takes messages that go away from what readers have seen.
func (m *Mailbox) forget(gone Range) {
	for i := range m.readers {
		m.readers[i].seen -= m.seenIn(m.gone.marksOf(m.readers[i].id), gone)
	}
}

// seenIn counts the messages in a range that are there and were seen.
func (m *Mailbox) seenIn(l marks, in Range) (n int) {
	i, _ := slices.BinarySearchFunc(l, in.First, func(r mark, uid uint32) int { return cmp.Compare(r.last, uid) })
	for ; i < len(l) && l[i].first <= in.Last; i++ {
		if l[i].seen {
			from, to := m.span(Range{First: max(l[i].first, in.First), Last: min(l[i].last, in.Last)})
			n += to - from
		}
	}
	return n
}

// sight is what makes a mailbox look as a reader sees it.
type sight struct {
	own   bool   // they have a \Seen of their own
	marks marks  // what of it they have changed
	quiet marks  // MODSEQs, as sequence numbers, from before changes that they don't see
	floor uint64 // MODSEQ of the last change of all messages for readers
}

// For gives the mailbox as a reader sees it.
func (m *Mailbox) For(id ID) *Mailbox {
	c := *m
	c.owner = nil
	x := &sight{own: !m.SharedSeen, floor: m.switched}
	if x.own {
		c.HighestModSeq, c.Unseen = m.othersModSeq, m.Count
		if i, ok := slices.BinarySearchFunc(m.readers, id, func(r reader, id ID) int { return cmp.Compare(r.id, id) }); ok {
			c.HighestModSeq, c.Unseen = max(c.HighestModSeq, m.readers[i].highest), m.Count-m.readers[i].seen
		}
		if m.gone != nil {
			x.marks, x.quiet = m.gone.marksOf(id), m.gone.quiet
		}
	}
	c.HighestModSeq = max(c.HighestModSeq, x.floor)
	c.sight = x
	return &c
}

// see makes a message look as the reader sees it.
func (x *sight) see(m *Mailbox, msg *Message, mod uint64) {
	if x.own {
		if q, ok := x.quiet.find(msg.UID); ok {
			mod = q.mod
		}
		r, _ := x.marks.find(msg.UID)
		msg.Flags &^= Seen
		if r.seen {
			msg.Flags |= Seen
		}
		mod = max(mod, r.mod)
	}
	msg.ModSeq = max(m.modSeq(mod), x.floor)
}

// since gives the reader's own changes after a MODSEQ.
func (x *sight) since(m *Mailbox, since uint64) (list marks) {
	for _, r := range x.marks {
		if m.modSeq(r.mod) > since {
			list = append(list, r)
		}
	}
	return list
}

// touches tells whether something in marks lies between two UIDs.
func (l marks) touches(first, last uint32) bool {
	i, _ := slices.BinarySearchFunc(l, first, func(r mark, uid uint32) int { return cmp.Compare(r.last, uid) })
	return i < len(l) && l[i].first <= last
}

// sharedLike tells whether two mailboxes are shared alike, and were seen alike.
func (m *Mailbox) sharedLike(o *Mailbox) bool {
	if m.SharedSeen != o.SharedSeen || m.switched != o.switched || m.othersModSeq != o.othersModSeq ||
		!slices.Equal(m.ACL, o.ACL) || !slices.Equal(m.readers, o.readers) {
		return false
	}
	for _, r := range m.readers {
		if !slices.Equal(m.gone.marksOf(r.id), o.gone.marksOf(r.id)) {
			return false
		}
	}
	var mine, others marks
	if m.gone != nil {
		mine = m.gone.quiet
	}
	if o.gone != nil {
		others = o.gone.quiet
	}
	return slices.Equal(mine, others)
}
