package account

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
)

// Account is an open account. Safe for concurrent use until Close.
type Account struct {
	core   *core
	closed atomic.Bool
	wrote  atomic.Uint64
	reader atomic.Pointer[Reader] // who uses it; nil: its owner
}

// core is what all who have an account open share.
type core struct {
	store *Store
	ref   Ref
	part  journal.Partition
	refs  int // under Store.mu

	// Opened by a compaction, which needs little of a mailbox: others read all of one whose
	// messages they need to open the account, for it will be selected.
	sparing bool
	tail    []*Entry // what such a one has come to know since the last snapshot

	// Changed by whoever holds the account's lock.
	state   atomic.Pointer[State]    // nil until read
	snap    atomic.Pointer[snapshot] // what state has not in memory is there; nil: it has all
	dir     atomic.Pointer[snapshot] // the newest of which this process knows where contents are
	read    time.Time                // when state was known to be the last
	overdue bool                     // a compaction is to be asked for
	broken  bool                     // since a snapshot was found to be broken

	mu      sync.Mutex
	changed chan struct{}

	refreshing atomic.Bool // an event is being followed
	complained atomic.Bool // about contents that are broken
}

// Open opens the account, in the state that it has when Open is called, or a later one.
// NotFound when there is no such account. A closed account opens; its Standing says so.
func (s *Store) Open(ctx context.Context, ref Ref) (*Account, error) { return s.open(ctx, ref, true) }

// open is Open; ask: for a compaction, when it is missing.
func (s *Store) open(ctx context.Context, ref Ref, ask bool) (a *Account, err error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	err = follow(ref, func(ref Ref) (err error) {
		a, err = s.openEpoch(ctx, ref, ask)
		return err
	})
	return a, err
}

func (s *Store) openEpoch(ctx context.Context, ref Ref, ask bool) (*Account, error) {
	p := ref.Partition()
	s.mu.Lock()
	c := s.accounts[p]
	if c == nil {
		c = &core{store: s, ref: ref, part: p, changed: make(chan struct{}), sparing: !ask}
		s.accounts[p] = c
	}
	c.refs++
	s.idle.drop(p)
	s.mu.Unlock()
	a := &Account{core: c}
	if err := c.enter(ctx, ask); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// enter registers as watcher, then reads the tail: whoever writes either is read here
// or sees the registration.
func (c *core) enter(ctx context.Context, ask bool) error {
	if err := c.store.watch(ctx, c.part); err != nil {
		return err
	}
	unlock, err := c.store.lock(ctx, c.part)
	if err != nil {
		return err
	}
	defer unlock()
	if ask {
		c.sparing, c.tail = false, nil
	}
	if _, err = c.refresh(ctx); err != nil {
		return err
	}
	if r, over := renewal(c.state.Load().standing.Closed); over {
		return &r
	}
	if ask {
		c.askIfOverdue(ctx)
	}
	return nil
}

// collect keeps entries for the next snapshot, so that they need not be read for it again.
func (c *core) collect(list ...*Entry) {
	if len(c.tail)+len(list) > maxTail {
		c.tail = nil
	} else if c.sparing {
		c.tail = append(c.tail, list...)
	}
}

// Close gives the account back; its state may stay in memory. Closing twice is fine.
func (a *Account) Close() {
	if a.closed.Swap(true) {
		return
	}
	c := a.core
	s := c.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.refs--; c.refs > 0 {
		return
	}
	state := c.state.Load()
	if state == nil {
		delete(s.accounts, c.part)
		return
	}
	for _, p := range s.idle.put(c.part, c, c.size(state)) {
		delete(s.accounts, p)
	}
}

// size estimates the bytes of memory that an account takes.
func (c *core) size(state *State) int64 {
	n := state.Size()
	if snap := c.snap.Load(); snap != nil {
		n += snap.size()
	}
	if dir := c.dir.Load(); dir != nil && dir != c.snap.Load() {
		n += dir.size()
	}
	return n
}

// Ref is the account's reference.
func (a *Account) Ref() Ref { return a.core.ref }

// State is the account's state as it is now. It never changes and may be kept.
func (a *Account) State() *State { return a.core.state.Load() }

// Wrote is the MODSEQ of the last entry that was written through this Account, 0: none.
func (a *Account) Wrote() uint64 { return a.wrote.Load() }

// View calls fn with the account's state as it is now.
func (a *Account) View(fn func(*State)) { fn(a.State()) }

// Refresh reads the account's tail: after it, all is seen that anybody was told was
// done before it was called.
func (a *Account) Refresh(ctx context.Context) error {
	unlock, err := a.core.store.lock(ctx, a.core.part)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = a.core.refresh(ctx)
	return err
}

// Changed is closed when the state next advances. Take it before State.
func (a *Account) Changed() <-chan struct{} {
	a.core.mu.Lock()
	defer a.core.mu.Unlock()
	return a.core.changed
}

// publish makes the state the one that is seen. The account's lock is held.
func (c *core) publish(next *State, read time.Time) {
	c.read = read
	if c.state.Swap(next) == next {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}
