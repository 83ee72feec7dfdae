package account

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const day = 24 * time.Hour

// mirror keeps what was ever written, so that a plain fold is possible after a trim.
type mirror struct {
	journal.Driver
	all journal.Driver
}

func (m *mirror) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	err := m.Driver.Append(ctx, p, e)
	if err == nil {
		err = m.all.Append(ctx, p, e)
	}
	return err
}

// mirrored gives a world whose plain fold sees also what was trimmed.
func mirrored(t testing.TB) *world {
	w := newWorld(t)
	all := newMemory(w.clock.Now)
	first, err := w.journal.Last(context.Background(), w.ref.Partition())
	porttest.OK(t, err)
	porttest.OK(t, all.Append(context.Background(), w.ref.Partition(), first))
	w.all = all
	w.journal = &mirror{w.journal, all}
	return w
}

// aged is an account of two months with a snapshot a day, in which much was expunged once.
func aged(t testing.TB) *world { return daily(t, true) }

func daily(t testing.TB, expunged bool) *world {
	w := mirrored(t)
	s := w.store()
	a := w.open(t, s)
	for i := range 60 {
		w.fill(t, a, "INBOX", 3)
		_, err := s.Deliver(context.Background(), w.ref, 0, by, []Add{delivery(fmt.Sprint("day ", i))})
		porttest.OK(t, err)
		if i%5 == 4 {
			_, err = a.ExpungeMessages(context.Background(), by, Inbox, uids(uint32(i), uint32(i+2)), false)
			porttest.OK(t, err)
		}
		if i == 20 && expunged {
			_, err = a.ExpungeMessages(context.Background(), by, Inbox, []Range{{First: 1, Last: 60}}, false)
			porttest.OK(t, err)
		}
		w.compacted(t)
		w.clock.Advance(day)
	}
	return w
}

func (w *world) swept(t testing.TB, window time.Duration) Swept {
	t.Helper()
	s := w.store()
	s.last, s.cfg.Window = 10, window
	done, err := s.Sweep(context.Background(), w.ref)
	porttest.OK(t, err)
	return done
}

// reaches gives the first entry that is left and its age.
func (w *world) reaches(t testing.TB) (uint64, time.Duration) {
	t.Helper()
	items, _, err := w.journal.Read(context.Background(), w.ref.Partition(), 0, 1)
	porttest.OK(t, err)
	e, err := decode(items[0])
	porttest.OK(t, err)
	return e.Seq, w.clock.Now().Sub(time.UnixMilli(e.Time))
}

func TestASweepTrimsWhatIsBeforeTheWindow(t *testing.T) {
	w := aged(t)
	before := len(w.blobs.objects)
	done := w.swept(t, 30*day)
	first, age := w.reaches(t)
	if done.Trimmed == 0 || first != done.Trimmed+1 || age < 30*day || age > 34*day {
		t.Errorf("%+v, entry %d is %v old", done, first, age)
	}
	if left := len(w.blobs.objects); done.Objects < before/2 || left != before-done.Objects+1 {
		t.Errorf("of %d objects %d are left: %+v", before, left, done)
	}
	w.same(t)
	if done.Buried == 0 {
		t.Errorf("nothing was buried: %+v", done)
	}
	if again := w.swept(t, 30*day); again != (Swept{}) {
		t.Errorf("again: %+v", again)
	}
	// A window that is too short is not taken at its word.
	w.swept(t, time.Hour)
	if _, age := w.reaches(t); age < MinWindow || age > MinWindow+4*day {
		t.Errorf("the first entry is %v old", age)
	}
	w.same(t)
	// Nor does a longer one want back what is no more.
	w.swept(t, 50*day)
	w.same(t)
	// From what is left a later base can be chosen.
	w.clock.Advance(40 * day)
	w.swept(t, 30*day)
	w.same(t)
	last := w.plain(t).Seq()
	if first, _ := w.reaches(t); last-first > 12 {
		t.Errorf("entries from %d to %d are left", first, last)
	}
	w.compacted(t)
	w.same(t)
}

func TestTheLastEntriesAreNeverTrimmed(t *testing.T) {
	w := aged(t)
	done, err := w.store().Sweep(t.Context(), w.ref)
	porttest.OK(t, err)
	if first, _ := w.reaches(t); done.Trimmed != 0 || first != 1 {
		t.Errorf("%+v of fewer than %d entries", done, keepEntries)
	}
	young := newWorld(t)
	if done := young.swept(t, 15*day); done != (Swept{}) {
		t.Errorf("without a snapshot: %+v", done)
	}
	a := young.open(t, young.store())
	young.fill(t, a, "INBOX", 1500)
	young.compacted(t)
	young.clock.Advance(14 * day)
	if done := young.swept(t, day); done != (Swept{}) {
		t.Errorf("all of it is in the window: %+v", done)
	}
}

// A retry of a delivery finds it in the snapshots when its entry is no more.
func TestDeliveriesOfTrimmedEntriesAreFound(t *testing.T) {
	w := daily(t, false)
	w.swept(t, 30*day)
	for _, i := range []int{0, 3, 20, 40, 59} {
		out, err := w.store().Deliver(t.Context(), w.ref, 1, by, []Add{delivery(fmt.Sprint("day ", i)), delivery(fmt.Sprint("new ", i))})
		porttest.OK(t, err)
		if !out[0].Duplicate || out[0].Seq == 0 || out[1].Duplicate {
			t.Errorf("day %d: %+v", i, out)
		}
	}
	// Where no entry was known, those of the window are looked through.
	s, plan := w.counters()
	out, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("day 40"), delivery("newest")})
	porttest.OK(t, err)
	if !out[0].Duplicate || out[1].Duplicate || count(plan.Calls(), "blob.") > 0 {
		t.Errorf("%+v, %v", out, plan.Calls())
	}
}

// What expunged messages were made of goes when the past in which they were can't be told
// any more; nothing else does.
func TestWhatIsExpungedIsForgottenAfterTheWindow(t *testing.T) {
	w := mirrored(t)
	a := w.open(t, w.store())
	w.fill(t, a, "INBOX", 900)
	w.fill(t, a, "Archive", 300)
	_, err := a.CopyMessages(t.Context(), by, Inbox, []Range{{First: 500, Last: 520}}, "Trash", Room{})
	porttest.OK(t, err)
	w.compacted(t)
	w.clock.Advance(day)
	_, err = a.ExpungeMessages(t.Context(), by, Inbox, []Range{{First: 100, Last: 700}}, false)
	porttest.OK(t, err)
	for i := range 12 {
		w.fill(t, a, "INBOX", 30)
		_, err := w.store().Deliver(t.Context(), w.ref, DontSearch, by, []Add{delivery(fmt.Sprint("a", i)), delivery(fmt.Sprint("b", i))})
		porttest.OK(t, err)
		w.compacted(t)
		w.clock.Advance(4 * day)
		w.swept(t, 30*day)
		w.same(t)
	}
	if n := w.manifest(t).contentsUpTo(maxSeq); n != int64(1200-601+21+12*32) {
		t.Errorf("%d contents are left", n)
	}
	first, _ := w.reaches(t)
	_, err = w.store().Deliver(t.Context(), w.ref, 1, by, []Add{delivery("from before the window")})
	porttest.Kind(t, err, kinds.Invalid)
	_, err = w.store().Deliver(t.Context(), w.ref, first, by, []Add{delivery("of the window")})
	porttest.OK(t, err)
	porttest.OK(t, a.Refresh(t.Context()))
	w.same(t)
}

// A reader that was away while what it had not yet read was trimmed reads the account anew.
func TestATrimUnderAReaderIsSeen(t *testing.T) {
	w := mirrored(t)
	reader := w.store()
	a := w.open(t, reader)
	w.fill(t, a, "INBOX", 50)
	w.fill(t, a, "Archive", 20)
	w.compacted(t)
	// One that has all in memory, one that has only some of it.
	b := w.open(t, w.store())
	_, err := b.Load(t.Context(), Inbox)
	porttest.OK(t, err)
	changed := b.Changed()
	other := w.open(t, w.store())
	for range 30 {
		w.fill(t, other, "INBOX", 5)
		w.compacted(t)
	}
	_, err = other.MoveMessages(t.Context(), by, Inbox, uids(3, 4, 60), "Archive")
	porttest.OK(t, err)
	w.compacted(t)
	w.clock.Advance(40 * day)
	w.compacted(t)
	w.fill(t, other, "INBOX", 30)
	w.compacted(t)
	w.clock.Advance(2 * day)
	if done := w.swept(t, 30*day); done.Trimmed < 30 || done.Objects < 10 {
		t.Fatalf("%+v", done)
	}
	want := w.plain(t)
	for i, r := range []*Account{a, b} {
		porttest.OK(t, r.Refresh(t.Context()))
		if i == 1 {
			if !r.State().Mailbox("INBOX").Loaded() {
				t.Error("what was selected is not in memory any more")
			}
			<-changed
		}
		for _, m := range r.State().Mailboxes() {
			_, err := r.Load(t.Context(), m.ID)
			porttest.OK(t, err)
		}
		if got := dump(r.State()); got != dump(want) {
			t.Errorf("reader %d has\n%s\nand it is\n%s", i, got, dump(want))
		}
		var refs []ContentRef
		for _, m := range r.State().Mailboxes() {
			for _, x := range m.Messages() {
				refs = append(refs, x.Content)
			}
		}
		w.sameContents(t, r, refs)
	}
}

// stall is a journal in which the first append meets a process that stands still: what
// happens meanwhile is done before it.
type stall struct {
	journal.Driver
	meanwhile func()
	lost      bool // the first reply, and what it was for
}

func (s *stall) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	if fn := s.meanwhile; fn != nil {
		s.meanwhile = nil
		fn()
		if s.lost {
			return kinds.Errorf(kinds.Unavailable, "no reply")
		}
	}
	return s.Driver.Append(ctx, p, e)
}

// A writer that stood still while the number it would have written was taken and trimmed
// must not write it again.
func TestAStalledWriterWritesNoTrimmedNumber(t *testing.T) {
	for name, write := range map[string]func(*Store, *Account, Ref) error{
		"a command": func(_ *Store, a *Account, _ Ref) error {
			_, _, err := a.Append(context.Background(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
			return err
		},
		"a delivery": func(s *Store, _ *Account, ref Ref) error {
			_, err := s.Deliver(context.Background(), ref, 0, by, []Add{delivery("stalled")})
			return err
		},
	} {
		for _, where := range []string{"before the command", "at the append"} {
			t.Run(name+", "+where, func(t *testing.T) {
				w := mirrored(t)
				d := &stall{Driver: w.journal, lost: true}
				s := w.storeOn(d)
				a := w.open(t, s)
				w.fill(t, a, "INBOX", 10)
				meanwhile := func() {
					other := w.open(t, w.store())
					for range 30 {
						w.fill(t, other, "INBOX", 1)
					}
					w.compacted(t)
					w.clock.Advance(40 * day)
					if done := w.swept(t, 30*day); done.Trimmed < 10 {
						t.Fatalf("%+v", done)
					}
				}
				before, err := w.journal.Last(t.Context(), w.ref.Partition())
				porttest.OK(t, err)
				if where == "before the command" {
					meanwhile()
				} else {
					d.meanwhile = meanwhile
				}
				if err := write(s, a, w.ref); err != nil {
					porttest.Kind(t, err, kinds.Unavailable)
					porttest.OK(t, write(s, a, w.ref))
				}
				// The number after what it knew is not there again, and nothing was lost.
				if first, _ := w.reaches(t); first <= before.Seq+1 {
					t.Errorf("entry %d is there again", first)
				}
				w.same(t)
			})
		}
	}
}

// Whatever call a sweep dies at, or is lied to by: the account reads as before, and the
// next sweep does the rest.
func TestASweepMayDieAtEachOfItsCalls(t *testing.T) {
	base := aged(t)
	// What was stored in vain is swept away when it is a day old.
	twice := func(w *world) (buried int, left string) {
		buried = w.swept(t, 30*day).Buried
		w.clock.Advance(2 * day)
		buried += w.swept(t, 30*day).Buried
		first, _ := w.reaches(t)
		return buried, fmt.Sprintf("%d objects, %d contents, entries from %d", len(w.blobs.objects), w.manifest(t).contentsUpTo(maxSeq), first)
	}
	buried, want := twice(base.copy(t))
	if buried == 0 {
		t.Error("nothing was buried")
	}
	for _, mode := range faults.Modes() {
		for n := 1; ; n++ {
			w := base.copy(t)
			plan := faults.Nth(n, mode)
			s := w.storeOn(faults.Journal(w.journal, plan))
			s.cfg.Blobs, s.last = blob.Store{Driver: faults.Blob(w.blobs, plan)}, 10
			_, err := s.Sweep(t.Context(), w.ref)
			if err != nil && !kinds.Is(err, kinds.Unavailable) {
				t.Errorf("call %d, %v: %v", n, mode, err)
			}
			plan.Settle()
			if n%5 == 1 { // which takes time
				w.same(t)
			}
			if _, left := twice(w); left != want {
				t.Errorf("call %d, %v: there are %s, not %s", n, mode, left, want)
			}
			if n >= len(plan.Calls()) {
				w.same(t)
				break
			}
		}
	}
}

// Nothing is removed beside a snapshot that is broken.
func TestASweepLeavesAloneWhatIsBroken(t *testing.T) {
	for what, damage := range map[string]func(w *world){
		"the newest manifest": func(w *world) {
			at, _ := parseSnapshotRef(w.plain(t).standing.Snapshot)
			w.blobs.change(w.ref.folder()+at.object, func(_ string, b []byte) []byte { b[len(b)-20] ^= 1; return b })
		},
		"an object that the newest needs": func(w *world) {
			man := w.manifest(t)
			w.blobs.change(w.ref.folder()+man.Objects[man.Packs[0].Object], func(string, []byte) []byte { return nil })
		},
		"the base": func(w *world) {
			for _, p := range w.manifest(t).Points {
				at, _ := parseSnapshotRef(p.Ref)
				w.blobs.change(w.ref.folder()+at.object, func(_ string, b []byte) []byte { b[len(b)-20] ^= 1; return b })
			}
		},
	} {
		w := aged(t)
		w.broken = true
		damage(w)
		n := len(w.blobs.objects)
		s := w.store()
		s.last = 10
		_, err := s.Sweep(t.Context(), w.ref)
		porttest.Kind(t, err, kinds.Corrupt)
		if first, _ := w.reaches(t); first != 1 || len(w.blobs.objects) != n {
			t.Errorf("%s: the journal begins at %d, of %d objects %d are left", what, first, n, len(w.blobs.objects))
		}
	}
}
