package account

import (
	"context"
	"errors"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Restore says what of an account is to be as it was.
type Restore struct {
	At      time.Time
	Mailbox string // only the messages of the one that had this name then; "": all of the account
	Into    string // a new mailbox of this name for those of one, or the one above all; "": where they were
	Exact   bool   // remove what came later; not with Into
	Dry     bool   // only say what would be done

	Room  Room
	Since uint64        // of a restore that is gone on with, else 0
	For   time.Duration // stop after about so long; 0: when all is done
}

// Restored says what a restore did, or would do.
type Restored struct {
	Messages   int64 // put back
	Bytes      int64 // of those
	Flags      int64 // messages whose flags and keywords are as they were again
	Removed    int64 // messages, by Exact
	Created    int64 // mailboxes
	Renamed    int64
	Deleted    int64 // mailboxes, by Exact
	Subscribed int64 // subscriptions changed
	Annotated  int64 // annotations changed

	RemovedBytes int64 // of those

	Since uint64 // the last entry before it
	Done  bool   // false: it is to be gone on with
}

// Restore makes mailboxes, messages, flags and subscriptions as they were at a time, by new
// entries, which are part of the account's history as all others: so it can itself be
// undone. What had vanished comes back with new UIDs in the old order and the old EMAILID,
// THREADID and INTERNALDATE. What came later stays, unless Exact asks for its removal, and
// so does what was only moved away: it then is in both places. What arrives while a restore
// runs always stays.
//
// Each entry is atomic. Whatever a restore that was interrupted has done is found by who
// does it again, and not done twice; with Into it needs Since for that.
//
// *TooEarly, kinds.NotFound for a mailbox that there wasn't, kinds.Exists when Into is taken,
// and kinds.Quota when there is no room, before anything is changed.
func (a *Account) Restore(ctx context.Context, by By, r Restore) (Restored, error) {
	switch {
	case r.Into != "" && r.Exact:
		return Restored{}, kinds.Errorf(kinds.Invalid, "account: nothing is removed from a new mailbox")
	case r.At.After(a.core.store.cfg.Now()):
		return Restored{}, kinds.Errorf(kinds.Invalid, "account: a restore to a time that is yet to come")
	}
	past, err := a.core.store.StateAt(ctx, a.core.ref, r.At)
	early := (*TooEarly)(nil)
	// A snapshot may be from before the window, but the blobs of what was gone by then are not
	// kept for it.
	start := a.core.store.cfg.Now().Add(-a.core.store.window())
	if errors.As(err, &early) && early.Earliest.Before(start) || err == nil && r.At.Before(start) {
		return Restored{}, &TooEarly{Earliest: start.UTC().Truncate(time.Second).Add(time.Second)}
	}
	if err != nil {
		return Restored{}, err
	}
	// The journal may go further back, but blobs that only that past needs may be gone.
	if from := a.core.store.cfg.Now().Add(-a.core.store.window()); r.At.Before(from) {
		return Restored{}, &TooEarly{Earliest: from.UTC()}
	}
	if err := a.Refresh(ctx); err != nil {
		return Restored{}, err
	}
	if closed := a.State().standing.Closed; closed != "" {
		return Restored{}, kinds.Errorf(kinds.Closed, "account: it is closed (%s)", closed)
	}
	first := r.Since == 0
	if first {
		r.Since = a.State().seq
	} else if r.Since > a.State().seq {
		return Restored{}, kinds.Errorf(kinds.Invalid, "account: a restore that began in entry %d is still to come", r.Since)
	}
	w := &restorer{acc: a, past: past, Restore: r, by: by, ids: map[ContentRef][idSize]byte{}}
	if err := w.choose(first); err != nil {
		return Restored{}, err
	}
	// All is counted before anything is done, so that what has no room changes nothing.
	w.Dry = true
	planned, err := w.run(ctx)
	if err != nil || r.Dry {
		planned.Done = true
		return planned, err
	}
	if err := w.fits(a.State(), planned); err != nil {
		return Restored{}, err
	}
	w.Dry, w.sim, w.began = false, nil, a.core.store.cfg.Now()
	return w.run(ctx)
}

// fits fails when there would be no room for all that comes back.
func (w *restorer) fits(s *State, planned Restored) error {
	if planned.Messages == 0 {
		return nil
	}
	t := s.standing.Totals
	if t.Messages+planned.Messages > MaxMessages {
		return kinds.Errorf(kinds.Limit, "account: more than %d messages", MaxMessages)
	}
	t.Messages -= planned.Removed
	t.Bytes -= planned.RemovedBytes
	if w.Room.Quota.Full(t, planned.Messages, planned.Bytes) {
		return kinds.Errorf(kinds.Quota, "account: %d bytes in %d messages to be restored are over the quota of %d in %d",
			planned.Bytes, planned.Messages, w.Room.Quota.Bytes, w.Room.Quota.Messages)
	}
	return nil
}

// restorer does one restore.
type restorer struct {
	Restore
	acc     *Account
	past    *Past
	by      By
	began   time.Time
	targets []target
	sim     *State // while it is dry: what has been done to mailboxes
	ids     map[ContentRef][idSize]byte
	done    Restored
}

// target is a mailbox as it was, and the name under which it is restored.
type target struct {
	was  MailboxID
	name string
}

// choose finds the mailboxes that are to be restored.
func (w *restorer) choose(first bool) (err error) {
	if w.Into != "" {
		if w.Into, err = CheckName(w.Into); err != nil {
			return err
		}
		if s := w.acc.State(); first && (s.Mailbox(w.Into) != nil || s.HasChildren(w.Into)) {
			return kinds.Errorf(kinds.Exists, "account: there is a mailbox of that name")
		}
	}
	if w.Mailbox != "" {
		m := w.past.state.Mailbox(w.Mailbox)
		if m == nil {
			return noMailbox(w.Mailbox)
		}
		w.targets = []target{{was: m.ID, name: m.Name}}
		if w.Into != "" {
			w.targets[0].name = w.Into
		}
		return nil
	}
	for _, m := range w.past.state.Mailboxes() {
		name := m.Name
		if w.Into != "" {
			if name, err = CheckName(w.Into + "/" + name); err != nil {
				return err
			}
		}
		w.targets = append(w.targets, target{was: m.ID, name: name})
	}
	return nil
}

// run does what is missing, in this order, so that who is interrupted has lost nothing:
// mailboxes, messages, then removals, and flags last, for only then is there surely room for
// all keywords.
func (w *restorer) run(ctx context.Context) (Restored, error) {
	w.done = Restored{Since: w.Since}
	if err := w.mailboxes(ctx); err != nil {
		return w.done, err
	}
	for _, phase := range []func(context.Context, target) error{w.messages, w.remove, w.flags} {
		for _, t := range w.targets {
			if err := phase(ctx, t); err != nil || w.late() {
				return w.done, err
			}
		}
	}
	if w.Exact && w.Mailbox == "" {
		if err := w.removeMailboxes(ctx); err != nil {
			return w.done, err
		}
	}
	w.done.Done = !w.late()
	return w.done, nil
}

// late tells whether the time for this is over: never before something is done.
func (w *restorer) late() bool {
	return !w.Dry && w.done != (Restored{Since: w.Since}) && w.For > 0 && w.acc.core.store.age(w.began) > w.For
}

// do writes an entry, or while it is dry does so to mailboxes only.
func (w *restorer) do(ctx context.Context, command func(*State) ([]Op, error)) error {
	if !w.Dry {
		_, err := w.acc.do(ctx, w.by, "restore", command)
		return err
	}
	unlock, err := w.acc.core.store.lock(ctx, w.acc.core.part)
	if err != nil {
		return err
	}
	defer unlock()
	s := w.state()
	ops, err := command(s)
	if err != nil || len(ops) == 0 {
		return err
	}
	if _, w.sim, err = prepare(s, "restore", w.by, ops, w.acc.core.store.cfg.Now()); err != nil {
		return err
	}
	return nil
}

func (w *restorer) state() *State {
	if w.Dry && w.sim != nil {
		return w.sim
	}
	return w.acc.State()
}

// now gives a mailbox with its messages as it is, nil if there is none.
func (w *restorer) now(ctx context.Context, name string) (*Mailbox, error) {
	m := w.state().Mailbox(name)
	if m == nil || m.Loaded() {
		return m, nil
	}
	s, err := w.acc.Load(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	return s.MailboxByID(m.ID), nil
}
