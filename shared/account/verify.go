package account

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Verified is what Verify has looked at.
type Verified struct {
	Seq      uint64 // the last entry
	Messages int
	From     uint64 // the entry after which the journal was folded: 0 is the beginning
}

// Verify folds all that there is of the account's journal, from its beginning or onto the
// oldest snapshot from which it goes on, and compares: with the account as its newest
// snapshot and the entries since have it, and the totals with what they sum up. It writes
// nothing. The error, kinds.Corrupt, says what is not so.
func (s *Store) Verify(ctx context.Context, ref Ref) (v Verified, err error) {
	if err := ref.check(); err != nil {
		return v, err
	}
	ref, head, err := s.current(ctx, ref)
	if err != nil {
		return v, err
	}
	c := &core{store: s, ref: ref, part: ref.Partition(), sparing: true}
	var newest *snapshot
	if text := head.Standing.Snapshot; text != "" {
		if newest, err = s.readSnapshot(ctx, ref, text); err != nil {
			return v, err
		}
	}
	state, err := c.upTo(ctx, newest, head.Seq)
	if err != nil {
		return v, err
	}
	v.Seq = head.Seq
	for _, m := range state.boxes {
		v.Messages += m.Count
	}
	if why := state.contradiction(); why != "" {
		return v, kinds.Errorf(kinds.Corrupt, "account %s: %s", c.part, why)
	}
	first, _, err := s.read(ctx, ref, 0, 1)
	if err != nil || newest == nil {
		return v, err
	}
	base, err := c.oldest(ctx, newest, first[0].Seq)
	if err != nil {
		return v, err
	}
	v.From = base.seq()
	if base == newest {
		return v, nil // entries before it are no more
	}
	plain, err := c.upTo(ctx, base, head.Seq)
	if err != nil {
		return v, err
	}
	if why := plain.unlike(state); why != "" {
		return v, kinds.Errorf(kinds.Corrupt, "account %s: snapshot %s is not what the journal leads to: %s", c.part, newest.text, why)
	}
	return v, nil
}

// oldest gives the oldest snapshot onto which the journal, which begins with entry first, can
// be folded; nil: it needs none.
func (c *core) oldest(ctx context.Context, newest *snapshot, first uint64) (*snapshot, error) {
	if first == 1 {
		return nil, nil
	}
	for _, p := range newest.man.Points {
		if p.Seq+1 < first {
			continue
		}
		snap, err := c.store.readSnapshot(ctx, c.ref, p.Ref)
		if !kinds.Is(err, kinds.NotFound) {
			return snap, err
		}
	}
	return newest, nil
}

// upTo gives the account as it is after an entry, all of it in memory.
func (c *core) upTo(ctx context.Context, snap *snapshot, seq uint64) (*State, error) {
	state := NewState(c.ref)
	if snap != nil {
		state = snap.man.state(c.ref)
	}
	for state.seq < seq {
		items, _, err := c.store.read(ctx, c.ref, state.seq, int(min(seq-state.seq, page)))
		if err != nil {
			return nil, err
		}
		if len(items) == 0 {
			return nil, kinds.Errorf(kinds.Corrupt, "account %s: entry %d is no more", c.part, state.seq+1)
		}
		for _, item := range items {
			if _, err := c.apply(ctx, state, snap, item); err != nil {
				return nil, err
			}
		}
	}
	return state, c.warmAll(ctx, state, snap)
}

// contradiction says where a state's totals are not what they sum up, "" if nowhere.
func (s *State) contradiction() string {
	total := Totals{Mailboxes: int64(len(s.boxes))}
	for _, m := range s.boxes {
		var count, unseen, deleted int
		var bytes, deletedBytes int64
		for _, x := range m.Messages() {
			count++
			bytes += x.Size
			if x.Flags&Seen == 0 {
				unseen++
			}
			if x.Flags&Deleted != 0 {
				deleted++
				deletedBytes += x.Size
			}
		}
		if count != m.Count || unseen != m.Unseen || deleted != m.Deleted || bytes != m.Bytes || deletedBytes != m.DeletedBytes {
			return fmt.Sprintf("mailbox %d has %d messages, %d unseen, %d deleted, %d bytes, and says %d, %d, %d, %d",
				m.ID, count, unseen, deleted, bytes, m.Count, m.Unseen, m.Deleted, m.Bytes)
		}
		for _, r := range m.readers {
			if n := m.seenIn(m.gone.marksOf(r.id), Range{First: 1, Last: 1<<32 - 1}); n != r.seen {
				return fmt.Sprintf("mailbox %d has %d messages that a reader has seen, and says %d", m.ID, n, r.seen)
			}
		}
		total.Messages, total.Bytes = total.Messages+int64(count), total.Bytes+bytes
	}
	if total != s.standing.Totals {
		return fmt.Sprintf("it has %+v and says %+v", total, s.standing.Totals)
	}
	return ""
}

// unlike says in what two states differ, "" if in nothing that can be seen.
func (s *State) unlike(o *State) string {
	standing := o.standing
	switch {
	case s.epoch != o.epoch || s.seq != o.seq || s.time != o.time || !s.standing.equal(&standing):
		return "the last entry"
	case s.nextID != o.nextID || s.validity != o.validity || len(s.boxes) != len(o.boxes):
		return "the mailboxes"
	case !maps.Equal(s.used, o.used) || !maps.Equal(s.subs, o.subs):
		return "names or subscriptions"
	case !sameAnnotations(s.annotations, o.annotations):
		return "the annotations"
	case !slices.EqualFunc(s.outbox, o.outbox, func(a, b Outgoing) bool { return a.Name == b.Name && a.Kind == b.Kind }):
		return "the outbox"
	}
	for i, a := range s.boxes {
		b := o.boxes[i]
		if a.ID != b.ID || a.Name != b.Name || a.SpecialUse != b.SpecialUse || a.UIDValidity != b.UIDValidity || a.UIDNext != b.UIDNext ||
			a.HighestModSeq != b.HighestModSeq || a.Count != b.Count || !slices.Equal(a.Keywords, b.Keywords) || !sameAnnotations(a.Annotations, b.Annotations) {
			return fmt.Sprintf("mailbox %d", a.ID)
		}
		if !a.sharedLike(b) {
			return fmt.Sprintf("the rights and readers of mailbox %d", a.ID)
		}
		for j := range a.Count {
			x, y := a.At(j), b.At(j)
			if !slices.Equal(x.Words, y.Words) {
				return fmt.Sprintf("the keywords of UID %d in mailbox %d", x.UID, a.ID)
			}
			if x.UID != y.UID || x.ModSeq != y.ModSeq || x.Flags != y.Flags || x.Date != y.Date || x.Saved != y.Saved || x.Size != y.Size ||
				x.UIDL != y.UIDL || x.Content != y.Content {
				return fmt.Sprintf("UID %d in mailbox %d", x.UID, a.ID)
			}
		}
	}
	return ""
}
