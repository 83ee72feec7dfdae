package account

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// BeginEpoch begins a new epoch of an account whose journal was put back to an earlier time,
// so that no client takes a message for one that was lost: all mailboxes get new UIDVALIDITYs
// and MAILBOXIDs, all messages higher MODSEQs. Mail that was delivered since the journal was
// put back stays, or comes along when it was written after entries that are no more. ref is
// what the directory has: the new epoch is above it, even if the journal does not know of it.
// It writes three entries, or finds those that are there: one that was interrupted is
// completed by the next. NotFound when there is nothing left of the account.
func (s *Store) BeginEpoch(ctx context.Context, ref Ref, by By) (b Begun, err error) {
	if err := ref.check(); err != nil {
		return b, err
	}
	b.Ref = ref.in(1)
	for {
		head, err := s.readHead(ctx, b.Ref.Partition())
		if err != nil {
			return b, err
		}
		r, over := renewal(head.Standing.Closed)
		if !over && b.Ref.Epoch > ref.Epoch {
			return b, nil // it has begun, though the directory may not know
		}
		if !over {
			r = renewed{epoch: max(b.Ref.Epoch, ref.Epoch) + 1}
			if err := s.endPartition(ctx, b.Ref, head, r, by); kinds.Is(err, kinds.Conflict) {
				continue // somebody else ended it
			} else if err != nil {
				return b, err
			}
		}
		next := ref.in(r.epoch)
		_, err = s.readHead(ctx, next.Partition())
		started := kinds.Is(err, kinds.NotFound)
		if started {
			if err = s.startPartition(ctx, b.Ref, next, by); kinds.Is(err, kinds.Conflict) {
				continue // somebody else started it
			}
		}
		if err != nil {
			return b, err
		}
		if err := s.salvage(ctx, next); err != nil {
			return b, err
		}
		if b.Valid == 0 && (started || b.Ref.Epoch >= ref.Epoch) {
			if b.Valid, err = s.validBefore(ctx, next); err != nil {
				return b, err
			}
		}
		b.Ref = next
	}
}

// Begun is an epoch that has begun.
type Begun struct {
	Ref   Ref    // the account's reference from now on
	Valid uint64 // the last entry that is left of what was known
}

func (s *Store) validBefore(ctx context.Context, ref Ref) (uint64, error) {
	_, last, err := s.earlier(ctx, ref)
	return max(last, 1) - 1, err // that one closes the epoch
}

// endPartition writes a partition's last entry, and ends what is open of it, here and elsewhere.
func (s *Store) endPartition(ctx context.Context, ref Ref, head Head, r renewed, by By) error {
	if err := ref.in(r.epoch).check(); err != nil {
		return kinds.Errorf(kinds.Limit, "account %s: it has had all epochs", ref.Partition())
	}
	p, now := ref.Partition(), s.cfg.Now()
	unlock, err := s.lock(ctx, p)
	if err != nil {
		return err
	}
	defer unlock()
	e := closing(ref, head, lastEntry, r, by, now)
	if err := s.append(ctx, p, e, now); err != nil {
		return err
	}
	last := Head{Seq: e.Seq, Time: e.Time, Standing: e.Standing, read: now}
	s.note(p, last)
	s.mu.Lock()
	c := s.accounts[p]
	s.mu.Unlock()
	if c != nil {
		_ = c.leave(&r)
	}
	s.tell(ctx, p, e.Seq)
	return nil
}

// closing is an entry that closes an epoch.
func closing(ref Ref, last Head, seq uint64, r renewed, by By, now time.Time) *Entry {
	ops := []Op{{Close: &Close{Reason: r.reason()}}}
	e := &Entry{Version: Version, MinReader: minReader(ops), Epoch: ref.Epoch, Seq: seq, Time: max(Millis(now), last.Time),
		Op: "end-before-epoch-" + strconv.FormatUint(uint64(r.epoch), 10), By: by, Ops: ops, Standing: last.Standing}
	e.Standing.Closed = r.reason()
	return e
}

// startPartition closes the epoch that is over behind its last valid entry and writes the
// first entry of the next. Whoever does so writes the same, but for the floor.
func (s *Store) startPartition(ctx context.Context, ref, next Ref, by By) error {
	taken := uint64(0)
	for range maxTries {
		now := s.cfg.Now()
		last, err := s.lastValid(ctx, ref)
		if err != nil {
			return err
		}
		r, closed := renewal(last.Standing.Closed)
		if !closed {
			r = renewed{epoch: next.Epoch, was: last.Standing.Closed}
			fence := closing(ref, last, last.Seq+1, r, by, now)
			err := s.append(ctx, ref.Partition(), fence, now)
			switch {
			case err == nil:
				last = Head{Seq: fence.Seq, Time: fence.Time, Standing: fence.Standing}
			case !kinds.Is(err, kinds.Conflict):
				return err
			case taken != fence.Seq:
				taken = fence.Seq
				continue // by somebody who did not know, or by what does not follow
			}
			// Else what does not follow is in the place: nothing can come between, either.
		}
		if r.epoch != next.Epoch {
			return kinds.Errorf(kinds.Corrupt, "account %s: it is closed twice, for different epochs", ref.Partition())
		}
		ops := []Op{{Epoch: &Epoch{From: ref.Epoch, UIDFloor: epochFloor(next.Epoch, now), Closed: r.was}}}
		e := &Entry{Version: Version, MinReader: minReader(ops), Epoch: next.Epoch, Seq: last.Seq + 1, Time: max(Millis(now), last.Time),
			Op: "begin-epoch", By: by, Ops: ops, Standing: last.Standing}
		e.Standing.Closed = r.was
		return s.append(ctx, next.Partition(), e, now)
	}
	return kinds.Errorf(kinds.Conflict, "account %s: others were faster %d times", ref.Partition(), maxTries)
}

// epochFloor is above all UIDVALIDITYs that any earlier epoch has given, also one of which
// nothing is left: those are from before now, or ahead of their time by no more than that
// epoch's number and epochGap say. When even the number was lost, chance keeps them apart.
func epochFloor(epoch uint32, now time.Time) uint32 {
	return uint32(min(now.Unix()+int64(epoch)*2*epochGap+rand.Int64N(epochGap), 1<<32-1-epochGap))
}

// lastValid gives the last entry of those that follow from each other, from the newest snapshot
// on or, where the end of the journal hangs in the air, from as far back as there is something.
func (s *Store) lastValid(ctx context.Context, ref Ref) (Head, error) {
	items, err := s.cfg.Journal.Tail(ctx, ref.Partition(), 2)
	if err != nil {
		return Head{}, err
	}
	last, err := decode(items[0])
	if err != nil {
		return Head{}, err
	}
	c := &core{store: s, ref: ref, part: ref.Partition(), sparing: true}
	state, broken := c.foldValid(ctx, last.Standing.Snapshot)
	if broken == nil && (state.seq >= last.Seq || state.standing.Renewed()) {
		return state.head(), nil
	}
	if broken != nil && !isDamage(broken) {
		return Head{}, broken
	}
	first, bases, err := c.older(ctx)
	if err != nil {
		return Head{}, err
	}
	if first == 1 {
		bases = []string{""}
	}
	for _, text := range bases {
		at, err := parseSnapshotRef(text)
		if text != "" && (err != nil || objectSeq(at.object)+1 < first) {
			continue
		}
		if state, err = c.foldValid(ctx, text); err == nil {
			return state.head(), nil
		}
		if !isDamage(err) {
			return Head{}, err
		}
		broken = err
	}
	if broken == nil {
		broken = kinds.Errorf(kinds.Corrupt, "account %s: its entries begin with %d and there is no snapshot", ref.Partition(), first)
	}
	return Head{}, broken
}

func (s *State) head() Head { return Head{Seq: s.seq, Time: s.time, Standing: s.standing} }

// foldValid folds onto a snapshot, or the beginning, the entries that follow from each other.
func (c *core) foldValid(ctx context.Context, text string) (*State, error) {
	state, snap := NewState(c.ref), (*snapshot)(nil)
	if text != "" {
		var err error
		if snap, err = c.store.readSnapshot(ctx, c.ref, text); err != nil {
			return nil, err
		}
		state = snap.man.state(c.ref)
	}
	for more := true; more; {
		var items []journal.Entry
		var err error
		if items, more, err = c.store.read(ctx, c.ref, state.seq, page); err != nil {
			return nil, err
		}
		more = more && len(items) > 0
		for _, item := range items {
			if item.Seq != state.seq+1 {
				return state, nil
			}
			e, err := decode(item)
			if kinds.Is(err, kinds.Corrupt) {
				return state, nil
			}
			if err != nil {
				return nil, err
			}
			next := state.Clone()
			if err := c.store.warm(ctx, next, snap, next.needs(e.Ops)); err != nil {
				return nil, err
			}
			if err := next.Apply(*e); kinds.Is(err, kinds.Corrupt) {
				return state, nil
			} else if err != nil {
				return nil, err
			}
			state = next
		}
	}
	return state, nil
}

// salvage delivers to the new epoch what is behind the valid entries of the one before: those
// who wrote it knew entries that are lost, and not that they are. Deliveries have names, so
// none comes twice. Flags and moves of such sessions are lost with what they were for.
func (s *Store) salvage(ctx context.Context, ref Ref) error {
	old, after, err := s.earlier(ctx, ref)
	if err != nil || old == (Ref{}) {
		return err
	}
	for more := true; more; {
		var items []journal.Entry
		if items, more, err = s.cfg.Journal.Read(ctx, old.Partition(), after, page); err != nil {
			return err
		}
		more = more && len(items) > 0
		for _, item := range items {
			if after = item.Seq; after == lastEntry {
				return nil
			}
			e, err := decode(item)
			if err != nil {
				s.cfg.Log.Error("an entry cannot come along into a new epoch", "account", old.Partition(), "seq", after, "error", err)
				continue
			}
			var batch []Add
			for i := range e.Ops {
				if add := e.Ops[i].Add; add != nil && len(add.Name) == NameSize {
					batch = append(batch, *add)
				}
			}
			if len(batch) == 0 {
				continue
			}
			if _, err := s.Deliver(ctx, old, 0, e.By, batch); err != nil {
				return err
			}
			s.cfg.Log.Info("mail comes along into a new epoch", "account", old.Partition(), "messages", len(batch))
		}
	}
	return nil
}
