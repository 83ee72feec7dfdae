package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Past is an account as it was. It never changes. Not safe for concurrent use.
type Past struct {
	core  *core // of its own, shared with nobody
	snap  *snapshot
	state *State
}

// TooEarly is the error, of kind Limit, of who asks for the account at a time from which
// nothing is kept.
type TooEarly struct{ Earliest time.Time }

func (e *TooEarly) Error() string {
	return "account: its past is known from " + e.Earliest.Format(time.RFC3339) + " on"
}

// Kind is kinds.Limit.
func (e *TooEarly) Kind() kinds.Kind { return kinds.Limit }

// StateAt gives the account as it was at a time: after the last entry that is not later.
// NotFound when there is no such account, *TooEarly for a time before what is kept.
func (s *Store) StateAt(ctx context.Context, ref Ref, at time.Time) (*Past, error) {
	t := Millis(at)
	return s.past(ctx, ref, func(_ uint64, time int64) bool { return time <= t })
}

// past gives the account after the last entry that is within: all entries before one that is
// within are, too.
func (s *Store) past(ctx context.Context, ref Ref, within func(seq uint64, time int64) bool) (p *Past, err error) {
	if err := ref.check(); err != nil {
		return nil, err
	}
	for range maxLoads {
		p, err = s.pastOnce(ctx, ref, within)
		if g := (*gap)(nil); !errors.As(err, &g) {
			break // else it was trimmed meanwhile
		}
	}
	return p, err
}

func (s *Store) pastOnce(ctx context.Context, ref Ref, within func(uint64, int64) bool) (*Past, error) {
	ref, head, err := s.current(ctx, ref)
	if err != nil {
		return nil, err
	}
	first, err := s.firstEntry(ctx, ref)
	if err != nil {
		return nil, err
	}
	points, broken := s.points(ctx, ref, head.Standing.Snapshot)
	if broken != nil && !isDamage(broken) {
		return nil, broken
	}
	earliest := first.Time
	for _, at := range slices.Backward(points) {
		if at.Seq+1 < first.Seq {
			break
		}
		if first.Seq > 1 {
			earliest = at.Time
		}
		if !within(at.Seq, at.Time) {
			continue
		}
		snap, err := s.readSnapshot(ctx, ref, at.Ref)
		if err == nil {
			var p *Past
			if p, err = s.foldPast(ctx, snap.man.state(ref), snap, within); err == nil {
				return p, nil
			}
		}
		if !isDamage(err) {
			return nil, err
		}
		broken = err // an older one may do
	}
	if first.Seq == 1 && within(1, first.Time) {
		return s.foldPast(ctx, NewState(ref), nil, within)
	}
	if broken != nil {
		return nil, broken
	}
	return nil, &TooEarly{Earliest: time.UnixMilli(earliest).UTC()}
}

// firstEntry gives the first entry that the journal still has.
func (s *Store) firstEntry(ctx context.Context, ref Ref) (*Entry, error) {
	items, _, err := s.read(ctx, ref, 0, 1)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, kinds.Errorf(kinds.NotFound, "account %s: there is no such account", ref.Partition())
	}
	return decode(items[0])
}

// points gives all snapshots from which the past can be told, by rising time.
func (s *Store) points(ctx context.Context, ref Ref, text string) ([]point, error) {
	if text == "" {
		return nil, nil
	}
	newest, err := s.readSnapshot(ctx, ref, text)
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(newest.man.Points), point{Seq: newest.man.Seq, Time: newest.man.Time, Ref: text}), nil
}

// foldPast folds what is within onto a state.
func (s *Store) foldPast(ctx context.Context, state *State, snap *snapshot, within func(uint64, int64) bool) (*Past, error) {
	p := &Past{core: &core{store: s, ref: state.ref, part: state.ref.Partition(), sparing: true}, snap: snap, state: state}
	_, err := p.advance(ctx, page, func(e *Entry) (bool, error) {
		if !within(e.Seq, e.Time) {
			return false, nil
		}
		return true, p.apply(ctx, e)
	})
	return p, err
}

// advance reads the entries that come next and gives them to fn, which applies those for which
// it says true, until it says false or there are no more. It reads limit at once.
func (p *Past) advance(ctx context.Context, limit int, fn func(*Entry) (bool, error)) (end bool, err error) {
	for {
		items, more, err := p.core.store.read(ctx, p.core.ref, p.state.seq, limit)
		if err != nil {
			return false, err
		}
		for _, item := range items {
			if item.Seq != p.state.seq+1 {
				return false, &gap{after: p.state.seq, found: item.Seq}
			}
			e, err := decode(item)
			if err != nil {
				return false, err
			}
			if more, err := fn(e); err != nil || !more {
				return false, err
			}
		}
		if !more || len(items) == 0 {
			return true, nil
		}
	}
}

func (p *Past) apply(ctx context.Context, e *Entry) error {
	if err := p.core.store.warm(ctx, p.state, p.snap, p.state.needs(e.Ops)); err != nil {
		return err
	}
	return p.state.Apply(*e)
}

// State is the account as it was.
func (p *Past) State() *State { return p.state }

// Load reads a mailbox's messages into the state.
func (p *Past) Load(ctx context.Context, id MailboxID) (*Mailbox, error) {
	if m := p.state.MailboxByID(id); m == nil || m.Loaded() {
		return m, nil
	}
	err := p.core.store.warm(ctx, p.state, p.snap, []need{{box: id, whole: true, tombs: true}})
	return p.state.MailboxByID(id), err
}

// Contents is Account.Contents for what the account had then.
func (p *Past) Contents(ctx context.Context, refs []ContentRef) ([]Content, error) {
	w := p.core.want(refs)
	if len(w.at) == 0 {
		return w.out, nil
	}
	broken := p.core.readBlocks(ctx, p.snap, w)
	if broken != nil && !isDamage(broken) {
		return nil, broken
	}
	if err := p.core.readEntries(ctx, w); err != nil {
		return nil, err
	}
	if len(w.at) > 0 && broken == nil {
		broken = w.missing(p.core.part)
	}
	if len(w.at) > 0 {
		return nil, broken
	}
	return w.out, nil
}
