package imap

import (
	"slices"
	"sort"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// view is the selected mailbox as the client knows it. It counts the messages of a state of
// the mailbox that is kept, and then those of which it was told since; a message that is
// gone keeps its number until the client was told so.
type view struct {
	*place   // whose mailbox it is
	id       account.MailboxID
	rights   account.Rights   // as the client was told
	raw      *account.Mailbox // of which seen is how the client sees it
	seen     *account.Mailbox
	readOnly bool
	box      *account.Mailbox           // as it was when all expunges were told
	last     *account.Mailbox           // as it was when the client was told something last
	ghosts   map[uint32]account.Message // messages that are gone and had changed after box
	fresh    []uint32                   // UIDs of messages that the client was told of since
	next     uint32                     // UIDs from here on are new to the client
	told     uint64                     // MODSEQ up to which the client knows of changes
	toldGone uint64                     // and of expunges
	known    map[uint32]uint64          // MODSEQ of single messages of which it knows more
	keywords int                        // how many the client was told of
	saved    []account.Range            // UIDs of the last SEARCH with SAVE
	contexts []*searchContext
}

func newView(p *place, m *account.Mailbox, state *account.State, readOnly bool) *view {
	v := &view{place: p, id: m.ID, readOnly: readOnly, next: m.UIDNext, told: state.ModSeq(), toldGone: state.ModSeq(),
		keywords: len(m.Keywords), rights: p.account.Rights(m)}
	v.box = v.now(state)
	v.last = v.box
	return v
}

// now gives the selected mailbox as it is in a state of its account, nil if it is no more.
func (v *view) now(state *account.State) *account.Mailbox {
	m := state.MailboxByID(v.id)
	if !v.foreign || m == nil {
		return m
	}
	if m != v.raw {
		v.raw, v.seen = m, v.account.Seen(m)
	}
	return v.seen
}

// span is a range of indexes; to is not in it. The message with sequence number n has index
// n-1.
type span struct{ from, to int }

func (v *view) len() int { return v.box.Len() + len(v.fresh) }

func (v *view) uid(i int) uint32 {
	if n := v.box.Len(); i >= n {
		return v.fresh[i-n]
	}
	return v.box.UIDAt(i)
}

// find gives the index of a message, or else that of the next one.
func (v *view) find(uid uint32) (i int, ok bool) {
	if i, ok = v.box.Find(uid); ok || i < v.box.Len() {
		return i, ok
	}
	k, ok := slices.BinarySearch(v.fresh, uid)
	return i + k, ok
}

// seq gives the client's sequence number of a message, 0 if it knows none.
func (v *view) seq(uid uint32) uint32 {
	if i, ok := v.find(uid); ok {
		return uint32(i) + 1
	}
	return 0
}

// message gives what is known of the message with an index: as it is now, or, if it was
// expunged, as it was when the client was told of it last: mod-sequences never go back.
func (v *view) message(now *account.Mailbox, i int) (account.Message, bool) {
	n := v.box.Len()
	if now == v.box && i < n {
		return now.At(i), true
	}
	uid := v.uid(i)
	for _, box := range [...]*account.Mailbox{now, v.last} {
		if box != nil {
			if k, ok := box.Find(uid); ok {
				return box.At(k), true
			}
		}
	}
	if m, ok := v.ghosts[uid]; ok {
		return m, true
	}
	if i < n {
		return v.box.At(i), true
	}
	return account.Message{UID: uid}, false
}

// bury keeps what is gone as the client knows it, before last is no more.
func (v *view) bury(gone []account.Range) {
	for _, s := range v.within(gone) {
		for i := s.from; i < s.to; i++ {
			uid := v.uid(i)
			k, ok := v.last.Find(uid)
			if !ok {
				continue
			}
			m := v.last.At(k)
			if i < v.box.Len() && v.box.At(i).ModSeq == m.ModSeq {
				continue
			}
			if v.ghosts == nil {
				v.ghosts = map[uint32]account.Message{}
			}
			v.ghosts[uid] = m
		}
	}
}

// knows notes that the client knows a message as it is at a MODSEQ.
func (v *view) knows(uid uint32, mod uint64) {
	if mod <= v.told {
		return
	}
	if v.known == nil {
		v.known = map[uint32]uint64{}
	}
	v.known[uid] = mod
}

// resolve gives the messages that a set of sequence numbers or UIDs names.
//
// RFC 9051, section 9: seq-number: The server should respond with a tagged BAD response to a command that uses a message sequence number greater than the number of messages in the selected mailbox.
func (v *view) resolve(set wire.Set, uid bool) ([]span, error) {
	if set.Saved {
		return v.within(v.saved), nil
	}
	n := v.len()
	var list []span
	for _, r := range set.Spans {
		switch {
		case uid && n > 0:
			list = append(list, v.between(r.Bounds(v.uid(n-1))))
		case uid:
		case max(r.Start, r.Stop) > uint32(n):
			return nil, bad("No message has this sequence number")
		case n > 0:
			lo, hi := r.Bounds(uint32(n))
			list = append(list, span{int(lo) - 1, int(hi)})
		}
	}
	return join(list), nil
}

func (v *view) between(lo, hi uint32) span {
	from, _ := v.find(lo)
	to, ok := v.find(hi)
	if ok {
		to++
	}
	return span{from, max(from, to)}
}

// within gives the messages whose UIDs lie in ranges.
func (v *view) within(uids []account.Range) []span {
	list := make([]span, 0, len(uids))
	for _, r := range uids {
		list = append(list, v.between(r.First, r.Last))
	}
	return join(list)
}

// join sorts spans and joins those that touch.
func join(list []span) []span {
	slices.SortFunc(list, func(a, b span) int { return a.from - b.from })
	out := list[:0]
	for _, s := range list {
		switch n := len(out); {
		case s.from >= s.to:
		case n > 0 && s.from <= out[n-1].to:
			out[n-1].to = max(out[n-1].to, s.to)
		default:
			out = append(out, s)
		}
	}
	return out
}

// add appends index i, which is larger than all in the list.
func add(list []span, i int) []span {
	if n := len(list); n > 0 && list[n-1].to == i {
		list[n-1].to++
		return list
	}
	return append(list, span{i, i + 1})
}

// ranges gives the UIDs of messages as ranges that hold no others that the client knows.
func (v *view) ranges(list []span) []account.Range {
	out := make([]account.Range, len(list))
	for i, s := range list {
		out[i] = account.Range{First: v.uid(s.from), Last: v.uid(s.to - 1)}
	}
	return out
}

// count is the number of messages in spans.
func count(list []span) (n int) {
	for _, s := range list {
		n += s.to - s.from
	}
	return n
}

// holds tells whether an index is in spans.
func holds(list []span, i int) bool {
	k := sort.Search(len(list), func(k int) bool { return list[k].to > i })
	return k < len(list) && list[k].from <= i
}
