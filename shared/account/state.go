package account

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// A MODSEQ is the epoch and the sequence number of an entry, below 2^53.
const (
	epochShift = 40
	maxSeq     = 1<<epochShift - 1
)

// State is an account as it is after some entry: the pure fold of its journal. Clones
// share what they have in common, so that a clone is cheap and an old state may be
// kept. Applying an entry needs the state for oneself; reading does not.
type State struct {
	ref      Ref
	epoch    uint32 // of the last entry
	owner    *token
	seq      uint64
	time     int64
	standing Standing

	boxes    []*Mailbox // by ID
	boxesBy  *token
	nextID   MailboxID
	validity uint32              // highest UIDVALIDITY ever given
	used     map[uint64]struct{} // hashes of all mailbox names there ever were
	usedBy   *token
	subs     map[string]struct{}
	subsBy   *token
	outbox   []Outgoing // not yet done

	annotations []Annotation // of the account itself
}

// NewState is the state before entry 1.
func NewState(ref Ref) *State {
	return &State{ref: ref, owner: new(token), nextID: Inbox}
}

// Clone gives a state that is the same and can be changed without the other.
func (s *State) Clone() *State {
	c := *s
	c.owner, s.owner = new(token), new(token)
	return &c
}

// Ref is the account's reference.
func (s *State) Ref() Ref { return s.ref }

// Seq is the number of the last entry.
func (s *State) Seq() uint64 { return s.seq }

// Time is that of the last entry, in milliseconds.
func (s *State) Time() int64 { return s.time }

// ModSeq is the account's MODSEQ, and its JMAP state.
func (s *State) ModSeq() uint64 { return uint64(s.epoch)<<epochShift | s.seq }

// Standing is what the last entry says of the account.
func (s *State) Standing() Standing { return s.standing }

// Outbox is what must follow elsewhere and has not yet been done.
func (s *State) Outbox() []Outgoing { return slices.Clone(s.outbox) }

// Mailboxes gives all mailboxes by name, INBOX first.
func (s *State) Mailboxes() []*Mailbox {
	list := slices.Clone(s.boxes)
	slices.SortFunc(list, func(a, b *Mailbox) int {
		if a.ID == Inbox || b.ID == Inbox {
			return cmp.Compare(a.ID, b.ID)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// Mailbox gives the mailbox with that name, nil if there is none.
func (s *State) Mailbox(name string) *Mailbox {
	name = canonical(name)
	for _, m := range s.boxes {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// MailboxByID gives the mailbox with that id, nil if there is none.
func (s *State) MailboxByID(id MailboxID) *Mailbox {
	if i, ok := s.find(id); ok {
		return s.boxes[i]
	}
	return nil
}

// HasChildren tells whether there is a mailbox below the name.
func (s *State) HasChildren(name string) bool {
	name = canonical(name) + "/"
	return slices.ContainsFunc(s.boxes, func(m *Mailbox) bool { return strings.HasPrefix(m.Name, name) })
}

// Subscriptions gives the subscribed names, whether or not there are such mailboxes.
func (s *State) Subscriptions() []string { return slices.Sorted(maps.Keys(s.subs)) }

// Subscribed tells whether the name is subscribed.
func (s *State) Subscribed(name string) bool {
	_, ok := s.subs[canonical(name)]
	return ok
}

// SameSubscriptions tells whether two states have the same subscriptions; at once, where
// nobody has changed any between them.
func (s *State) SameSubscriptions(o *State) bool {
	return s.subsBy != nil && s.subsBy == o.subsBy || maps.Equal(s.subs, o.subs)
}

func (s *State) find(id MailboxID) (int, bool) {
	i := sort.Search(len(s.boxes), func(i int) bool { return s.boxes[i].ID >= id })
	return i, i < len(s.boxes) && s.boxes[i].ID == id
}

// Size estimates the bytes of memory that the state takes.
func (s *State) Size() int64 {
	n := int64(1000 + len(s.used)*24 + len(s.subs)*64 + annotationBytes(s.annotations))
	for _, m := range s.boxes {
		n += int64(400 + annotationBytes(m.Annotations))
		if m.gone != nil {
			n += int64(len(m.gone.list))*16 + int64(len(m.gone.quiet))*24
			for _, r := range m.gone.readers {
				n += 100 + int64(len(r.marks))*24
			}
		}
		for _, b := range m.blocks {
			n += 200 + int64(cap(b.rows))*32 + int64(len(b.words))*16 + int64(len(b.uidl))*100
		}
	}
	return n
}

// Apply folds one entry. After an error (kinds.Corrupt when the entry does not follow
// from what was before it) the state must be thrown away.
func (s *State) Apply(e Entry) error {
	if err := s.fold(&e); err != nil {
		return err
	}
	if !s.standing.equal(&e.Standing) {
		return s.corrupt(&e, "its standing is not what its operations lead to")
	}
	return nil
}

// fold does what Apply does and leaves the entry's standing alone: a writer learns here
// what it must be.
func (s *State) fold(e *Entry) error {
	switch {
	case e.MinReader > Version || e.KeyID != "":
		return kinds.Errorf(kinds.TooNew, "account: entry %d needs reader %d, key %q", e.Seq, e.MinReader, e.KeyID)
	case e.Epoch > s.ref.Epoch || e.Epoch != s.epoch && e.Seq > 1 && !e.beginsEpoch():
		return s.corrupt(e, "it is of another epoch")
	case e.Seq != s.seq+1 || e.Seq > maxSeq:
		return s.corrupt(e, "it does not follow the last one")
	case e.Time < s.time || e.Time > maxInt48 || e.Op == "":
		return s.corrupt(e, "it has no operation id or its time is wrong")
	case len(e.Ops) == 0 || len(e.Ops) > maxOps:
		return s.corrupt(e, "it has no operations or too many")
	case (e.Seq == 1) != (e.Ops[0].Create != nil && len(e.Ops) == 1):
		return s.corrupt(e, "creation is the one operation of entry 1")
	}
	if len(s.needs(e.Ops)) > 0 {
		return kinds.Errorf(kinds.Internal, "account: entry %d needs messages that are not in memory", e.Seq)
	}
	if e.Seq == 1 {
		s.epoch = e.Epoch
	}
	s.seq, s.time = e.Seq, e.Time
	var names []byte
	for i := range e.Ops {
		if s.standing.Closed != "" && e.Ops[i].Close == nil && e.Ops[i].Epoch == nil {
			return s.corrupt(e, "the account is closed")
		}
		if err := s.op(e, i); err != nil {
			return err
		}
		if add := e.Ops[i].Add; add != nil {
			names = append(names, add.Name...)
		}
	}
	if len(e.Outbox) > 0 {
		s.outbox = append(slices.Clip(s.outbox), e.Outbox...)
	}
	s.standing.Totals.Mailboxes = int64(len(s.boxes))
	s.standing.delivered(e.Seq, names)
	return nil
}

// op does one operation.
func (s *State) op(e *Entry, i int) error {
	op := &e.Ops[i]
	if op.count() != 1 {
		return s.corrupt(e, "an operation must be exactly one thing")
	}
	switch {
	case op.Create != nil:
		return s.create(e, op.Create)
	case op.Add != nil:
		return s.add(e, i, op.Add)
	case op.Copy != nil:
		return s.copy(e, op.Copy, false)
	case op.Move != nil:
		return s.copy(e, op.Move, true)
	case op.Flags != nil:
		return s.flags(e, op.Flags)
	case op.Expunge != nil:
		return s.expunge(e, op.Expunge)
	case op.CreateMailbox != nil:
		return s.createMailbox(e, op.CreateMailbox)
	case op.Rename != nil:
		return s.rename(e, op.Rename)
	case op.DeleteMailbox != nil:
		return s.deleteMailbox(e, op.DeleteMailbox)
	case op.Subscribe != nil:
		return s.subscribe(e, op.Subscribe)
	case op.Access != nil:
		return s.access(e, op.Access)
	case op.SetACL != nil:
		return s.setACL(e, op.SetACL)
	case op.SeenBy != nil:
		return s.seenBy(e, op.SeenBy)
	case op.SeenMode != nil:
		return s.seenMode(e, op.SeenMode)
	case op.Metadata != nil:
		return s.annotate(e, op.Metadata)
	case op.Close != nil:
		s.standing.Closed = op.Close.Reason
		return nil
	case op.Snapshot != nil:
		if op.Snapshot.Ref == "" || len(op.Snapshot.Ref) > maxSnapshotRef {
			return s.corrupt(e, "a snapshot without a place, or with too long a one")
		}
		s.standing.Snapshot = op.Snapshot.Ref
		return nil
	case op.Epoch != nil:
		return s.beginEpoch(e, op.Epoch)
	default:
		s.outbox = slices.DeleteFunc(slices.Clone(s.outbox), func(o Outgoing) bool {
			return slices.Contains(op.Done.Names, o.Name)
		})
		return nil
	}
}

func (op *Op) count() (n int) {
	for _, set := range [...]bool{op.Create != nil, op.Add != nil, op.Copy != nil, op.Move != nil, op.Flags != nil,
		op.Expunge != nil, op.CreateMailbox != nil, op.Rename != nil, op.DeleteMailbox != nil, op.Subscribe != nil,
		op.Access != nil, op.Close != nil, op.Done != nil, op.Snapshot != nil, op.SetACL != nil, op.SeenBy != nil, op.SeenMode != nil, op.Metadata != nil, op.Epoch != nil} {
		if set {
			n++
		}
	}
	return n
}

func (s *State) access(e *Entry, a *Access) error {
	if a.Generation <= s.standing.Generation {
		return s.corrupt(e, "a generation must be higher than all before")
	}
	s.standing.Suspended, s.standing.Generation = a.Suspended, a.Generation
	return nil
}

func (s *State) corrupt(e *Entry, why string) error {
	return kinds.Errorf(kinds.Corrupt, "account %s: entry %d after %d: %s", s.ref.Partition(), e.Seq, s.seq, why)
}
