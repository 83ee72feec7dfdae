package account

import (
	"math"
	"slices"
	"strings"
)

// The fold of operations on messages.

// moving is a message on its way into a mailbox, with its keywords by name.
type moving struct {
	row   row
	words []string
	uidl  string
}

func (s *State) add(e *Entry, index int, a *Add) error {
	if err := a.check(); err != nil {
		return s.corrupt(e, err.Error())
	}
	box := s.own(s.boxFor(a))
	if box == nil || a.UID != 0 && a.UID != box.UIDNext {
		return s.corrupt(e, "a message for no mailbox, or with another UID than expected")
	}
	m := moving{words: a.Words, uidl: a.UIDL, row: row{op: uint16(index), flags: a.Flags}}
	m.row.size.put(uint64(a.Content.Size()))
	m.row.entry.put(e.Seq)
	m.row.date.put(a.Date)
	return s.insert(e, box, m)
}

// boxFor gives the mailbox that a message goes to. Who delivers does not look whether it is
// still there.
func (s *State) boxFor(a *Add) MailboxID {
	if a.Use != "" {
		for _, m := range s.boxes {
			if m.SpecialUse == a.Use {
				return m.ID
			}
		}
	}
	if len(a.Name) != 0 && s.MailboxByID(a.Mailbox) == nil {
		return Inbox
	}
	return a.Mailbox
}

func (s *State) copy(e *Entry, c *Copy, move bool) error {
	from, to := s.own(c.From), s.own(c.To)
	if from == nil || to == nil || c.First != 0 && c.First != to.UIDNext {
		return s.corrupt(e, "a copy of or to no mailbox, or with another UID than expected")
	}
	var batch []moving
	for _, r := range Normalize(c.UIDs) {
		first, last := from.span(r)
		for i := first; i < last; i++ {
			b, at := from.locate(i)
			blk := from.blocks[b]
			batch = append(batch, moving{row: blk.rows[at], words: blk.wordsAt(at).names(from.Keywords), uidl: blk.uidl[blk.rows[at].uid]})
		}
	}
	if move {
		s.remove(from, c.UIDs)
	}
	for _, m := range batch {
		if err := s.insert(e, to, m); err != nil {
			return err
		}
	}
	return nil
}

// insert puts a message at the end of the mailbox and gives it its UID.
func (s *State) insert(e *Entry, m *Mailbox, msg moving) error {
	if m.UIDNext == math.MaxUint32 || s.standing.Totals.Messages >= MaxMessages {
		return s.corrupt(e, "there are too many messages")
	}
	r := msg.row
	r.uid, r.saved = m.UIDNext, uint32(min(max(e.Time/1000, 0), math.MaxUint32))
	r.mod.put(e.Seq)
	m.UIDNext++
	if n := len(m.blocks); n == 0 || m.blocks[n-1].cold() || len(m.blocks[n-1].rows) == blockRows {
		m.blocks = append(m.blocks, &block{owner: s.owner})
		m.ends = append(m.ends, m.Count)
	}
	last := len(m.blocks) - 1
	b := m.ownBlock(last, s.owner, 1)
	b.mod = e.Seq
	b.grow(r)
	b.setWords(len(b.rows)-1, m.wordBits(msg.words))
	if msg.uidl != "" {
		if b.uidl == nil {
			b.uidl = map[uint32]string{}
		}
		b.uidl[r.uid] = msg.uidl
	}
	m.ends[last]++
	m.tally(&r, 1)
	m.touch(s.ModSeq())
	s.standing.Totals.Messages++
	s.standing.Totals.Bytes += int64(r.size.get())
	return nil
}

func (s *State) flags(e *Entry, f *FlagsOp) error {
	m := s.own(f.Mailbox)
	if m == nil || f.Mode < AddFlags || f.Mode > ReplaceFlags || f.Flags&^allFlags != 0 {
		return s.corrupt(e, "flags of no mailbox, or no such change of flags")
	}
	var words bits
	if f.Mode == RemoveFlags {
		words = m.knownWords(f.Words)
	} else {
		words = m.wordBits(f.Words)
	}
	var quiet marks
	apart := m.apart()
	for _, r := range Normalize(f.UIDs) {
		first, last := m.span(r)
		before := -1
		for i := first; i < last; i++ {
			b, at := m.locate(i)
			old := m.blocks[b]
			flags, w := f.Mode.change(old.rows[at].flags, old.wordsAt(at), f.Flags, words)
			if flags == old.rows[at].flags && w == old.wordsAt(at) {
				continue
			}
			if apart {
				quiet = quiet.add(m.quietly(&old.rows[at], flags^old.rows[at].flags == Seen && w == old.wordsAt(at)), before == i-1)
				before = i
			}
			blk := m.ownBlock(b, s.owner, 0)
			row := &blk.rows[at]
			m.tally(row, -1)
			row.flags = flags
			m.tally(row, 1)
			row.mod.put(e.Seq)
			blk.mod = e.Seq
			blk.setWords(at, w)
			m.HighestModSeq = s.ModSeq()
		}
	}
	s.hush(m, apart, quiet)
	return nil
}

// quietly gives the MODSEQ that a message keeps for readers with a \Seen of their own, as a
// sequence number; 0: what changes is for all to see.
func (m *Mailbox) quietly(r *row, onlySeen bool) mark {
	keep := mark{first: r.uid, last: r.uid}
	if onlySeen {
		if keep.mod = r.mod.get(); m.gone != nil {
			if q, ok := m.gone.quiet.find(r.uid); ok {
				keep.mod = q.mod
			}
		}
	}
	return keep
}

// hush notes which of the changes that were just made are not for readers with a \Seen of
// their own.
func (s *State) hush(m *Mailbox, apart bool, quiet marks) {
	if !apart {
		m.othersModSeq = m.HighestModSeq
	}
	if len(quiet) == 0 {
		return
	}
	if slices.ContainsFunc(quiet, func(r mark) bool { return r.mod == 0 }) {
		m.othersModSeq = m.HighestModSeq
	}
	g := m.ownGone(s.owner)
	g.quiet = g.quiet.over(quiet)
}

func (mode FlagMode) change(f Flags, w bits, arg Flags, words bits) (Flags, bits) {
	switch mode {
	case AddFlags:
		return f | arg, w.or(words)
	case RemoveFlags:
		return f &^ arg, w.andNot(words)
	}
	return arg, words
}

func (s *State) expunge(e *Entry, x *Expunge) error {
	m := s.own(x.Mailbox)
	if m == nil {
		return s.corrupt(e, "an expunge in no mailbox")
	}
	s.remove(m, x.UIDs)
	return nil
}

// remove takes the messages out of the mailbox, and leaves tombs.
func (s *State) remove(m *Mailbox, uids []Range) {
	removed := false
	for _, r := range Normalize(uids) {
		first, last := m.span(r)
		if first == last {
			continue
		}
		removed = true
		m.forget(Range{First: m.UIDAt(first), Last: m.UIDAt(last - 1)})
		m.bury(tomb{m.UIDAt(first), m.UIDAt(last - 1), s.seq}, s.owner)
		for i, b := first, 0; i < last; {
			var at int
			b, at = m.locate(i)
			blk := m.blocks[b]
			n := min(last-i, len(blk.rows)-at)
			for j := at; j < at+n; j++ {
				m.tally(&blk.rows[j], -1)
				s.standing.Totals.Messages--
				s.standing.Totals.Bytes -= int64(blk.rows[j].size.get())
			}
			m.cut(b, at, n, s.owner)
			last -= n
		}
	}
	if removed {
		m.pack(s.owner)
		m.touch(s.ModSeq())
	}
}

// cut takes n rows out of a block, which may leave it empty only until pack is called.
func (m *Mailbox) cut(b, at, n int, owner *token) {
	blk := m.ownBlock(b, owner, 0)
	for _, r := range blk.rows[at : at+n] {
		delete(blk.uidl, r.uid)
	}
	blk.rows = slices.Delete(blk.rows, at, at+n)
	if blk.words != nil {
		blk.words = slices.Delete(blk.words, at, at+n)
	}
	for i := b; i < len(m.ends); i++ {
		m.ends[i] -= n
	}
	if len(blk.rows) == 0 {
		m.blocks = slices.Delete(m.blocks, b, b+1)
		m.ends = slices.Delete(m.ends, b, b+1)
	}
}

// pack joins blocks that have become small with the one before.
func (m *Mailbox) pack(owner *token) {
	for b := len(m.blocks) - 1; b > 0; b-- {
		if m.blocks[b-1].count()+m.blocks[b].count() > blockRows/2 || m.blocks[b-1].cold() || m.blocks[b].cold() {
			continue
		}
		from, to := m.blocks[b], m.ownBlock(b-1, owner, len(m.blocks[b].rows))
		at := len(to.rows)
		to.rows = append(to.rows, from.rows...)
		if to.words != nil {
			to.words = append(to.words, make([]bits, len(from.rows))...)
		}
		for i := range from.rows {
			to.setWords(at+i, from.wordsAt(i))
		}
		for uid, uidl := range from.uidl {
			if to.uidl == nil {
				to.uidl = map[uint32]string{}
			}
			to.uidl[uid] = uidl
		}
		to.mod = max(to.mod, from.mod)
		m.ends[b-1] = m.ends[b]
		m.blocks, m.ends = slices.Delete(m.blocks, b, b+1), slices.Delete(m.ends, b, b+1)
	}
}

func (m *Mailbox) ownBlock(b int, owner *token, more int) *block {
	if m.blocks[b].owner != owner {
		m.blocks[b] = m.blocks[b].clone(owner, more)
	}
	return m.blocks[b]
}

// tally adds or takes away a message from the mailbox's totals.
func (m *Mailbox) tally(r *row, n int) {
	m.Count += n
	m.Bytes += int64(n) * int64(r.size.get())
	if r.flags&Seen == 0 {
		m.Unseen += n
	}
	if r.flags&Deleted != 0 {
		m.Deleted += n
		m.DeletedBytes += int64(n) * int64(r.size.get())
	}
}

// knownWords gives the keywords that the mailbox has.
func (m *Mailbox) knownWords(words []string) (w bits) {
	for _, word := range words {
		if i := m.keyword(word); i >= 0 {
			w.set(i)
		}
	}
	return w
}

// keyword finds a keyword, -1 if the mailbox does not have it.
// They are the same in any case (RFC 9051, section 2.3.2).
func (m *Mailbox) keyword(word string) int {
	return slices.IndexFunc(m.Keywords, func(k string) bool { return strings.EqualFold(k, word) })
}

// wordBits gives the keywords, and new ones a place in the mailbox. One that no message
// has any more makes room for a new one; where there is no room it is dropped.
func (m *Mailbox) wordBits(words []string) (w bits) {
	for _, word := range words {
		i := m.keyword(word)
		switch {
		case i >= 0:
		case word == "" || len(word) > MaxKeyword:
			continue
		case len(m.Keywords) < MaxKeywords:
			i = len(m.Keywords)
			m.Keywords = append(m.Keywords, word)
		default:
			if i = m.unusedWord(w); i < 0 {
				continue
			}
			m.Keywords[i] = word
		}
		w.set(i)
	}
	return w
}

func (m *Mailbox) unusedWord(taken bits) int {
	for _, b := range m.blocks {
		for _, w := range b.words {
			taken = taken.or(w)
		}
	}
	for i := range m.Keywords {
		if !taken.has(i) {
			return i
		}
	}
	return -1
}
