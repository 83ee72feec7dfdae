package account

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// lost is an account from which much was lost after the time that is given.
func lost(t testing.TB, messages uint32) (*world, time.Time) {
	w := newWorld(t)
	a := w.open(t, w.store())
	_, err := a.CreateMailbox(t.Context(), by, "Work/Plans", "")
	porttest.OK(t, err)
	w.fill(t, a, "INBOX", int(messages))
	w.fill(t, a, "Work/Plans", 5)
	w.compacted(t)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1, 2, 5), AddFlags, Seen|Flagged, []string{"Important"}, Unconditional)
	porttest.OK(t, err)
	at := w.clock.Now()
	w.clock.Advance(time.Hour)
	_, err = a.ExpungeMessages(t.Context(), by, Inbox, []Range{{First: 10, Last: messages - 1}}, false)
	porttest.OK(t, err)
	_, err = a.StoreFlags(t.Context(), by, Inbox, uids(1, 2), ReplaceFlags, Answered, nil, Unconditional)
	porttest.OK(t, err)
	_, err = a.MoveMessages(t.Context(), by, Inbox, uids(3), "Trash")
	porttest.OK(t, err)
	porttest.OK(t, a.DeleteMailbox(t.Context(), by, a.State().Mailbox("Work/Plans").ID))
	porttest.OK(t, a.SetSubscribed(t.Context(), by, "Sent", false))
	w.fill(t, a, "INBOX", 3)
	w.clock.Advance(time.Hour)
	return w, at
}

// view is what a user sees of the account now.
func (w *world) view(t testing.TB) map[string][]string {
	return seen(w.plainAt(t, w.clock.Now()))
}

func TestWhatVanishedComesBackInTheOldOrder(t *testing.T) {
	w, at := lost(t, 700)
	a := w.open(t, w.store())
	done, err := a.Restore(t.Context(), by, Restore{At: at})
	porttest.OK(t, err)
	if done.Messages != 691+5 || done.Flags != 2 || done.Created != 1 || done.Subscribed != 1 || done.Removed != 0 || !done.Done {
		t.Errorf("%+v", done)
	}
	past, contents := w.plainAt(t, at)
	now, nowContents := w.plainAt(t, w.clock.Now())
	inbox, was := now.MailboxByID(Inbox), past.MailboxByID(Inbox)
	if inbox.Len() != 703 || inbox.UIDValidity != was.UIDValidity {
		t.Fatalf("INBOX has %d messages", inbox.Len())
	}
	// 1, 2, 4 to 9 and 700 are where they were; then what came later; then the rest in its order.
	for i, uid := range append([]uint32{3}, sequence(10, 699)...) {
		x := inbox.At(12 + i)
		at, _ := was.Find(uid)
		old := was.At(at)
		if nowContents[x.Content].EmailID != contents[old.Content].EmailID || x.Date != old.Date || x.UID != uint32(704+i) {
			t.Fatalf("UID %d is not what %d was", x.UID, uid)
		}
	}
	if x := inbox.At(0); wouldChange(&x, ReplaceFlags, was.At(0).Flags, was.At(0).Words) || x.ModSeq == was.At(0).ModSeq {
		t.Errorf("UID 1: %+v", x)
	}
	if now.Mailbox("Trash").Len() != 1 {
		t.Error("what was moved to Trash is not there any more")
	}
	// What an entry puts back is told at once.
	events, _, err := a.core.store.History(t.Context(), w.ref, HistoryQuery{Since: w.clock.Now(), Mailbox: "INBOX", Limit: 1000})
	porttest.OK(t, err)
	count := 0
	for _, e := range events {
		if e.What == "restored" {
			count += e.Count
		}
	}
	if count != 691 || len(events) > 6 {
		t.Errorf("%d messages in %d events", count, len(events))
	}
}

func sequence(first, last uint32) (list []uint32) {
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

func TestOneMailboxIsRestoredWhereItWasOrElsewhere(t *testing.T) {
	w, at := lost(t, 700)
	a := w.open(t, w.store())
	ctx := t.Context()
	before := w.view(t)
	done, err := a.Restore(ctx, by, Restore{At: at, Mailbox: "Work/Plans"})
	porttest.OK(t, err)
	then, _ := w.plainAt(t, at)
	now := w.settled(t)
	if done.Messages != 5 || now.Mailbox("Work/Plans").Len() != 5 {
		t.Errorf("%+v", done)
	}
	if after := w.view(t); fmt.Sprint(after["INBOX"]) != fmt.Sprint(before["INBOX"]) {
		t.Error("INBOX has changed")
	}
	done, err = a.Restore(ctx, by, Restore{At: at, Mailbox: "inbox", Into: "Old/Yesterday"})
	porttest.OK(t, err)
	now = w.settled(t)
	if m := now.Mailbox("Old/Yesterday"); done.Created != 2 || m.Len() != 700 || m.Unseen != then.MailboxByID(Inbox).Unseen {
		t.Errorf("%+v", done)
	}
	done, err = a.Restore(ctx, by, Restore{At: at, Into: "All"})
	porttest.OK(t, err)
	now = w.settled(t)
	if now.Mailbox("All/INBOX").Len() != 700 || now.Mailbox("All/Work/Plans").Len() != 5 || now.Mailbox("All/Trash").SpecialUse != "" {
		t.Errorf("%+v", done)
	}
	_, err = a.Restore(ctx, by, Restore{At: at, Into: "All"})
	porttest.Kind(t, err, kinds.Exists)
	_, err = a.Restore(ctx, by, Restore{At: at, Mailbox: "Nowhere"})
	porttest.Kind(t, err, kinds.NotFound)
	_, err = a.Restore(ctx, by, Restore{At: at, Into: "x", Exact: true})
	porttest.Kind(t, err, kinds.Invalid)
	_, err = a.Restore(ctx, by, Restore{At: w.clock.Now().Add(time.Second)})
	porttest.Kind(t, err, kinds.Invalid)
	_, err = a.Restore(ctx, by, Restore{At: at.AddDate(-1, 0, 0)})
	if early := (*TooEarly)(nil); !errors.As(err, &early) || early.Earliest.After(at) {
		t.Errorf("before the account began: %v", err)
	}
}

// The journal may go further back than the window: blobs of then may be gone.
func TestNothingFromBeforeTheWindowIsRestored(t *testing.T) {
	w, at := lost(t, 5)
	a := w.open(t, w.store())
	w.clock.Advance(DefaultWindow - w.clock.Now().Sub(at))
	_, err := a.Restore(t.Context(), by, Restore{At: at, Dry: true})
	porttest.OK(t, err)
	w.clock.Advance(time.Second)
	seq := a.State().Seq()
	_, err = a.Restore(t.Context(), by, Restore{At: at})
	if early := (*TooEarly)(nil); !errors.As(err, &early) || !early.Earliest.After(at) || a.State().Seq() != seq {
		t.Errorf("%v", err)
	}
}

func TestARestoreThatHasNoRoomChangesNothing(t *testing.T) {
	w, at := lost(t, 700)
	a := w.open(t, w.store())
	seq := a.State().Seq()
	held := a.State().Standing().Totals
	_, err := a.Restore(t.Context(), by, Restore{At: at, Room: Room{Quota: Quota{Messages: held.Messages + 695}}})
	porttest.Kind(t, err, kinds.Quota)
	if now := w.settled(t); now.Seq() != seq {
		t.Error("entries were written")
	}
	_, err = a.Restore(t.Context(), by, Restore{At: at, Room: Room{Quota: Quota{Messages: held.Messages + 696}}})
	porttest.OK(t, err)
	porttest.OK(t, a.CloseAccount(t.Context(), by, "deleted"))
	_, err = a.Restore(t.Context(), by, Restore{At: at})
	porttest.Kind(t, err, kinds.Closed)
}

// What arrives while a restore runs stays, whatever is removed.
func TestARestoreGoesOnWhereItStopped(t *testing.T) {
	w, at := lost(t, 700)
	a := w.open(t, w.store())
	want := seen(w.plainAt(t, at))
	since, messages := uint64(0), int64(0)
	for n := 1; ; n++ {
		// Time passes with each look at the clock: there is enough for one entry.
		a.core.store.cfg.Now = func() time.Time { w.clock.Advance(time.Second); return w.clock.Now() }
		done, err := a.Restore(t.Context(), by, Restore{At: at, Exact: true, Since: since, For: 4 * time.Second})
		porttest.OK(t, err)
		a.core.store.cfg.Now = w.clock.Now
		messages += done.Messages
		if since = done.Since; n > 20 {
			t.Fatal("it does not end")
		} else if done.Done {
			if n < 3 {
				t.Errorf("%d times", n)
			}
			break
		}
		if n == 1 {
			_, err := a.core.store.Deliver(t.Context(), w.ref, DontSearch, by, []Add{delivery("late")})
			porttest.OK(t, err)
		}
	}
	got := w.view(t)
	if len(got["INBOX"]) != len(want["INBOX"])+1 || messages != 696 {
		t.Fatalf("INBOX has %d lines and had %d, %d messages came back", len(got["INBOX"]), len(want["INBOX"]), messages)
	}
	for name := range want {
		if name != "INBOX" && fmt.Sprint(got[name]) != fmt.Sprint(want[name]) {
			t.Errorf("%s: %q, want %q", name, got[name], want[name])
		}
	}
}

// Whatever call a restore dies at, or is lied to by: the next one does what is missing, and
// nothing twice.
func TestARestoreMayDieAtEachOfItsCalls(t *testing.T) {
	base, at := lost(t, 40)
	whole := base.copy(t)
	_, err := whole.open(t, whole.store()).Restore(t.Context(), by, Restore{At: at, Exact: true})
	porttest.OK(t, err)
	want := whole.view(t)
	for _, mode := range faults.Modes() {
		for n := 1; ; n++ {
			w := base.copy(t)
			w.broken = true // a read that fails may look like it
			plan := faults.Nth(n, mode)
			s := w.storeOn(faults.Journal(w.journal, plan))
			s.cfg.Blobs = blob.Store{Driver: faults.Blob(w.blobs, plan)}
			a, err := s.Open(t.Context(), w.ref)
			if err == nil {
				_, err = a.Restore(t.Context(), by, Restore{At: at, Exact: true})
				a.Close()
			}
			if err != nil && !kinds.Is(err, kinds.Unavailable) {
				t.Errorf("call %d, %v: %v", n, mode, err)
			}
			plan.Settle()
			_, err = w.open(t, w.store()).Restore(t.Context(), by, Restore{At: at, Exact: true})
			porttest.OK(t, err)
			if d := diff(want, w.view(t)); d != "" {
				t.Errorf("call %d, %v: %.2000s", n, mode, d)
			}
			if len(plan.Calls()) < n {
				break
			}
		}
	}
}
