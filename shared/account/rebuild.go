package account

import (
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// rebuild reads the account without the snapshot that is broken: from an older one, or from
// its first entry, as far as the journal reaches back. What is needed must be readable
// then. Where nothing helps it gives the error that it was called for.
func (c *core) rebuild(ctx context.Context, broken error, needs []need) error {
	s := c.store
	s.cfg.Log.Error("a snapshot is broken, the account is rebuilt from its journal", "account", c.part, "error", broken)
	first, refs, err := c.older(ctx)
	if err != nil {
		return err
	}
	for _, text := range slices.Backward(refs) {
		at, err := parseSnapshotRef(text)
		if err != nil || objectSeq(at.object)+1 < first {
			continue
		}
		snap, err := s.readSnapshot(ctx, c.ref, text)
		if err == nil {
			err = c.rebuildOn(ctx, snap.man.state(c.ref), snap, needs)
		}
		if err == nil || !isDamage(err) {
			return err
		}
	}
	if first == 1 {
		if err := c.rebuildOn(ctx, NewState(c.ref), nil, needs); err == nil || !isDamage(err) {
			return err
		}
	}
	return broken
}

// older gives the first entry that the journal still has, and all snapshots that its
// entries name.
func (c *core) older(ctx context.Context) (first uint64, refs []string, err error) {
	after := uint64(0)
	for {
		items, more, err := c.store.read(ctx, c.ref, after, page)
		if err != nil {
			return 0, nil, err
		}
		for _, item := range items {
			if first == 0 {
				first = item.Seq
			}
			after = item.Seq
			e, err := decode(item)
			if err != nil {
				return 0, nil, err
			}
			if text := e.Standing.Snapshot; text != "" && !slices.Contains(refs[max(0, len(refs)-1):], text) {
				refs = append(refs, text)
			}
		}
		if !more || len(items) == 0 {
			return first, refs, nil
		}
	}
}

func (c *core) rebuildOn(ctx context.Context, state *State, snap *snapshot, needs []need) error {
	if _, err := c.fold(ctx, state, snap, nil); err != nil {
		return err
	}
	if err := c.store.warm(ctx, state, snap, needs); err != nil {
		return err
	}
	if err := c.rewarm(ctx, state, snap); err != nil {
		return err
	}
	if old := c.state.Load(); old != nil && state.seq < old.seq {
		return kinds.Errorf(kinds.Corrupt, "account %s: its journal ends at %d, before %d", c.part, state.seq, old.seq)
	}
	c.adopt(state, snap)
	c.read, c.overdue, c.broken = c.store.cfg.Now(), true, true
	return nil
}

// askIfOverdue asks for a compaction that whoever opened the account found to be missing.
// The account's lock is held.
func (c *core) askIfOverdue(ctx context.Context) {
	if !c.overdue {
		return
	}
	c.overdue = false
	c.store.askCompaction(ctx, c.ref, c.broken)
}

// askCompaction asks for a compaction; whole: after a look at all of the snapshot. One that is
// lost only lengthens the tail.
func (s *Store) askCompaction(ctx context.Context, ref Ref, whole bool) {
	if s.cfg.Compact == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telling)
	defer cancel()
	if err := s.cfg.Compact(ctx, ref, whole); err != nil {
		s.cfg.Log.Warn("cannot ask for a compaction", "account", ref.Partition(), "error", err)
	}
}
