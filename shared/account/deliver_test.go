package account

import (
	"fmt"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestDeliveryIsOneReadAndOneAppend(t *testing.T) {
	w := newWorld(t)
	s, plan := w.counted()
	n := 0
	out, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a"), delivery("b"), delivery("a")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Last", "journal.Append")
	if out[0] != (Delivered{Seq: 2}) || out[1] != (Delivered{Seq: 2}) || out[2] != (Delivered{Seq: 2, Duplicate: true}) {
		t.Errorf("%+v", out)
	}
	out, err = s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("b"), delivery("c")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append") // it is known
	if out[0] != (Delivered{Seq: 2, Duplicate: true}) || out[1] != (Delivered{Seq: 3}) {
		t.Errorf("%+v", out)
	}
	m := w.settled(t).Mailbox("INBOX")
	if m.Len() != 3 || m.At(2).UID != 3 || m.At(0).Size != int64(len("Received: x\r\n"))+100 {
		t.Errorf("%d messages", m.Len())
	}
}

func TestADeliveryFindsTheMailboxOfItsUse(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	a := w.open(t, s)
	junk := func(name string) Add {
		d := delivery(name)
		d.Use, d.Words = `\Junk`, []string{"$Junk"}
		return d
	}
	deliver := func(name string) {
		t.Helper()
		_, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{junk(name)})
		porttest.OK(t, err)
	}
	deliver("a")
	porttest.OK(t, a.RenameMailbox(t.Context(), by, a.State().Mailbox("Junk").ID, "Spam"))
	deliver("b")
	if got := w.settled(t).Mailbox("Spam").Len(); got != 2 {
		t.Errorf("%d messages are in the mailbox for junk", got)
	}
	porttest.OK(t, a.DeleteMailbox(t.Context(), by, a.State().Mailbox("Spam").ID))
	deliver("c")
	if got := w.settled(t).Mailbox("INBOX").Len(); got != 1 {
		t.Errorf("%d messages are in INBOX when there is no such mailbox", got)
	}
	e, err := Encode(&Entry{MinReader: minReader([]Op{{Add: &Add{Use: `\Junk`}}})})
	porttest.OK(t, err)
	if d, err := Decode(e); err == nil && d.MinReader != 3 {
		t.Errorf("readers of before may fold it: %d", d.MinReader)
	}
}

func TestEveryFaultOfADeliveryLeavesItThereOnce(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for _, mode := range faults.Modes() {
			w := newWorld(t)
			plan := faults.Nth(n, mode)
			// Each try is another process, as when the queue hands the job out again.
			var err error
			for range 10 {
				s := w.storeOn(faults.Journal(w.journal, plan))
				if _, err = s.Deliver(t.Context(), w.ref, 1, by, []Add{delivery("a"), delivery("b")}); err == nil {
					break
				}
			}
			porttest.OK(t, err)
			plan.Settle()
			if got := w.settled(t).Mailbox("INBOX").Len(); got != 2 {
				t.Errorf("call %d, %v: %d messages", n, mode, got)
			}
		}
	}
}

func TestAnOldDeliveryIsFoundInTheJournal(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	for i := range 60 {
		_, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery(fmt.Sprint(i))})
		porttest.OK(t, err)
	}
	fresh, plan := w.counted()
	n := 0
	out, err := fresh.Deliver(t.Context(), w.ref, 1, by, []Add{delivery("5"), delivery("59"), delivery("new")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Last", "journal.Read", "journal.Append")
	if out[0] != (Delivered{Seq: 7, Duplicate: true}) || out[1] != (Delivered{Seq: 61, Duplicate: true}) || out[2] != (Delivered{Seq: 62}) {
		t.Errorf("%+v", out)
	}
	// A job that saw entry 50 needs no look into the journal.
	_, err = fresh.Deliver(t.Context(), w.ref, 50, by, []Add{delivery("newer")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append")
	// What is trimmed cannot be looked through: never twice.
	porttest.OK(t, w.journal.Trim(t.Context(), w.ref.Partition(), 20))
	_, err = fresh.Deliver(t.Context(), w.ref, 1, by, []Add{delivery("5")})
	porttest.Kind(t, err, kinds.Invalid)
	// Unless somebody has decided that it may be.
	out, err = fresh.Deliver(t.Context(), w.ref, DontSearch, by, []Add{delivery("5"), delivery("newer")})
	porttest.OK(t, err)
	if out[0].Duplicate || !out[1].Duplicate {
		t.Errorf("%+v", out)
	}
}

func TestADeliveryIsSeenAtOnceWhereTheAccountIsOpen(t *testing.T) {
	w := newWorld(t)
	s, plan := w.counted()
	a := w.open(t, s)
	n := len(plan.Calls())
	changed := a.Changed()
	_, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append")
	<-changed
	if a.State().Mailbox("INBOX").Len() != 1 {
		t.Error("the delivery is not in the state")
	}
}

func TestSuspendedAccountsGetTheirMail(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	porttest.OK(t, w.open(t, s).SetAccess(t.Context(), by, true, false))
	_, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")})
	porttest.OK(t, err)
}

func TestDeliveriesThatNoFoldWouldTakeAreRefused(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	big := delivery("big")
	big.Content.Summary = make([]byte, MaxSummary)
	many := make([]Add, MaxBatch)
	for i := range many {
		many[i] = big
		many[i].Name = DeliveryName(fmt.Sprint(i))
	}
	for name, test := range map[string]struct {
		batch  []Add
		change func(*Add)
		kind   kinds.Kind
	}{
		"nothing":           {batch: []Add{}, kind: kinds.Limit},
		"too many":          {batch: make([]Add, MaxBatch+1), kind: kinds.Limit},
		"too many bytes":    {batch: many, kind: kinds.Limit},
		"a summary":         {change: func(a *Add) { a.Content.Summary = make([]byte, MaxSummary+1) }, kind: kinds.Limit},
		"a table":           {change: func(a *Add) { a.Content.Blob.Frames = cbor.ByteString(make([]byte, blob.MaxTable+1)) }, kind: kinds.Limit},
		"a head":            {change: func(a *Add) { a.Content.Head = make([]byte, MaxHead+1) }, kind: kinds.Limit},
		"no name":           {change: func(a *Add) { a.Name = nil }, kind: kinds.Invalid},
		"no blob":           {change: func(a *Add) { a.Content.Blob.Name = "" }, kind: kinds.Invalid},
		"a UID":             {change: func(a *Add) { a.UID = 1 }, kind: kinds.Invalid},
		"no EMAILID":        {change: func(a *Add) { a.EmailID = "e123" }, kind: kinds.Invalid},
		"no THREADID":       {change: func(a *Add) { a.Thread = a.EmailID }, kind: kinds.Invalid},
		"skip past its end": {change: func(a *Add) { a.Content.Skip = a.Content.Blob.Size + 1 }, kind: kinds.Invalid},
		"a negative size":   {change: func(a *Add) { a.Content.Blob.Size = -1 }, kind: kinds.Invalid},
		"a huge size":       {change: func(a *Add) { a.Content.Blob.Size = 1 << 62 }, kind: kinds.Limit},
		"an unknown flag":   {change: func(a *Add) { a.Flags = 1 << 6 }, kind: kinds.Invalid},
		"many keywords":     {change: func(a *Add) { a.Words = make([]string, MaxKeywords+1) }, kind: kinds.Limit},
		"a date":            {change: func(a *Add) { a.Date = 1 << 60 }, kind: kinds.Invalid},
	} {
		if test.change != nil {
			a := delivery("x")
			test.change(&a)
			test.batch = []Add{delivery("fine"), a}
		}
		if _, err := s.Deliver(t.Context(), w.ref, 0, by, test.batch); !kinds.Is(err, test.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.settled(t); got.Seq() != 1 {
		t.Errorf("%d entries", got.Seq())
	}
}

func TestABatchAtItsLimitsIsOneEntry(t *testing.T) {
	w := newWorld(t)
	batch := make([]Add, MaxBatch)
	for i := range batch {
		batch[i] = delivery(fmt.Sprint(i))
		room := MaxBatchBytes/MaxBatch - BatchCost(&batch[i]) + len(batch[i].Content.Summary)
		batch[i].Content.Summary = make([]byte, room)
	}
	_, err := w.store().Deliver(t.Context(), w.ref, 0, by, batch)
	porttest.OK(t, err)
	if got := w.settled(t); got.Seq() != 2 || got.Mailbox("INBOX").Len() != MaxBatch {
		t.Errorf("%d entries", got.Seq())
	}
}

func TestAWriterWithOldKnowledgeReadsAgain(t *testing.T) {
	w := newWorld(t)
	s, plan := w.counted()
	n := 0
	_, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Last", "journal.Append")
	w.clock.Advance(16 * time.Minute)
	_, err = s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("b")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Last", "journal.Append")
	// Another process was faster: what it wrote comes with the conflict.
	_, err = w.store().Deliver(t.Context(), w.ref, 0, by, []Add{delivery("c")})
	porttest.OK(t, err)
	out, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("c"), delivery("d")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append", "journal.Append")
	if !out[0].Duplicate || out[1].Duplicate || w.settled(t).Mailbox("INBOX").Len() != 4 {
		t.Errorf("%+v", out)
	}
	// When that was not the last entry, the last one is read.
	for _, name := range []string{"e", "f", "g"} {
		_, err = w.store().Deliver(t.Context(), w.ref, 0, by, []Add{delivery(name)})
		porttest.OK(t, err)
	}
	out, err = s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("f")})
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append", "journal.Append", "journal.Last")
	if !out[0].Duplicate {
		t.Errorf("%+v", out)
	}
}

func TestADeliveryIsFoundWhereverTheSearchBegins(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	for i := range 40 {
		_, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery(fmt.Sprint(i))})
		porttest.OK(t, err)
	}
	for i := range 40 {
		seq := uint64(i + 2)
		out, err := w.store().Deliver(t.Context(), w.ref, seq-1, by, []Add{delivery(fmt.Sprint(i))})
		porttest.OK(t, err)
		if out[0] != (Delivered{Seq: seq, Duplicate: true}) {
			t.Errorf("delivery %d: %+v", i, out[0])
		}
	}
}
