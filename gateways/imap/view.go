package imap

import (
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/shared/account"
)

// view is the selected mailbox as the client knows it: the message with sequence number n
// is uids[n-1], until the client was told otherwise.
type view struct {
	id       account.MailboxID
	readOnly bool
	uids     []uint32          // ascending
	next     uint32            // UIDs from here on are new to the client
	told     uint64            // MODSEQ up to which the client knows of changes
	toldGone uint64            // and of expunges
	known    map[uint32]uint64 // MODSEQ of single messages of which it knows more
	last     *account.Mailbox  // when all expunges were told
	keywords int               // how many the client was told of
	saved    []uint32          // UIDs of the last SEARCH with SAVE
}

func newView(m *account.Mailbox, state *account.State, readOnly bool) *view {
	v := &view{id: m.ID, readOnly: readOnly, uids: make([]uint32, 0, m.Len()), next: m.UIDNext,
		told: state.ModSeq(), toldGone: state.ModSeq(), known: map[uint32]uint64{}, last: m, keywords: len(m.Keywords)}
	for i := range m.Len() {
		v.uids = append(v.uids, m.UIDAt(i))
	}
	return v
}

// seq gives the client's sequence number of a message, 0 if it knows none.
func (v *view) seq(uid uint32) uint32 {
	i, ok := slices.BinarySearch(v.uids, uid)
	if !ok {
		return 0
	}
	return uint32(i) + 1
}

// message finds a message that the client knows, also one that was expunged since.
func (v *view) message(now *account.Mailbox, uid uint32) (account.Message, bool) {
	for _, m := range []*account.Mailbox{now, v.last} {
		if m == nil {
			continue
		}
		if i, ok := m.Find(uid); ok {
			return m.At(i), true
		}
	}
	return account.Message{}, false
}

// resolve gives the UIDs that a set of sequence numbers or UIDs names, ascending.
//
// RFC 9051, section 9: seq-number: The server should respond with a tagged BAD response to a command that uses a message sequence number greater than the number of messages in the selected mailbox.
func (v *view) resolve(set imap.NumSet) ([]uint32, error) {
	n := uint32(len(v.uids))
	if uids, ok := set.(imap.UIDSet); ok && imap.IsSearchRes(uids) {
		return slices.DeleteFunc(slices.Clone(v.saved), func(uid uint32) bool { return v.seq(uid) == 0 }), nil
	}
	var spans [][2]int // indexes, the second one is not in it
	switch set := set.(type) {
	case imap.UIDSet:
		for _, r := range set {
			if n == 0 {
				break
			}
			lo, hi := bounds(uint32(r.Start), uint32(r.Stop), v.uids[n-1])
			from := sort.Search(int(n), func(i int) bool { return v.uids[i] >= lo })
			to := sort.Search(int(n), func(i int) bool { return v.uids[i] > hi })
			spans = append(spans, [2]int{from, to})
		}
	case imap.SeqSet:
		for _, r := range set {
			if max(r.Start, r.Stop) > n && !(n == 0 && (r.Start == 0 || r.Stop == 0)) {
				return nil, bad("No message has this sequence number")
			}
			if n > 0 {
				lo, hi := bounds(r.Start, r.Stop, n)
				spans = append(spans, [2]int{int(lo) - 1, int(hi)})
			}
		}
	}
	slices.SortFunc(spans, func(a, b [2]int) int { return a[0] - b[0] })
	var out []uint32
	at := 0
	for _, s := range spans {
		if from := max(at, s[0]); from < s[1] {
			out = append(out, v.uids[from:s[1]]...)
			at = s[1]
		}
	}
	return out, nil
}

// bounds gives the numbers between which a range lies; 0 is "*", the largest in use.
func bounds(start, stop, largest uint32) (lo, hi uint32) {
	if start == 0 {
		start = largest
	}
	if stop == 0 {
		stop = largest
	}
	return min(start, stop), max(start, stop)
}

// ranges gives UIDs as ranges that hold no others of the view between them.
func (v *view) ranges(uids []uint32) []account.Range {
	var out []account.Range
	last := 0 // index in v.uids of the last one, plus one
	for _, uid := range uids {
		i, _ := slices.BinarySearch(v.uids, uid)
		if n := len(out); n > 0 && i == last {
			out[n-1].Last = uid
		} else {
			out = append(out, account.Range{First: uid, Last: uid})
		}
		last = i + 1
	}
	return out
}

// Poll tells what has happened in the selected mailbox, after each command.
//
// RFC 9051, section 7.5.1: An EXPUNGE response MUST NOT be sent when no command is in progress, nor while responding to a FETCH, STORE, or SEARCH command.
func (s *session) Poll(w *imapserver.UpdateWriter, allowExpunge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.update(w, allowExpunge)
}

// update is Poll; the session is locked.
func (s *session) update(w *imapserver.UpdateWriter, allowExpunge bool) error {
	v := s.view
	if v == nil {
		return nil
	}
	state := s.account.State()
	now := state.MailboxByID(v.id)
	if now == nil {
		// RFC 9051, section 6.3.5 leaves open what others see who have it selected.
		s.log.Info("selected mailbox was deleted")
		s.guard.say("*", "BYE The selected mailbox was deleted")
		_ = s.guard.Conn.Close()
		return nil
	}
	if allowExpunge && now.HighestModSeq > v.toldGone {
		_, gone := now.Changes(v.toldGone)
		if err := v.expunge(w, gone); err != nil {
			return err
		}
	}
	if allowExpunge {
		v.toldGone, v.last = state.ModSeq(), now
	}
	if now.HighestModSeq <= v.told {
		v.told = state.ModSeq()
		return nil
	}
	changed, _ := now.Changes(v.told)
	if err := v.exists(w, changed); err != nil {
		return err
	}
	if len(now.Keywords) > v.keywords {
		v.keywords = len(now.Keywords)
		if err := w.WriteMailboxFlags(mailboxFlags(now)); err != nil {
			return err
		}
	}
	for i := range changed {
		m := &changed[i]
		seq := v.seq(m.UID)
		if seq == 0 || m.UID >= v.next || v.known[m.UID] >= m.ModSeq {
			continue
		}
		if err := w.WriteMessageFlags(seq, imap.UID(m.UID), flagsOf(m)); err != nil {
			return err
		}
	}
	v.told, v.next = state.ModSeq(), now.UIDNext
	clear(v.known)
	return nil
}

// expunge tells of messages that are gone, and takes them out of the view.
func (v *view) expunge(w *imapserver.UpdateWriter, gone []account.Range) error {
	kept := v.uids[:0]
	g := 0
	var err error
	for i, uid := range v.uids {
		for g < len(gone) && gone[g].Last < uid {
			g++
		}
		if g == len(gone) || uid < gone[g].First || err != nil {
			kept = append(kept, v.uids[i])
			continue
		}
		err = w.WriteExpunge(uint32(len(kept)) + 1)
		delete(v.known, uid)
	}
	v.uids = kept
	return err
}

// exists adds new messages to the view, and tells how many there are now.
func (v *view) exists(w *imapserver.UpdateWriter, changed []account.Message) error {
	before := len(v.uids)
	for i := range changed {
		if uid := changed[i].UID; uid >= v.next {
			v.uids = append(v.uids, uid)
		}
	}
	if len(v.uids) == before {
		return nil
	}
	return w.WriteNumMessages(uint32(len(v.uids)))
}
