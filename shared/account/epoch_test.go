package account

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// restorable is a journal that can be put back to what it was.
type restorable interface {
	journal.Driver
	copied() restorable
	put(back restorable)
}

// copied is the journal as it is now: what a table is put back to.
func (m *memory) copied() restorable { return m.clone() }

func (m *memory) clone() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := newMemory(m.now)
	for p, list := range m.entries {
		c.entries[p], c.seqs[p] = maps.Clone(list), slices.Clone(m.seqs[p])
	}
	return c
}

// put makes the journal what it was, under all who use it.
func (m *memory) put(back restorable) {
	was := back.(*memory).clone()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries, m.seqs = was.entries, was.seqs
}

func (w *world) table() restorable { return w.journal.(restorable) }

func (w *world) begin(t testing.TB) Ref {
	t.Helper()
	b, err := w.store().BeginEpoch(context.Background(), w.ref, by)
	porttest.OK(t, err)
	return b.Ref
}

func (w *world) append(t testing.TB, a *Account, box string, n int) []uint32 {
	t.Helper()
	batch := make([]NewMessage, n)
	for i := range batch {
		batch[i] = newMessage(100)
	}
	uids, _, err := a.Append(context.Background(), by, box, batch, Room{})
	porttest.OK(t, err)
	return uids
}

// loaded reads INBOX with a fresh store.
func (w *world) loaded(t testing.TB) *Mailbox {
	t.Helper()
	s, err := w.open(t, w.store()).Load(context.Background(), Inbox)
	porttest.OK(t, err)
	return s.MailboxByID(Inbox)
}

func TestANewEpochHasWhatIsLeftUnderNewNumbers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.store()
	a := w.open(t, s)
	w.append(t, a, "INBOX", 3)
	_, err := s.Deliver(ctx, w.ref, 0, by, []Add{delivery("kept")})
	porttest.OK(t, err)
	w.clock.Advance(time.Minute)
	porttest.OK(t, a.SetSubscribed(ctx, by, "elsewhere", true))
	_, err = a.ExpungeMessages(ctx, by, Inbox, uids(2), false)
	porttest.OK(t, err)
	back, kept := w.table().copied(), a.State()
	w.clock.Advance(time.Hour)
	w.append(t, a, "INBOX", 5)
	_, err = a.CreateMailbox(ctx, by, "later", "")
	porttest.OK(t, err)
	lost := a.State()

	w.table().put(back)
	before := w.clock.Now()
	w.clock.Advance(time.Hour)
	ref := w.begin(t)
	if ref != (Ref{w.ref.ID, 2, w.ref.Tenant}) {
		t.Fatalf("the new reference is %+v", ref)
	}
	b := w.open(t, w.store()) // by the old reference
	if b.Ref() != ref {
		t.Fatalf("opened is %+v", b.Ref())
	}
	now := b.State()
	check(t, now)
	if len(now.boxes) != len(kept.boxes) || now.Standing().Totals != kept.Standing().Totals || !now.Subscribed("elsewhere") {
		t.Errorf("there are %d mailboxes with %+v", len(now.boxes), now.Standing().Totals)
	}
	for _, m := range now.Mailboxes() {
		was := kept.Mailbox(m.Name)
		if m.UIDValidity <= lost.validity || m.UIDNext <= lost.Mailbox(m.Name).UIDNext || m.ObjectID(ref) == was.ObjectID(w.ref) {
			t.Errorf("%s has UIDVALIDITY %d after %d and UIDNEXT %d after %d", m.Name, m.UIDValidity, lost.validity, m.UIDNext, lost.Mailbox(m.Name).UIDNext)
		}
		for i, x := range m.Messages() {
			old := was.At(i)
			if x.ModSeq <= lost.ModSeq() || x.UID != old.UID || x.Content != old.Content {
				t.Errorf("message %+v was %+v", x, old)
			}
		}
	}
	if _, err := b.Contents(ctx, []ContentRef{now.MailboxByID(Inbox).At(0).Content}); err != nil {
		t.Error(err)
	}
	// The past goes on over the epoch, and what happened is told as one story.
	past, err := w.store().StateAt(ctx, ref, before)
	porttest.OK(t, err)
	if got := past.State(); got.Seq() != kept.Seq() || got.MailboxByID(Inbox).UIDValidity != kept.MailboxByID(Inbox).UIDValidity {
		t.Errorf("the past ends with entry %d, not %d", got.Seq(), kept.Seq())
	}
	events, _, err := w.store().History(ctx, w.ref, HistoryQuery{Limit: 100})
	porttest.OK(t, err)
	var what []string
	for _, e := range events {
		what = append(what, e.What)
	}
	if got := strings.Join(what, ", "); got != "account created, appended, appended, appended, delivered, subscribed, expunged, epoch begun" {
		t.Errorf("it happened: %s", got)
	}
	// A restore to before it brings back what is gone, with its EMAILID.
	done, err := b.Restore(ctx, by, Restore{At: kept0(w)})
	porttest.OK(t, err)
	if done.Messages != 1 || b.State().MailboxByID(Inbox).Len() != 4 {
		t.Errorf("restored %+v", done)
	}
	if _, err := w.store().Verify(ctx, w.ref); err != nil {
		t.Error(err)
	}
}

// kept0 is the world's first moment.
func kept0(w *world) time.Time { return w.clock.Now().Add(-2*time.Hour - time.Minute) }

func TestMailArrivesOnceOverANewEpoch(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.store()
	send := func(s *Store, ref Ref, seen uint64, name string) Delivered {
		t.Helper()
		out, err := s.Deliver(ctx, ref, seen, by, []Add{delivery(name)})
		porttest.OK(t, err)
		return out[0]
	}
	send(s, w.ref, 1, "before")
	back := w.table().copied()
	for i := range 40 {
		send(s, w.ref, 1, fmt.Sprint("lost ", i))
	}
	stale := s // knows the last entry, and writes after it
	w.table().put(back)
	if d := send(w.store(), w.ref, 30, "between"); d.Duplicate {
		t.Error("mail that never came is told to be there")
	}
	send(stale, w.ref, 30, "stale")
	ref := w.begin(t)
	send(stale, w.ref, 30, "stale too")
	fresh := w.store()
	for i := range 20 {
		send(fresh, ref, 0, fmt.Sprint("after ", i))
	}
	for _, name := range []string{"before", "between", "stale", "after 0"} {
		for seen, from := range map[uint64]Ref{0: w.ref, 1: w.ref, 41: w.ref} {
			if name == "before" && seen == 41 {
				continue // nobody had seen so much when it was accepted
			}
			if d := send(fresh, from, seen, name); !d.Duplicate {
				t.Errorf("%s came twice, seen %d", name, seen)
			}
		}
	}
	// Whoever still knows what was lost learns of it after a quarter of an hour at most.
	w.clock.Advance(maxKnowledge + time.Second)
	send(stale, w.ref, 30, "stale no more")
	if _, err := fresh.Sweep(ctx, ref); err != nil { // brings along what came after the epoch began
		t.Fatal(err)
	}
	if n := w.settled(t).MailboxByID(Inbox).Len(); n != 1+1+2+20+1 {
		t.Errorf("there are %d messages", n)
	}
}

func TestSessionsOfAnEpochThatIsOverEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	knows := w.open(t, w.store())
	back := w.table().copied()
	w.append(t, knows, "INBOX", 3)
	w.table().put(back)
	plain := w.open(t, w.store())
	changed := plain.Changed()
	s := w.store()
	own := w.open(t, s)
	_, err := s.BeginEpoch(ctx, w.ref, by)
	porttest.OK(t, err)
	if st := own.State().Standing(); !st.Renewed() {
		t.Error("in the process that began the epoch, sessions go on")
	}
	for name, a := range map[string]*Account{"one that knows what was lost": knows, "one that does not": plain} {
		if err := a.Refresh(ctx); !kinds.Is(err, kinds.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if st := a.State().Standing(); !st.Renewed() {
			t.Errorf("%s goes on", name)
		}
		if _, err := a.CreateMailbox(ctx, by, "x", ""); !kinds.Is(err, kinds.Unavailable) {
			t.Errorf("%s writes: %v", name, err)
		}
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
}

func TestAnEpochThatWasItselfLostIsNotBegunAgain(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	w.append(t, a, "INBOX", 3)
	back := w.table().copied()
	w.ref = w.begin(t)
	lost := w.open(t, w.store())
	w.append(t, lost, "INBOX", 3)
	for i := range 50 {
		_, err := lost.CreateMailbox(t.Context(), by, fmt.Sprint("m", i), "")
		porttest.OK(t, err)
	}
	w.table().put(back)
	if _, err := w.store().Open(t.Context(), w.ref); !kinds.Is(err, kinds.NotFound) {
		t.Fatalf("it is there: %v", err)
	}
	w.ref = w.begin(t)
	now := w.settled(t)
	if w.ref.Epoch != 3 || now.MailboxByID(Inbox).UIDValidity <= lost.State().validity || now.ModSeq() <= lost.State().ModSeq() {
		t.Errorf("epoch %d, UIDVALIDITY %d after %d", w.ref.Epoch, now.MailboxByID(Inbox).UIDValidity, lost.State().validity)
	}
}

func TestSnapshotsAndTrimmingGoOnOverAnEpoch(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := w.store()
	s.last = 3
	a := w.open(t, s)
	w.append(t, a, "INBOX", 40)
	_, err := s.Compact(ctx, w.ref, true)
	porttest.OK(t, err)
	w.append(t, a, "INBOX", 2)
	back := w.table().copied()
	w.append(t, a, "INBOX", 40)
	_, err = s.Compact(ctx, w.ref, true) // of what will be lost
	porttest.OK(t, err)
	w.table().put(back)
	ref := w.begin(t)
	if n := w.loaded(t).Len(); n != 42 {
		t.Fatalf("there are %d messages", n)
	}
	s = w.store()
	s.last = 3
	for range 3 {
		w.clock.Advance(40 * day)
		b, err := s.Open(ctx, w.ref)
		porttest.OK(t, err)
		w.append(t, b, "INBOX", 1)
		b.Close()
		_, err = s.Compact(ctx, w.ref, true)
		porttest.OK(t, err)
		_, err = s.Sweep(ctx, w.ref)
		porttest.OK(t, err)
	}
	left, _, err := w.journal.Read(ctx, w.ref.Partition(), 0, 100)
	porttest.OK(t, err)
	if len(left) != 1 || left[0].Seq != lastEntry {
		t.Errorf("of the first epoch %d entries are left", len(left))
	}
	for object := range w.blobs.objects {
		if name, ok := strings.CutPrefix(object, w.ref.folder()); ok && objectSeq(name) == 5 {
			t.Errorf("%s, of what was lost, is left", object)
		}
	}
	if n := w.loaded(t).Len(); n != 45 {
		t.Fatalf("there are %d messages", n)
	}
	if v, err := w.store().Verify(ctx, ref); err != nil {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := w.store().StateAt(ctx, ref, w.clock.Now().Add(-90*day)); !errors.As(err, new(*TooEarly)) {
		t.Errorf("from before all that is kept: %v", err)
	}
}

func TestAClosedAccountStaysClosedInANewEpoch(t *testing.T) {
	w := newWorld(t)
	porttest.OK(t, w.open(t, w.store()).CloseAccount(t.Context(), by, "deleted"))
	w.begin(t)
	a := w.open(t, w.store())
	if got := a.State().Standing().Closed; got != "deleted" {
		t.Errorf("it is closed for %q", got)
	}
	porttest.OK(t, a.CloseAccount(t.Context(), by, ""))
	w.append(t, a, "INBOX", 1)
}

func TestAnEpochThatIsInterruptedAnywhereIsCompleted(t *testing.T) {
	run := func(t *testing.T, plan *faults.Plan) {
		w := newWorld(t)
		w.broken = true
		ctx := t.Context()
		s := w.store()
		a := w.open(t, s)
		w.append(t, a, "INBOX", 2)
		back := w.table().copied()
		w.append(t, a, "INBOX", 2)
		w.table().put(back)
		if _, err := s.Deliver(ctx, w.ref, 1, by, []Add{delivery("stale")}); err != nil {
			t.Fatal(err)
		}
		faulty := w.storeOn(faults.Journal(w.journal, plan))
		if _, err := faulty.BeginEpoch(ctx, w.ref, by); err != nil && plan == nil {
			t.Fatal(err)
		}
		// Mail that comes while it is interrupted waits or arrives.
		early, mailErr := w.store().Deliver(ctx, w.ref, 1, by, []Add{delivery("meanwhile")})
		if mailErr != nil && !kinds.Is(mailErr, kinds.Conflict) {
			t.Errorf("mail meanwhile: %v (%v)", mailErr, early)
		}
		if plan != nil {
			plan.Settle()
		}
		b, err := w.store().BeginEpoch(ctx, w.ref, by)
		if err != nil {
			t.Fatal(err)
		}
		if b.Ref.Epoch != 2 || b.Valid != 2 && b.Valid != 3 {
			t.Errorf("begun is %+v", b)
		}
		if _, err := w.store().Deliver(ctx, w.ref, 1, by, []Add{delivery("meanwhile"), delivery("stale")}); err != nil {
			t.Error(err)
		}
		now := w.settled(t)
		if now.MailboxByID(Inbox).Len() != 4 || now.epoch != 2 {
			t.Errorf("there are %d messages in epoch %d", now.MailboxByID(Inbox).Len(), now.epoch)
		}
	}
	plan := faults.New(nil)
	run(t, plan)
	calls := plan.Calls()
	if len(calls) < 8 {
		t.Fatalf("only %d calls: %v", len(calls), calls)
	}
	for i, call := range calls {
		for _, mode := range faults.Modes() {
			t.Run(fmt.Sprintf("%d %s %v", i+1, call, mode), func(t *testing.T) { run(t, faults.Nth(i+1, mode)) })
		}
		t.Run(fmt.Sprintf("dead from %d %s", i+1, call), func(t *testing.T) {
			run(t, faults.New(func(n int, _ string) faults.Mode {
				if n > i {
					return faults.FailBefore
				}
				return faults.None
			}))
		})
	}
}
