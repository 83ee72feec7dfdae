package account

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

// counters counts the calls of a process, each of which is one of the cloud's.
func (w *world) counters() (*Store, *faults.Plan) {
	d, plan := w.counting()
	s := w.storeOn(d)
	s.cfg.Blobs = blob.Store{Driver: faults.Blob(w.blobs, plan)}
	return s, plan
}

// A process that knows nothing selects a large mailbox with one read of the journal and two
// of the blob store, whatever happened since its last snapshots; and what clients ask for
// when they see a mailbox for the first time is in few reads.
func TestWhatReadingALargeAccountCosts(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	w.fill(t, a, "INBOX", 11_000)
	w.fill(t, a, "Archive", 1500)
	for i := range 16 { // changes all over the mailbox, and many small packs
		w.fill(t, a, "INBOX", 60)
		w.fill(t, a, "Archive", 5)
		_, err := a.StoreFlags(t.Context(), by, Inbox, uids(uint32(1+i*397)), AddFlags, Flagged, nil, Unconditional)
		porttest.OK(t, err)
		_, err = a.MoveMessages(t.Context(), by, Inbox, uids(uint32(2+i*401)), "Trash")
		porttest.OK(t, err)
		if i < 15 {
			w.compacted(t)
		}
		s, plan := w.counters()
		n := 0
		b := w.open(t, s)
		_, err = b.Load(t.Context(), Inbox)
		porttest.OK(t, err)
		calls := plan.Calls()[n:]
		if gets := count(calls, "blob."); count(calls, "journal.") != 1 || gets > 2 {
			t.Errorf("after %d compactions a SELECT is %v", i+2, calls)
		}
	}
	s, plan := w.counters()
	b := w.open(t, s)
	state, err := b.Load(t.Context(), Inbox)
	porttest.OK(t, err)
	m := state.Mailbox("INBOX")
	n := len(plan.Calls())
	for at := 0; at < 10_000; at += 64 {
		var refs []ContentRef
		for i := at; i < min(at+64, 10_000); i++ {
			refs = append(refs, m.At(m.Len()-10_000+i).Content)
		}
		_, err := b.Contents(t.Context(), refs)
		porttest.OK(t, err)
	}
	if got := plan.Calls()[n:]; count(got, "blob.") > 60 || count(got, "journal.") > 2 {
		t.Errorf("10,000 headers are %d reads of blobs, %d of the journal", count(got, "blob."), count(got, "journal."))
	}
	t.Logf("10,000 headers are %d reads", len(plan.Calls())-n)
}

func count(calls []string, port string) (n int) {
	for _, c := range calls {
		if strings.HasPrefix(c, port) {
			n++
		}
	}
	return n
}

// What keeps an account tidy costs at most 0.15 calls for a delivered message, and one
// delete for each that is trimmed.
func TestWhatTidyingCosts(t *testing.T) {
	w := mirrored(t)
	const days, daily = 32, 3 * compactEvery
	total := 0
	asked := 0
	s := w.store()
	s.cfg.Compact = nil
	for d := range days {
		for i := range daily {
			out, err := s.Deliver(t.Context(), w.ref, DontSearch, by, []Add{delivery(fmt.Sprint(d, " ", i))})
			porttest.OK(t, err)
			if out[0].Seq%compactEvery == 0 {
				asked++ // one message to the queue
				c, plan := w.counters()
				_, err := c.Compact(t.Context(), w.ref, false)
				porttest.OK(t, err)
				total += len(plan.Calls())
			}
		}
		w.clock.Advance(day)
		c, plan := w.counters()
		c.cfg.Window = MinWindow
		_, err := c.Sweep(t.Context(), w.ref)
		porttest.OK(t, err)
		total += len(slices.DeleteFunc(plan.Calls(), func(c string) bool { return c == "journal.Trim" }))
		total += 2 * count(plan.Calls(), "journal.Trim") // it looks for the last entry, and for those to be deleted
	}
	each := float64(total+asked) / (days * daily)
	t.Logf("%.3f calls a message", each)
	if each > 0.15 {
		t.Errorf("%.3f calls a message", each)
	}
	w.same(t)
}
