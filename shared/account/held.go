package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Held is a content that an account has or had, and how it holds it.
type Held struct {
	Ref      ContentRef
	Content  *Content
	Messages int  // that had it at the time asked for
	Later    bool // it came after that time
}

// Reachable tells whether the account had it at the time asked for, or has had it since.
func (h *Held) Reachable() bool { return h.Messages > 0 || h.Later }

// Held tells fn of all contents that the account ever had, by rising entries, and which of
// them some state that it was in at a time or since then refers to. Where that can't be told,
// as it can't without a snapshot from before that time, all are said to have come later. An
// account that was deleted before that time holds none. What a sweep has left out of the
// snapshots is not told of. What is broken ends it: the error then says that nothing is known.
// It is kinds.NotFound only where there is no such account, which holds nothing.
func (s *Store) Held(ctx context.Context, ref Ref, since time.Time, fn func(Held) error) error {
	if err := ref.check(); err != nil {
		return err
	}
	ref, head, err := s.current(ctx, ref)
	if err != nil {
		return err
	}
	c := &core{store: s, ref: ref, part: ref.Partition(), sparing: true}
	err = c.held(ctx, head, Millis(since), fn)
	if kinds.Is(err, kinds.NotFound) {
		return kinds.Wrap(kinds.Corrupt, err, "account: something of it is gone")
	}
	return err
}

func (c *core) held(ctx context.Context, head Head, since int64, fn func(Held) error) (err error) {
	s := c.store
	var newest *snapshot
	if text := head.Standing.Snapshot; text != "" {
		if newest, err = s.readSnapshot(ctx, c.ref, text); err != nil {
			return err
		}
	}
	then, err := c.whole(ctx, newest, since)
	if err != nil {
		return err
	}
	h := &holder{fn: fn}
	if then != nil {
		h.seq = then.seq
		// An entry after it may have opened it again.
		if then.standing.Closed != deletedAccount || head.Seq > then.seq {
			h.rows = then.contentRefs()
		}
	}
	now := then
	if then == nil || then.seq < head.Seq {
		if now, err = c.upTo(ctx, newest, head.Seq); err != nil {
			return err
		}
	}
	h.now = now.contentRefs()
	if newest != nil {
		for i := range newest.man.Packs {
			if err := c.eachContent(ctx, newest, &newest.man.Packs[i], h.give); err != nil {
				return err
			}
		}
	}
	for after := newest.seq(); ; {
		items, more, err := s.read(ctx, c.ref, after, page)
		if err != nil {
			return err
		}
		for _, item := range items {
			if item.Seq != after+1 {
				return &gap{after: after, found: item.Seq}
			}
			after = item.Seq
			e, err := decode(item)
			if err != nil {
				return err
			}
			for _, r := range e.records() {
				if err := h.give(&r); err != nil {
					return err
				}
			}
		}
		if !more || len(items) == 0 {
			break
		}
	}
	return h.none(ContentRef{Seq: head.Seq + 1})
}

const deletedAccount = "deleted" // Close.Reason

// holder goes along contents, and along what messages refer to, in the same order.
type holder struct {
	fn   func(Held) error
	seq  uint64
	rows []ContentRef // then
	now  []ContentRef // at the last entry
}

func (h *holder) give(r *record) error {
	if err := h.none(r.ref); err != nil {
		return err
	}
	n := 0
	for ; len(h.rows) > 0 && h.rows[0] == r.ref; h.rows = h.rows[1:] {
		n++
	}
	for len(h.now) > 0 && h.now[0] == r.ref {
		h.now = h.now[1:]
	}
	return h.fn(Held{Ref: r.ref, Content: &r.content, Messages: n, Later: r.ref.Seq > h.seq})
}

// none goes on to a content. Messages that were expunged may have had others before it, which
// were left out of the snapshots since; those that are there may not.
func (h *holder) none(to ContentRef) error {
	for len(h.rows) > 0 && h.rows[0].compare(to) < 0 {
		h.rows = h.rows[1:]
	}
	if len(h.now) > 0 && h.now[0].compare(to) < 0 {
		return kinds.Errorf(kinds.Corrupt, "account: entry %d has no content %d", h.now[0].Seq, h.now[0].Index)
	}
	return nil
}

// contentRefs gives the content of each message, in order. All mailboxes are loaded.
func (s *State) contentRefs() (list []ContentRef) {
	for _, m := range s.boxes {
		for _, b := range m.blocks {
			for at := range b.rows {
				list = append(list, ContentRef{Seq: b.rows[at].entry.get(), Index: int(b.rows[at].op)})
			}
		}
	}
	slices.SortFunc(list, ContentRef.compare)
	return list
}

// whole gives the account as it was at a time, with all of its messages; nil: neither a
// snapshot nor the journal reaches back so far. Where a snapshot is broken an older one
// won't do, as it does for Store.past: what is removed for it doesn't come back.
func (c *core) whole(ctx context.Context, newest *snapshot, at int64) (*State, error) {
	state, snap, err := c.before(ctx, newest, at)
	if state == nil || err != nil {
		return nil, err
	}
	p, err := c.store.foldPast(ctx, state, snap, func(_ uint64, time int64) bool { return time <= at })
	if err != nil {
		var g *gap
		if errors.As(err, &g) {
			return nil, nil // the entries after it were trimmed
		}
		return nil, err
	}
	return p.state, c.warmAll(ctx, p.state, snap)
}

// before gives the last state of the account from no later than a time that is stored, and
// the snapshot that it is in; nil: there is none.
func (c *core) before(ctx context.Context, newest *snapshot, at int64) (*State, *snapshot, error) {
	if newest != nil && newest.man.Time <= at {
		return newest.man.state(c.ref), newest, nil
	}
	if newest != nil {
		for _, p := range slices.Backward(newest.man.Points) {
			if p.Time > at {
				continue
			}
			snap, err := c.store.readSnapshot(ctx, c.ref, p.Ref)
			if kinds.Is(err, kinds.NotFound) {
				break // the window was shorter before; older ones went first
			}
			if err != nil {
				return nil, nil, err
			}
			return snap.man.state(c.ref), snap, nil
		}
	}
	first, _, err := c.store.read(ctx, c.ref, 0, 1)
	if err != nil || len(first) == 0 || first[0].Seq != 1 {
		return nil, nil, err
	}
	return NewState(c.ref), nil, nil
}

// warmAll reads all mailboxes into a state.
func (c *core) warmAll(ctx context.Context, state *State, snap *snapshot) error {
	var needs []need
	for _, m := range state.boxes {
		needs = append(needs, need{box: m.ID, whole: true, tombs: true})
	}
	return c.store.warm(ctx, state, snap, needs)
}

// eachContent reads the blocks of a pack and gives all that is in them.
func (c *core) eachContent(ctx context.Context, snap *snapshot, p *manifestPack, fn func(*record) error) error {
	sections := snap.man.sections(p)
	stored, err := c.store.readSections(ctx, c.ref, snap, sections)
	if err != nil {
		return err
	}
	for _, at := range sections {
		records, err := readBlock(c.ref, at, stored[at])
		if err != nil {
			return err
		}
		for i := range records {
			if err := fn(&records[i]); err != nil {
				return err
			}
		}
	}
	return nil
}
