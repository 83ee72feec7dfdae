package account

import (
	"iter"
	"slices"
	"sort"
)

// Mailbox is a mailbox as it was after some entry. It never changes. Its fields are
// always there; its messages (from Len to Changes) only in a mailbox that is loaded, see
// Account.Load.
type Mailbox struct {
	ID            MailboxID
	Name          string // levels are separated by "/"
	SpecialUse    string // \Drafts, ...; "" for none
	UIDValidity   uint32
	UIDNext       uint32
	HighestModSeq uint64 // of the last entry that touched its messages
	Keywords      []string
	Annotations   []Annotation // by name, without the special use; they must not be changed

	Count, Unseen, Deleted int   // messages; those without \Seen; those with \Deleted
	Bytes                  int64 // sum of RFC822.SIZE
	DeletedBytes           int64 // of those with \Deleted

	ACL        []Grant // by identifier; the owner is not in it
	SharedSeen bool    // all who read it share one \Seen

	othersModSeq uint64   // HighestModSeq without changes that readers with a \Seen of their own don't see
	switched     uint64   // MODSEQ of the last change of SharedSeen
	readers      []reader // by id: who has ever had a \Seen of their own here
	sight        *sight   // nil: it is as the owner sees it

	owner  *token
	epoch  uint64
	blocks []*block // none is empty
	ends   []int    // of each block: how many messages there are up to its end
	gone   *graves  // nil: nothing was ever expunged
}

// Message is one message of a mailbox. Times are milliseconds since 1970.
type Message struct {
	UID     uint32
	ModSeq  uint64
	Flags   Flags
	Words   []string // keywords
	Date    int64    // INTERNALDATE
	Saved   int64    // when it came into this mailbox, to the second
	Size    int64    // RFC822.SIZE
	UIDL    string   // set by an import, else ""
	Content ContentRef
}

// ContentRef says which operation of which entry carries the content. COPY and MOVE
// keep it.
type ContentRef struct {
	Seq   uint64
	Index int // into Entry.Ops
}

// tomb is a range of UIDs in which messages were expunged.
type tomb struct {
	first, last uint32
	mod         uint64 // sequence number
}

// Loaded tells whether the mailbox's messages are in memory.
func (m *Mailbox) Loaded() bool {
	return (m.gone == nil || !m.gone.cold) && !slices.ContainsFunc(m.blocks, (*block).cold)
}

// Len is the number of messages.
func (m *Mailbox) Len() int { return m.Count }

// At gives the message with index i, 0 <= i < Len(); its IMAP sequence number is i+1.
func (m *Mailbox) At(i int) Message {
	b, at := m.locate(i)
	return m.message(m.blocks[b], at)
}

// UIDAt gives the UID of the message with index i.
func (m *Mailbox) UIDAt(i int) uint32 {
	b, at := m.locate(i)
	return m.blocks[b].rows[at].uid
}

// Find gives the index of the message with the UID, or else the index at which the
// next higher one is.
func (m *Mailbox) Find(uid uint32) (index int, ok bool) {
	b := sort.Search(len(m.blocks), func(i int) bool { return m.blocks[i].last() >= uid })
	if b == len(m.blocks) {
		return m.Count, false
	}
	if m.blocks[b].cold() {
		return m.start(b), false
	}
	at, ok := slices.BinarySearchFunc(m.blocks[b].rows, uid, func(r row, uid uint32) int {
		switch {
		case r.uid < uid:
			return -1
		case r.uid > uid:
			return 1
		}
		return 0
	})
	return m.start(b) + at, ok
}

// Messages gives all messages with their indexes, by rising UID.
func (m *Mailbox) Messages() iter.Seq2[int, Message] {
	return func(yield func(int, Message) bool) {
		i := 0
		for _, b := range m.blocks {
			for at := range b.rows {
				if !yield(i, m.message(b, at)) {
					return
				}
				i++
			}
		}
	}
}

// In gives the messages whose UIDs are in the ranges, by rising UID.
func (m *Mailbox) In(uids []Range) iter.Seq2[int, Message] {
	return func(yield func(int, Message) bool) {
		for _, r := range Normalize(uids) {
			from, to := m.span(r)
			for i := from; i < to; i++ {
				if !yield(i, m.At(i)) {
					return
				}
			}
		}
	}
}

// Changes gives the messages that are new or changed after a MODSEQ, and ranges that
// hold all UIDs that were expunged after it; they may hold others that are no more,
// never one that is there.
func (m *Mailbox) Changes(since uint64) (changed []Message, expunged []Range) {
	if m.sight != nil {
		changed = m.changesSeen(since)
	} else {
		for _, b := range m.blocks {
			if m.modSeq(b.mod) <= since {
				continue
			}
			for at := range b.rows {
				if m.modSeq(b.rows[at].mod.get()) > since {
					changed = append(changed, m.message(b, at))
				}
			}
		}
	}
	var tombs []tomb
	if m.gone != nil {
		tombs = m.gone.list
	}
	i := sort.Search(len(tombs), func(i int) bool { return m.modSeq(tombs[i].mod) > since })
	for _, t := range tombs[i:] {
		expunged = append(expunged, Range{First: t.first, Last: t.last})
	}
	return changed, Normalize(expunged)
}

// changesSeen gives the messages that are new or changed for a reader after a MODSEQ.
func (m *Mailbox) changesSeen(since uint64) (changed []Message) {
	own := m.sight.since(m, since)
	for _, b := range m.blocks {
		if b.cold() || m.modSeq(b.mod) <= since && m.sight.floor <= since && !own.touches(b.rows[0].uid, b.last()) {
			continue
		}
		for at := range b.rows {
			if msg := m.message(b, at); msg.ModSeq > since {
				changed = append(changed, msg)
			}
		}
	}
	return changed
}

func (m *Mailbox) modSeq(seq uint64) uint64 { return m.epoch<<epochShift | seq }

func (m *Mailbox) start(b int) int {
	if b == 0 {
		return 0
	}
	return m.ends[b-1]
}

func (m *Mailbox) locate(i int) (b, at int) {
	b = sort.Search(len(m.ends), func(b int) bool { return m.ends[b] > i })
	return b, i - m.start(b)
}

// span gives the indexes of the messages in a range.
func (m *Mailbox) span(r Range) (from, to int) {
	from, _ = m.Find(r.First)
	to, ok := m.Find(r.Last)
	if ok {
		to++
	}
	return from, max(from, to)
}

func (m *Mailbox) message(b *block, at int) Message {
	r := &b.rows[at]
	msg := Message{UID: r.uid, ModSeq: m.modSeq(r.mod.get()), Flags: r.flags, Date: r.date.get(),
		Saved: int64(r.saved) * 1000, Size: int64(r.size.get()), UIDL: b.uidl[r.uid],
		Content: ContentRef{Seq: r.entry.get(), Index: int(r.op)}}
	if b.words != nil {
		msg.Words = b.words[at].names(m.Keywords)
	}
	if m.sight != nil {
		m.sight.see(m, &msg, r.mod.get())
	}
	return msg
}

// Normalize sorts ranges, turns those that are backwards and joins those that touch.
func Normalize(ranges []Range) []Range {
	out := make([]Range, 0, len(ranges))
	for _, r := range ranges {
		if r.First > r.Last {
			r.First, r.Last = r.Last, r.First
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Range) int {
		switch {
		case a.First < b.First:
			return -1
		case a.First > b.First:
			return 1
		}
		return 0
	})
	n := 0
	for _, r := range out {
		if n > 0 && uint64(r.First) <= uint64(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, r.Last)
			continue
		}
		out[n] = r
		n++
	}
	return out[:n]
}
