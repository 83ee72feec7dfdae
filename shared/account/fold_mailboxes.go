package account

import (
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
)

// The fold of operations on mailboxes. Names were judged by whoever wrote the entry;
// the fold only keeps them apart, so that a change of the rules for names never makes
// an old journal unreadable.

func (s *State) create(e *Entry, c *Create) error {
	if len(c.Mailboxes) == 0 || c.Mailboxes[0].Name != inboxName {
		return s.corrupt(e, "the first mailbox must be INBOX")
	}
	s.validity = c.UIDFloor
	for i := range c.Mailboxes {
		if err := s.createMailbox(e, &c.Mailboxes[i]); err != nil {
			return err
		}
	}
	return nil
}

// epochGap is how far what an account has given may be ahead of what is left of it when an
// epoch begins: UIDVALIDITYs, when more than one mailbox was made a second, and a mailbox's UIDs.
const epochGap = 1 << 18

// beginEpoch gives all mailboxes new UIDVALIDITYs, and all messages higher MODSEQs: what
// clients know that was lost is then of other mailboxes. Messages keep their UIDs, and new ones
// get none that was ever given: so a client that knows messages again by UID and Message-ID, as
// mbsync does, finds what is there and that the rest is gone.
func (s *State) beginEpoch(e *Entry, o *Epoch) error {
	if !e.beginsEpoch() || e.Epoch <= s.epoch || o.From != s.epoch {
		return s.corrupt(e, "an epoch that does not follow the last one")
	}
	if s.validity > math.MaxUint32-epochGap {
		return s.corrupt(e, "there is no UIDVALIDITY left")
	}
	s.epoch, s.validity, s.standing.Closed = e.Epoch, max(s.validity+epochGap, o.UIDFloor), o.Closed
	for i := range s.boxes {
		m := s.own(s.boxes[i].ID)
		v, err := s.newValidity(e)
		if err != nil {
			return err
		}
		m.UIDValidity, m.epoch = v, uint64(e.Epoch)
		m.touch(s.ModSeq())
		if m.UIDNext < math.MaxUint32-2*epochGap {
			m.UIDNext += epochGap
		}
	}
	return nil
}

func (s *State) createMailbox(e *Entry, c *CreateMailbox) error {
	m, err := s.newMailbox(e, c.Name, c.SpecialUse)
	if err == nil {
		m.UIDNext = max(m.UIDNext, c.UIDNext)
	}
	if err == nil && c.Subscribed {
		s.setSubscribed(c.Name, true)
	}
	return err
}

func (s *State) newMailbox(e *Entry, name, use string) (*Mailbox, error) {
	if name == "" || name != canonical(name) || s.Mailbox(name) != nil {
		return nil, s.corrupt(e, "a mailbox has no name, or one that is taken")
	}
	validity, err := s.newValidity(e)
	if err != nil {
		return nil, err
	}
	if s.nextID == math.MaxUint32 {
		return nil, s.corrupt(e, "there is no mailbox id left")
	}
	m := &Mailbox{ID: s.nextID, Name: name, SpecialUse: use, UIDValidity: validity, UIDNext: 1,
		owner: s.owner, epoch: uint64(s.epoch)}
	m.touch(s.ModSeq())
	s.nextID++
	s.ownBoxes()
	s.boxes = append(s.boxes, m)
	s.use(name)
	return m, nil
}

// newValidity gives a UIDVALIDITY: the time in the entry, but higher than all before.
func (s *State) newValidity(e *Entry) (uint32, error) {
	v := max(e.Time/1000, int64(s.validity)+1)
	if v > math.MaxUint32 {
		return 0, s.corrupt(e, "there is no UIDVALIDITY left")
	}
	s.validity = uint32(v)
	return s.validity, nil
}

// rename renames a mailbox and all below it. UIDVALIDITY is kept where nobody can know
// the new name from before.
func (s *State) rename(e *Entry, r *Rename) error {
	m := s.MailboxByID(r.Mailbox)
	if m == nil || r.Name == "" || r.Name != canonical(r.Name) {
		return s.corrupt(e, "a rename of no mailbox or to no name")
	}
	if m.ID == Inbox {
		return s.renameInbox(e, r.Name)
	}
	old := m.Name
	if r.Name == old || strings.HasPrefix(r.Name, old+"/") {
		return s.corrupt(e, "a mailbox is renamed to itself or below itself")
	}
	var moved []MailboxID
	for _, b := range s.boxes {
		if b.ID == m.ID || strings.HasPrefix(b.Name, old+"/") {
			moved = append(moved, b.ID)
		}
	}
	for _, id := range moved {
		b := s.own(id)
		name := r.Name + strings.TrimPrefix(b.Name, old)
		if s.Mailbox(name) != nil {
			return s.corrupt(e, "a mailbox is renamed to a name that is taken")
		}
		b.Name = name
		if !s.isUsed(name) {
			s.use(name)
			continue
		}
		v, err := s.newValidity(e)
		if err != nil {
			return err
		}
		b.UIDValidity = v
		b.touch(s.ModSeq())
	}
	return nil
}

// renameInbox moves what is in INBOX to a new mailbox.
// RFC 9051, section 6.3.6: Renaming INBOX is permitted and does not result in a tagged
// BAD response, and it has special behavior: It moves all messages in INBOX to a new
// mailbox with the given name, leaving INBOX empty.
func (s *State) renameInbox(e *Entry, name string) error {
	m, err := s.newMailbox(e, name, "")
	if err != nil {
		return err
	}
	// RFC 5464, section 4.1: mailbox annotations are preserved on the INBOX when it is renamed.
	m.Annotations = s.annotated(Inbox)
	return s.copy(e, &Copy{From: Inbox, UIDs: []Range{{First: 1, Last: math.MaxUint32}}, To: m.ID}, true)
}

func (s *State) deleteMailbox(e *Entry, d *DeleteMailbox) error {
	i, ok := s.find(d.Mailbox)
	if !ok || d.Mailbox == Inbox {
		return s.corrupt(e, "a deletion of INBOX or of no mailbox")
	}
	s.standing.Totals.Messages -= int64(s.boxes[i].Count)
	s.standing.Totals.Bytes -= s.boxes[i].Bytes
	s.ownBoxes()
	s.boxes = slices.Delete(s.boxes, i, i+1)
	return nil
}

func (s *State) subscribe(e *Entry, c *Subscribe) error {
	if c.Name == "" {
		return s.corrupt(e, "a subscription without a name")
	}
	s.setSubscribed(canonical(c.Name), c.On)
	return nil
}

func (s *State) setSubscribed(name string, on bool) {
	if s.subsBy != s.owner || s.subs == nil {
		if s.subs = maps.Clone(s.subs); s.subs == nil {
			s.subs = map[string]struct{}{}
		}
		s.subsBy = s.owner
	}
	if on {
		s.subs[name] = struct{}{}
	} else {
		delete(s.subs, name)
	}
}

// use notes that there was a mailbox of that name. Only a hash is kept: where two names
// have the same one, a UIDVALIDITY is given anew without need.
func (s *State) use(name string) {
	if s.usedBy != s.owner || s.used == nil {
		if s.used = maps.Clone(s.used); s.used == nil {
			s.used = map[uint64]struct{}{}
		}
		s.usedBy = s.owner
	}
	s.used[nameHash(name)] = struct{}{}
}

func (s *State) isUsed(name string) bool {
	_, ok := s.used[nameHash(name)]
	return ok
}

func nameHash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}

func (s *State) ownBoxes() {
	if s.boxesBy != s.owner {
		s.boxes, s.boxesBy = slices.Clone(s.boxes), s.owner
	}
}

// own gives the mailbox for changing, nil if there is none.
func (s *State) own(id MailboxID) *Mailbox {
	i, ok := s.find(id)
	if !ok {
		return nil
	}
	if m := s.boxes[i]; m.owner == s.owner {
		return m
	}
	s.ownBoxes()
	c := *s.boxes[i]
	c.owner, c.blocks, c.ends = s.owner, slices.Clone(c.blocks), slices.Clone(c.ends)
	c.Keywords, c.readers = slices.Clone(c.Keywords), slices.Clone(c.readers)
	s.boxes[i] = &c
	return &c
}
