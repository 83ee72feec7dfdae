package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Do runs command on the account's state and writes the operations that it gives as one
// entry. Where somebody else wrote first, it reads what it missed and runs command again
// on the new state. Errors, and the decision to write nothing, are judged on a state
// that was read after the call. No operations: nothing is written and the entry is the
// zero one. kinds.Limit for what no entry holds, kinds.Closed for a closed account,
// kinds.Conflict when others were faster too often; after kinds.Unavailable the entry
// may be there or not.
func (a *Account) Do(ctx context.Context, by By, command func(*State) ([]Op, error)) (Entry, error) {
	return a.do(ctx, by, "do", command)
}

// do is Do; what begins the operation's id.
func (a *Account) do(ctx context.Context, by By, what string, command func(*State) ([]Op, error)) (Entry, error) {
	e, err := a.core.do(ctx, by, what, command)
	if err != nil || e == nil {
		return Entry{}, err
	}
	a.wrote.Store(uint64(e.Epoch)<<epochShift | e.Seq)
	a.core.store.wrote(ctx, a.core.ref, e.Seq)
	return *e, nil
}

func (c *core) do(ctx context.Context, by By, what string, command func(*State) ([]Op, error)) (*Entry, error) {
	unlock, err := c.store.lock(ctx, c.part)
	if err != nil {
		return nil, err
	}
	defer unlock()
	op, fresh := opID(what), false
	if c.store.age(c.read) > maxKnowledge {
		if _, err := c.refresh(ctx); err != nil {
			return nil, err
		}
		fresh = true
	}
	for try := 0; try < maxTries; {
		state := c.state.Load()
		ops, err := run(state, command)
		needs := state.needs(ops)
		if cold := (*coldError)(nil); errors.As(err, &cold) {
			needs = []need{{box: cold.box, whole: true, tombs: true}}
		}
		if len(needs) > 0 {
			if err := c.warm(ctx, needs); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil || len(ops) == 0 {
			if fresh {
				return nil, err
			}
			if _, err := c.refresh(ctx); err != nil {
				return nil, err
			}
			fresh = true
			continue
		}
		e, err := c.store.write(ctx, state, c.read, op, by, ops)
		switch kinds.Of(err) {
		case kinds.Conflict:
			if _, err := c.refresh(ctx); err != nil {
				return nil, err
			}
		case kinds.Unavailable, kinds.Throttled:
			// It may have been done all the same: then it is found by its name. The
			// journal is read on from the only number under which it can be.
			missed, rerr := c.refresh(ctx)
			if i := slices.IndexFunc(missed, func(e *Entry) bool { return e.Op == op }); rerr == nil && i >= 0 {
				c.store.grown(state, missed[i], by)
				return missed[i], nil
			}
			return nil, err
		default:
			if err == nil {
				c.store.grown(state, e, by)
			}
			return e, err
		}
		fresh = true
		if try++; try > 1 {
			if err := c.store.pause(ctx, try); err != nil {
				return nil, err
			}
		}
	}
	return nil, kinds.Errorf(kinds.Conflict, "account %s: others were faster %d times", c.part, maxTries)
}

// coldError is what a command gives that needs a mailbox's messages and does not have them:
// they are read and it is run again.
type coldError struct{ box MailboxID }

func (c *coldError) Error() string { return "account: a mailbox is not in memory" }

// messages gives a mailbox with its messages to a command, nil if there is no such one.
func (s *State) messages(id MailboxID) (*Mailbox, error) {
	m := s.MailboxByID(id)
	if m != nil && !m.Loaded() {
		return nil, &coldError{box: id}
	}
	return m, nil
}

func run(state *State, command func(*State) ([]Op, error)) ([]Op, error) {
	ops, err := command(state)
	if err != nil {
		return nil, err
	}
	if r, over := renewal(state.standing.Closed); over && len(ops) > 0 {
		return nil, &r
	}
	if closed := state.standing.Closed; closed != "" && slices.ContainsFunc(ops, func(o Op) bool { return o.Close == nil }) {
		return nil, kinds.Errorf(kinds.Closed, "account: it is closed (%s)", closed)
	}
	return ops, nil
}

// write appends ops to state as its next entry and, where it is written, makes the
// outcome known in this process. The account's lock is held.
func (s *Store) write(ctx context.Context, state *State, read time.Time, op string, by By, ops []Op) (*Entry, error) {
	now := s.cfg.Now()
	e, next, err := prepare(state, op, by, ops, now)
	if err != nil {
		return nil, err
	}
	if err := s.append(ctx, state.ref.Partition(), e, read); err != nil {
		return nil, err
	}
	s.written(state.ref.Partition(), e, next, now)
	return e, nil
}

// prepare makes the entry that does ops to state, and the state after it.
func prepare(state *State, op string, by By, ops []Op, now time.Time) (*Entry, *State, error) {
	e := &Entry{Version: Version, MinReader: minReader(ops), Epoch: state.ref.Epoch, Seq: state.seq + 1,
		Time: max(Millis(now), state.time), Op: op, By: by, Ops: ops}
	next := state.Clone()
	if err := next.fold(e); err != nil {
		return nil, nil, kinds.Wrap(kinds.Internal, err, "account: a command gave operations that do not fold")
	}
	e.Standing = next.standing
	return e, next, nil
}

// append writes an entry. A reply that is lost is asked for again: the journal knows the
// operation. After a conflict it is certain that this entry is not there. read is when the
// entry before it was known to be the last.
func (s *Store) append(ctx context.Context, p journal.Partition, e *Entry, read time.Time) error {
	data, err := Encode(e)
	if err != nil {
		return err
	}
	stored := pack(data)
	for try := 1; ; try++ {
		if s.age(read) > maxKnowledge {
			// This process stood still. Meanwhile the number may have been taken and trimmed.
			return kinds.Errorf(kinds.Unavailable, "account %s: what is known of entry %d is too old to write the next", p, e.Seq-1)
		}
		err := s.cfg.Journal.Append(ctx, p, journal.Entry{Seq: e.Seq, Op: e.Op, Data: stored})
		if !kinds.Is(err, kinds.Unavailable) && !kinds.Is(err, kinds.Throttled) || try == maxAttempts {
			return err
		}
		if err := s.pause(ctx, try); err != nil {
			return err
		}
	}
}

// compactEvery is after how many entries their writer asks for a compaction.
const compactEvery = 64

// wrote tells those outside this process of an entry that was written.
func (s *Store) wrote(ctx context.Context, ref Ref, seq uint64) {
	s.tell(ctx, ref.Partition(), seq)
	if seq%compactEvery == 0 {
		s.askCompaction(ctx, ref, false)
	}
}

// written makes an entry known that is now the journal's last: next is the state after
// it, nil when the writer does not know it.
func (s *Store) written(p journal.Partition, e *Entry, next *State, now time.Time) {
	s.note(p, Head{Seq: e.Seq, Time: e.Time, Standing: e.Standing, read: now})
	s.mu.Lock()
	c := s.accounts[p]
	if c != nil && c.refs == 0 {
		c = nil // nobody has it open: whoever opens it folds all that it missed at once
	}
	s.mu.Unlock()
	if c == nil {
		return
	}
	state := c.state.Load()
	if state == nil || state.seq+1 != e.Seq {
		return
	}
	if next == nil {
		if len(state.needs(e.Ops)) > 0 {
			return // whoever looks next reads it
		}
		next = state.Clone()
		if err := next.Apply(*e); err != nil {
			s.cfg.Log.Error("entry does not fold", "account", p, "seq", e.Seq, "error", err)
			return
		}
	}
	for _, r := range e.records() {
		s.keep(p, r.ref, &r.content)
	}
	c.collect(e)
	c.publish(next, now)
}
