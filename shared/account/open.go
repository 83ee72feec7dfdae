package account

import (
	"context"
	"errors"
	"slices"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	// openTail is how many of the last entries are read at once when an account is opened:
	// as many as there usually are after a snapshot.
	openTail = 128
	// longTail is after how many entries since the last snapshot whoever opens the account
	// asks for a new one, should the writers' asking have been lost.
	longTail = 512
	maxTail  = 2 * openTail // entries that are kept for a snapshot
	maxLoads = 4            // of an account that is trimmed meanwhile
)

// gap is the error of a fold that lacks entries: they were trimmed, or are lost.
type gap struct{ after, found uint64 }

func (g *gap) Error() string {
	return kinds.Errorf(kinds.Corrupt, "account: the entry after %d that is there is %d", g.after, g.found).Error()
}

// Kind is kinds.Corrupt.
func (g *gap) Kind() kinds.Kind { return kinds.Corrupt }

// load opens the account anew: the last entries, the snapshot that they name, and what was
// in memory before. The account's lock is held. It gives the entries after the snapshot.
func (c *core) load(ctx context.Context) (entries []*Entry, err error) {
	for range maxLoads {
		entries, err = c.loadOnce(ctx)
		var g *gap
		if !errors.As(err, &g) {
			break
		}
	}
	if err != nil && !kinds.Of(err).Temporary() && !kinds.Is(err, kinds.NotFound) {
		c.store.cfg.Log.Error("account cannot be read", "account", c.part, "error", err)
	}
	return entries, err
}

func (c *core) loadOnce(ctx context.Context) ([]*Entry, error) {
	s := c.store
	now := s.cfg.Now()
	items, err := s.cfg.Journal.Tail(ctx, c.part, openTail)
	if kinds.Is(err, kinds.NotFound) {
		return nil, kinds.Errorf(kinds.NotFound, "account %s: there is no such account", c.part)
	}
	if err != nil {
		return nil, err
	}
	last, err := decode(items[len(items)-1])
	if err != nil {
		return nil, err
	}
	if r, over := renewal(last.Standing.Closed); over {
		return nil, c.leave(&r)
	}
	state, snap := NewState(c.ref), (*snapshot)(nil)
	if text := last.Standing.Snapshot; text != "" {
		if snap, err = s.readSnapshot(ctx, c.ref, text); err != nil {
			return nil, c.rebuild(ctx, err, nil)
		}
		state = snap.man.state(c.ref)
	}
	entries, err := c.fold(ctx, state, snap, items)
	if isDamage(err) && snap != nil {
		return nil, c.rebuild(ctx, err, nil)
	}
	if err != nil {
		return nil, err
	}
	if err := c.rewarm(ctx, state, snap); err != nil {
		if !isDamage(err) {
			return nil, err
		}
		if err = c.rebuild(ctx, err, nil); err == nil {
			return entries, nil
		}
		// Others who have the account open can go on without what is broken.
		s.cfg.Log.Error("a mailbox cannot be read", "account", c.part, "error", err)
	}
	c.adopt(state, snap)
	c.read = now
	c.overdue = state.seq-snap.seq() > longTail
	if c.sparing {
		c.tail = entries
	}
	return entries, nil
}

func (s *snapshot) seq() uint64 {
	if s == nil {
		return 0
	}
	return s.man.Seq
}

// adopt makes a state that was read the account's.
func (c *core) adopt(state *State, snap *snapshot) {
	c.snap.Store(snap)
	if dir := c.dir.Load(); dir.seq() < snap.seq() {
		c.dir.Store(snap)
	}
	now := c.store.cfg.Now()
	c.store.note(c.part, Head{Seq: state.seq, Time: state.time, Standing: state.standing, read: now})
	c.publish(state, now)
}

// rewarm reads the mailboxes that were in memory before: somebody has them selected. It goes
// on after one that is broken.
func (c *core) rewarm(ctx context.Context, state *State, snap *snapshot) error {
	old := c.state.Load()
	if old == nil {
		return nil
	}
	var broken error
	for _, m := range old.boxes {
		if !m.Loaded() {
			continue
		}
		err := c.store.warm(ctx, state, snap, []need{{box: m.ID, whole: true, tombs: true}})
		if isDamage(err) {
			broken = err
		} else if err != nil {
			return err
		}
	}
	return broken
}

// fold folds onto a state, which must be one's own, the entries that come after it. items
// are entries that were read: whatever lies before them is read, too.
func (c *core) fold(ctx context.Context, state *State, snap *snapshot, items []journal.Entry) (entries []*Entry, err error) {
	items = slices.DeleteFunc(items, func(i journal.Entry) bool { return i.Seq <= state.seq })
	more := len(items) == 0 || items[0].Seq != state.seq+1
	for {
		if more {
			if items, more, err = c.store.read(ctx, c.ref, state.seq, page); err != nil {
				return nil, err
			}
		}
		for _, item := range items {
			e, err := c.apply(ctx, state, snap, item)
			if err != nil {
				return nil, err
			}
			entries = append(entries, e)
		}
		if !more || len(items) == 0 {
			return entries, nil
		}
	}
}

// apply folds one entry. The first must be the one after the state, and none may be
// missing: what is not there may have been trimmed.
func (c *core) apply(ctx context.Context, state *State, snap *snapshot, item journal.Entry) (*Entry, error) {
	if item.Seq != state.seq+1 {
		return nil, &gap{after: state.seq, found: item.Seq}
	}
	e, err := decode(item)
	if err != nil {
		return nil, err
	}
	needs := state.needs(e.Ops)
	for i := range needs {
		if !c.sparing && c.state.Load() == nil {
			needs[i].whole, needs[i].tombs = true, true
		}
	}
	if err := c.store.warm(ctx, state, snap, needs); err != nil {
		return nil, err
	}
	return e, state.Apply(*e)
}

// refresh reads the account's tail, folds it and gives the entries. The account's lock
// is held.
func (c *core) refresh(ctx context.Context) (missed []*Entry, err error) {
	old := c.state.Load()
	if old == nil {
		return c.load(ctx)
	}
	now := c.store.cfg.Now()
	items, more, err := c.store.read(ctx, c.ref, old.seq, page)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		c.store.note(c.part, Head{Seq: old.seq, Time: old.time, Standing: old.standing, read: now})
		c.publish(old, now)
		return nil, nil
	}
	next, snap := old.Clone(), c.snap.Load()
	for len(items) > 0 {
		for _, item := range items {
			e, err := c.apply(ctx, next, snap, item)
			if err != nil {
				return c.reload(ctx, err)
			}
			missed = append(missed, e)
		}
		if !more {
			break
		}
		if items, more, err = c.store.read(ctx, c.ref, next.seq, page); err != nil {
			return nil, err
		}
	}
	c.store.note(c.part, Head{Seq: next.seq, Time: next.time, Standing: next.standing, read: now})
	c.collect(missed...)
	c.publish(next, now)
	return missed, nil
}

// reload is what follows when the tail does not fit what is in memory: entries between may
// be trimmed, and objects of the snapshot that was read long ago may be no more.
func (c *core) reload(ctx context.Context, why error) ([]*Entry, error) {
	var g *gap
	if !errors.As(why, &g) && !isDamage(why) {
		if !kinds.Of(why).Temporary() {
			c.store.cfg.Log.Error("account cannot be read", "account", c.part, "error", why)
		}
		return nil, why
	}
	c.store.cfg.Log.Info("account is read anew", "account", c.part, "reason", why)
	return c.load(ctx)
}

// isDamage tells whether an error may be of an object of a snapshot that is broken or gone.
func isDamage(err error) bool {
	var g *gap
	return (kinds.Is(err, kinds.Corrupt) || kinds.Is(err, kinds.NotFound)) && !errors.As(err, &g)
}

// Load reads the messages of a mailbox into memory, if they aren't there, and gives a
// state that has them: the account's as it is now. kinds.Corrupt for a mailbox whose part
// of the snapshot is broken and can't be rebuilt; other mailboxes can be read all the same.
func (a *Account) Load(ctx context.Context, id MailboxID) (*State, error) {
	c := a.core
	if s := c.state.Load(); s.loaded(id) {
		return s, nil
	}
	unlock, err := c.store.lock(ctx, c.part)
	if err != nil {
		return nil, err
	}
	defer unlock()
	defer c.askIfOverdue(ctx)
	if err := c.warm(ctx, []need{{box: id, whole: true, tombs: true}}); err != nil {
		return nil, err
	}
	return c.state.Load(), nil
}

// loaded tells whether the mailbox, if there is one, is in memory.
func (s *State) loaded(id MailboxID) bool {
	m := s.MailboxByID(id)
	return m == nil || m.Loaded()
}

// warm reads what is needed into the account's state. The account's lock is held.
func (c *core) warm(ctx context.Context, needs []need) error {
	next := c.state.Load().Clone()
	err := c.store.warm(ctx, next, c.snap.Load(), needs)
	if err == nil {
		c.publish(next, c.read)
		return nil
	}
	if !isDamage(err) {
		return err
	}
	if c.state.Load().standing.Snapshot != c.snap.Load().text {
		// There is a newer one: what the old one was made of may be no more.
		if _, err := c.load(ctx); err != nil {
			return err
		}
		next = c.state.Load().Clone()
		if err = c.store.warm(ctx, next, c.snap.Load(), needs); err == nil {
			c.publish(next, c.read)
			return nil
		}
		if !isDamage(err) {
			return err
		}
	}
	return c.rebuild(ctx, err, needs)
}
