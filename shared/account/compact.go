package account

import (
	"bytes"
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// minTail is how many entries there must be since the last snapshot: asking twice makes no
// second one.
const minTail = compactEvery / 2

// Compacted says what a compaction did.
type Compacted struct {
	Entries uint64 // since the last snapshot; 0: there was nothing to do, or somebody else was faster
	Bytes   int    // of the new object
}

var compactor = By{Actor: "system", Protocol: "compact"}

// Compact makes a snapshot of the account as it is now and has an entry say where it is. It
// may run twice, at the same time as another one, and beside writers: whoever is second
// writes no entry, and what it has stored is swept away. whole: also when there is little
// new, and after all of the last snapshot was read and, where it is broken, rebuilt.
func (s *Store) Compact(ctx context.Context, ref Ref, whole bool) (Compacted, error) {
	a, err := s.open(ctx, ref, false)
	if err != nil {
		return Compacted{}, err
	}
	defer a.Close()
	done, err := a.core.compact(ctx, whole)
	if !isDamage(err) {
		return done, err
	}
	if err := a.core.repair(ctx, err); err != nil {
		return Compacted{}, err
	}
	return a.core.compact(ctx, true)
}

// repair reads all of the account anew.
func (c *core) repair(ctx context.Context, broken error) error {
	unlock, err := c.store.lock(ctx, c.part)
	if err != nil {
		return err
	}
	defer unlock()
	// What is missing may be what a newer snapshot no longer needs.
	if c.state.Load().standing.Snapshot != c.snapText() {
		if _, err := c.load(ctx); err != nil {
			return err
		}
		if broken = c.warm(ctx, c.everything()); !isDamage(broken) {
			return broken
		}
	}
	return c.rebuild(ctx, broken, c.everything())
}

func (c *core) snapText() string {
	if snap := c.snap.Load(); snap != nil {
		return snap.text
	}
	return ""
}

func (c *core) everything() (list []need) {
	for _, m := range c.state.Load().boxes {
		list = append(list, need{box: m.ID, whole: true, tombs: true})
	}
	return list
}

func (c *core) compact(ctx context.Context, whole bool) (done Compacted, err error) {
	d, err := c.draft(ctx, whole, whole)
	if d == nil || err != nil {
		return done, err
	}
	return c.finish(ctx, d)
}

// finish puts the snapshot together, stores it and has an entry say where it is.
func (c *core) finish(ctx context.Context, d *draft) (done Compacted, err error) {
	var records []record
	if n := len(d.tail); n > 0 && d.tail[0].Seq == d.prev.seq()+1 && d.tail[n-1].Seq == d.state.seq && uint64(n) == d.state.seq-d.prev.seq() {
		for _, e := range d.tail {
			records = append(records, e.records()...)
		}
	} else if records, err = c.recordsSince(ctx, d.prev.seq(), d.state.seq); err != nil {
		return done, err
	}
	if err := d.make(ctx, records); err != nil {
		return done, err
	}
	name := c.ref.folder() + d.man.Objects[0]
	if err := c.store.cfg.Blobs.Driver.Put(ctx, name, bytes.NewReader(d.object), int64(len(d.object))); err != nil {
		return done, err
	}
	e, err := c.do(ctx, compactor, "do", func(s *State) ([]Op, error) {
		// Objects that only older snapshots need may be gone: this one was made of the
		// last, and must follow it.
		if s.standing.Snapshot != d.replaces {
			return nil, nil
		}
		return []Op{{Snapshot: &Snapshot{Ref: d.text}}}, nil
	})
	if err != nil || e == nil {
		return done, err
	}
	d.settle()
	c.dir.Store(&snapshot{text: d.text, at: mustRef(d.text), man: d.man})
	return Compacted{Entries: d.state.seq - d.prev.seq(), Bytes: len(d.object)}, nil
}

func mustRef(text string) snapshotRef {
	at, _ := parseSnapshotRef(text) // we made it
	return at
}

// draft begins a snapshot, nil if there is no reason for one. force: also when there is
// little new.
func (c *core) draft(ctx context.Context, whole, force bool) (*draft, error) {
	unlock, err := c.store.lock(ctx, c.part)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if whole {
		if err := c.warm(ctx, c.everything()); err != nil {
			return nil, err
		}
	}
	state := c.state.Load()
	prev, err := c.newest(ctx, state.standing.Snapshot)
	if err != nil {
		return nil, err
	}
	if state.standing.Closed != "" || state.seq-prev.seq() < minTail && !force {
		return nil, nil
	}
	tail := c.tail
	c.tail = nil
	return &draft{store: c.store, ref: c.ref, prev: prev, replaces: state.standing.Snapshot, state: state.Clone(), tail: tail,
		whole: whole, read: c.recordsSince}, nil
}

// newest gives the snapshot that a new one is built on: the newest or, when that is broken,
// what the account was rebuilt from.
func (c *core) newest(ctx context.Context, text string) (*snapshot, error) {
	snap, dir := c.snap.Load(), c.dir.Load()
	switch {
	case text == "":
		return nil, nil
	case snap != nil && snap.text == text:
		return snap, nil
	case dir != nil && dir.text == text:
		return dir, nil
	}
	prev, err := c.store.readSnapshot(ctx, c.ref, text)
	if isDamage(err) && c.broken {
		c.store.cfg.Log.Error("a snapshot is broken and will be replaced", "account", c.part, "error", err)
		return snap, nil
	}
	return prev, err
}

// recordsSince gives the contents of the entries after one up to another.
func (c *core) recordsSince(ctx context.Context, after, last uint64) (list []record, err error) {
	for after < last {
		items, _, err := c.store.read(ctx, c.ref, after, int(min(last-after, page)))
		if err != nil {
			return nil, err
		}
		if len(items) == 0 || items[0].Seq != after+1 {
			return nil, kinds.Errorf(kinds.Corrupt, "account %s: entry %d, which is in no snapshot, is no more", c.part, after+1)
		}
		for _, item := range items {
			e, err := decode(item)
			if err != nil {
				return nil, err
			}
			list = append(list, e.records()...)
			after = e.Seq
		}
	}
	return list, nil
}
