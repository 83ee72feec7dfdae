package account

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// counted gives a store whose calls are listed by the plan.
func (w *world) counted() (*Store, *faults.Plan) {
	plan := faults.New(nil)
	return w.storeOn(faults.Journal(w.journal, plan)), plan
}

// calls fails the test unless the plan met just these calls since the last asking.
func calls(t *testing.T, plan *faults.Plan, from *int, want ...string) {
	t.Helper()
	got := plan.Calls()[*from:]
	*from += len(got)
	if !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

func TestCreatingAgainChangesNothing(t *testing.T) {
	w := newWorld(t)
	before := dump(w.settled(t))
	w.clock.Advance(time.Hour)
	porttest.OK(t, w.store().Create(t.Context(), w.ref, by))
	if after := dump(w.settled(t)); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

func TestACreationWhoseReplyIsLostIsFound(t *testing.T) {
	for _, mode := range faults.Modes() {
		w := newWorld(t)
		w.ref = NewRef("t1")
		plan := faults.First("journal.Append", mode)
		porttest.OK(t, w.storeOn(faults.Journal(w.journal, plan)).Create(t.Context(), w.ref, by))
		plan.Settle()
		if s := w.settled(t); s.Seq() != 1 || len(s.Mailboxes()) != 6 {
			t.Errorf("%v: entry %d, %d mailboxes", mode, s.Seq(), len(s.Mailboxes()))
		}
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	w := newWorld(t)
	s, nobody := w.store(), NewRef("t1")
	_, err := s.Open(t.Context(), nobody)
	porttest.Kind(t, err, kinds.NotFound)
	_, err = s.Head(t.Context(), nobody)
	porttest.Kind(t, err, kinds.NotFound)
	_, err = s.Deliver(t.Context(), nobody, 0, by, []Add{delivery("a")})
	porttest.Kind(t, err, kinds.NotFound)
	_, err = s.Open(t.Context(), Ref{})
	porttest.Kind(t, err, kinds.Invalid)
	if _, ok := s.Known(nobody); ok || len(s.accounts) != 0 || len(s.locks) != 0 {
		t.Error("something is kept of an account that is not there")
	}
}

func TestHeadIsReadOnlyWhenItIsNotKnown(t *testing.T) {
	w := newWorld(t)
	s, plan := w.counted()
	n := 0
	if _, ok := s.Known(w.ref); ok {
		t.Error("known before it was read")
	}
	h, err := s.Head(t.Context(), w.ref)
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Last")
	if k, ok := s.Known(w.ref); h.Seq != 1 || !ok || k.Seq != 1 || h.Standing.Totals.Mailboxes != 6 {
		t.Errorf("head %+v, known %+v", h, k)
	}
	_, err = s.Head(t.Context(), w.ref)
	porttest.OK(t, err)
	calls(t, plan, &n)
	w.clock.Advance(2 * time.Minute)
	_, err = s.Head(t.Context(), w.ref)
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Last")
}

func TestACommandOnWhatIsKnownIsOneAppend(t *testing.T) {
	w := newWorld(t)
	s, plan := w.counted()
	a := w.open(t, s)
	n := 0
	calls(t, plan, &n, "journal.Tail")
	_, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(10)}, Room{})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append")
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1), AddFlags, Seen, nil, Unconditional)
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append")
	// What changes nothing is judged on what is there now, and writes nothing.
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1), AddFlags, Seen, nil, Unconditional)
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Read")
	// Old knowledge is not written on: what it does not know may have been trimmed.
	w.clock.Advance(16 * time.Minute)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1), AddFlags, Flagged, nil, Unconditional)
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Read", "journal.Append")
}

func TestTheLoserRunsItsCommandAgain(t *testing.T) {
	w := newWorld(t)
	a, b := w.open(t, w.store()), w.open(t, w.store())
	_, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1), newMessage(2)}, Room{})
	porttest.OK(t, err)
	got, _, err := b.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(3)}, Room{})
	porttest.OK(t, err)
	if !slices.Equal(got, []uint32{3}) {
		t.Errorf("UID %v after two that were not known", got)
	}
	// Now a knows of neither: UNCHANGEDSINCE is judged on the state that b made.
	since := a.State().ModSeq()
	_, err = b.StoreFlags(t.Context(), by, Inbox, uids(1), AddFlags, Seen, nil, Unconditional)
	porttest.OK(t, err)
	modified, err := a.StoreFlags(t.Context(), by, Inbox, uids(1, 2), AddFlags, Flagged, nil, since)
	porttest.OK(t, err)
	if len(modified) != 1 || modified[0].First != 1 {
		t.Errorf("modified %v", modified)
	}
	// A STORE on a message just expunged does nothing.
	_, err = b.ExpungeMessages(t.Context(), by, Inbox, uids(2), false)
	porttest.OK(t, err)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(2), AddFlags, Draft, nil, Unconditional)
	porttest.OK(t, err)
	m := w.settled(t).Mailbox("INBOX")
	if m.Len() != 2 || m.At(0).Flags != Seen || m.At(1).Flags != 0 {
		t.Errorf("%+v, %+v", m.At(0), m.At(1))
	}
}

func TestARefusalIsJudgedOnWhatIsThereNow(t *testing.T) {
	w := newWorld(t)
	a, b := w.open(t, w.store()), w.open(t, w.store())
	_, err := a.CreateMailbox(t.Context(), by, "new", "")
	porttest.OK(t, err)
	_, _, err = b.Append(t.Context(), by, "new", []NewMessage{newMessage(1)}, Room{})
	porttest.OK(t, err)
}

func TestEveryFaultOfACommandLeavesItDoneOnceOrNot(t *testing.T) {
	for n := 1; n <= 4; n++ {
		for _, mode := range faults.Modes() {
			w := newWorld(t)
			a := w.open(t, w.store())
			plan := faults.Nth(n, mode)
			s := w.storeOn(faults.Journal(w.journal, plan))
			b, err := s.Open(t.Context(), w.ref)
			if err != nil {
				continue
			}
			_, _, err = a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{}) // a conflict for b
			porttest.OK(t, err)
			got, _, err := b.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(2)}, Room{})
			b.Close()
			plan.Settle()
			m := w.settled(t).Mailbox("INBOX")
			if err == nil && (m.Len() != 2 || m.At(1).UID != got[0]) || err != nil && m.Len() > 2 {
				t.Errorf("call %d, %v: %d messages, told %v, %v", n, mode, m.Len(), got, err)
			}
		}
	}
}

func TestALostReplyIsRecognisedByTheOperation(t *testing.T) {
	w := newWorld(t)
	lost := 0
	plan := faults.New(func(_ int, call string) faults.Mode {
		if call == "journal.Append" && lost < maxAttempts {
			lost++
			return faults.FailAfter
		}
		return faults.None
	})
	a := w.open(t, w.storeOn(faults.Journal(w.journal, plan)))
	got, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
	porttest.OK(t, err)
	if m := w.settled(t).Mailbox("INBOX"); m.Len() != 1 || m.At(0).UID != got[0] || a.State().Mailbox("INBOX").Len() != 1 {
		t.Errorf("%d messages", m.Len())
	}
}

func TestASharedAccountIsCachedAndForgotten(t *testing.T) {
	w := newWorld(t)
	s, plan := w.counted()
	n := 0
	a, b := w.open(t, s), w.open(t, s)
	if a.core != b.core {
		t.Error("one account, two states")
	}
	b.Close()
	b.Close()
	_, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
	porttest.OK(t, err)
	a.Close()
	if c := w.open(t, s); c.core != a.core {
		t.Error("an idle account was read anew")
	}
	calls(t, plan, &n, "journal.Tail", "journal.Read", "journal.Append", "journal.Read")
	small := New(Config{Journal: w.journal, IdleBytes: 1, Now: w.clock.Now})
	c := w.open(t, small)
	c.Close()
	if len(small.accounts) != 0 || len(small.idle.items) != 0 {
		t.Error("an account is kept over the budget")
	}
}

func TestAnOpenAccountIsNeverForgotten(t *testing.T) {
	w := newWorld(t)
	other := NewRef("t1")
	porttest.OK(t, w.store().Create(t.Context(), other, by))
	s := New(Config{Journal: w.journal, IdleBytes: 6000, Now: w.clock.Now})
	a := w.open(t, s)
	if size := a.State().Size(); size <= 3000 || size > 6000 {
		t.Fatalf("a state of %d bytes: not one and never two fit the budget", size)
	}
	a.Close()
	a = w.open(t, s)
	b, err := s.Open(t.Context(), other)
	porttest.OK(t, err)
	b.Close()
	if again := w.open(t, s); again.core != a.core {
		t.Error("an account that is open was forgotten")
	}
}

func TestOldKnowledgeNeverReplacesNewer(t *testing.T) {
	w := newWorld(t)
	s, p := w.store(), w.ref.Partition()
	s.note(p, Head{Seq: 5, read: w.clock.Now()})
	s.note(p, Head{Seq: 4, read: w.clock.Now().Add(time.Second)})
	s.note(p, Head{Seq: 5, read: w.clock.Now().Add(-time.Second)})
	if h, _ := s.Known(w.ref); h.Seq != 5 || !h.read.Equal(w.clock.Now()) {
		t.Errorf("%+v", h)
	}
}

func TestWritersOfManyProcessesAtOnce(t *testing.T) {
	t.Run("in memory", func(t *testing.T) { manyWriters(t, newWorld(t)) })
	t.Run("in SQLite", func(t *testing.T) {
		db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "journal.db"))
		porttest.OK(t, err)
		t.Cleanup(func() { porttest.OK(t, db.Close()) })
		w := newWorld(t)
		w.journal, err = sqlite.New(db, w.clock.Now)
		porttest.OK(t, err)
		porttest.OK(t, w.store().Create(t.Context(), w.ref, by))
		manyWriters(t, w)
	})
}

func manyWriters(t *testing.T, w *world) {
	const stores, each, rounds = 3, 2, 6
	var wg sync.WaitGroup
	for i := range stores {
		s := w.store()
		s.backoff = time.Millisecond
		for j := range each {
			a := w.open(t, s)
			wg.Go(func() {
				for k := range rounds {
					name := fmt.Sprint(i, j, k)
					if _, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(5)}, Room{}); err != nil {
						t.Error(err)
					}
					for range 2 {
						if _, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery(name)}); err != nil {
							t.Error(err)
						}
					}
					if _, err := a.MoveMessages(t.Context(), by, Inbox, uids(uint32(k+1)), "Archive"); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got := w.settled(t).Standing().Totals.Messages; got != 2*stores*each*rounds {
		t.Errorf("%d messages", got)
	}
}

func TestAClosedAccountTakesNothing(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	porttest.OK(t, a.SetAccess(t.Context(), by, true, false))
	porttest.OK(t, a.SetAccess(t.Context(), by, true, false))
	if st := a.State().Standing(); !st.Suspended || st.Generation != 1 {
		t.Errorf("%+v", st)
	}
	porttest.OK(t, a.SetAccess(t.Context(), by, false, true))
	porttest.OK(t, a.CloseAccount(t.Context(), by, "deleted"))
	_, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
	porttest.Kind(t, err, kinds.Closed)
	_, err = w.store().Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")})
	porttest.Kind(t, err, kinds.Closed)
	porttest.OK(t, a.CloseAccount(t.Context(), by, ""))
	_, _, err = a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
	porttest.OK(t, err)
}

func TestAHoleInTheJournalIsCorrupt(t *testing.T) {
	w := newWorld(t)
	w.broken = true
	a := w.open(t, w.store())
	for i := range 3 {
		_, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(int64(i))}, Room{})
		porttest.OK(t, err)
	}
	delete(w.journal.(*memory).entries[w.ref.Partition()], 2)
	_, err := w.store().Open(t.Context(), w.ref)
	porttest.Kind(t, err, kinds.Corrupt)
}

func TestWhoGivesUpWaitingIsTold(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	unlock, err := s.lock(t.Context(), w.ref.Partition())
	porttest.OK(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Open(ctx, w.ref)
	porttest.Kind(t, err, kinds.Unavailable)
	unlock()
	if len(s.locks) != 0 {
		t.Error("a lock is left")
	}
}

var _ journal.Driver = (*memory)(nil)
