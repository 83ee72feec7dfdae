package account

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
)

// compacted has a process of its own make a snapshot, however little is new.
func (w *world) compacted(t testing.TB) Compacted {
	t.Helper()
	a, err := w.store().open(context.Background(), w.ref, false)
	porttest.OK(t, err)
	defer a.Close()
	d, err := a.core.draft(context.Background(), false, true)
	porttest.OK(t, err)
	done, err := a.core.finish(context.Background(), d)
	porttest.OK(t, err)
	return done
}

// looked has a process of its own make a snapshot after a look at all of the last one.
func (w *world) looked(t testing.TB) {
	t.Helper()
	_, err := w.store().Compact(context.Background(), w.ref, true)
	porttest.OK(t, err)
}

// plain folds the whole journal without any snapshot.
func (w *world) plain(t testing.TB) *State {
	t.Helper()
	s := NewState(w.ref)
	for after := uint64(0); ; {
		items, more, err := w.untrimmed().Read(context.Background(), w.ref.Partition(), after, page)
		porttest.OK(t, err)
		for _, item := range items {
			e, err := decode(item)
			porttest.OK(t, err)
			porttest.OK(t, s.Apply(*e))
			after = e.Seq
		}
		if !more {
			return s
		}
	}
}

func (w *world) untrimmed() journal.Driver {
	if w.all != nil {
		return w.all
	}
	return w.journal
}

// whole opens the account in a process of its own and loads all of its mailboxes.
func (w *world) whole(t testing.TB, s *Store) (*Account, *State) {
	t.Helper()
	a := w.open(t, s)
	for _, m := range a.State().Mailboxes() {
		_, err := a.Load(context.Background(), m.ID)
		porttest.OK(t, err)
	}
	return a, a.State()
}

// same compares what a fresh process reads with the plain fold, contents included.
func (w *world) same(t testing.TB) {
	t.Helper()
	plain := w.plain(t)
	check(t, plain)
	a, got := w.whole(t, w.store())
	defer a.Close()
	if want, got := dump(plain), dump(got); got != want {
		t.Fatalf("it opens as\n%s\nand folds to\n%s", got, want)
	}
	check(t, got)
	var refs []ContentRef
	for _, m := range got.Mailboxes() {
		for _, x := range m.Messages() {
			refs = append(refs, x.Content)
		}
	}
	w.sameContents(t, a, refs)
}

func (w *world) sameContents(t testing.TB, a *Account, refs []ContentRef) {
	t.Helper()
	contents, err := a.Contents(context.Background(), refs)
	porttest.OK(t, err)
	entries := map[uint64]*Entry{}
	for i, ref := range refs {
		e := entries[ref.Seq]
		if e == nil {
			items, _, err := w.untrimmed().Read(context.Background(), w.ref.Partition(), ref.Seq-1, 1)
			porttest.OK(t, err)
			e, err = decode(items[0])
			porttest.OK(t, err)
			entries[ref.Seq] = e
		}
		want := e.Ops[ref.Index].Add.content()
		if got := contents[i]; got.EmailID != want.EmailID || got.Thread != want.Thread || got.Blob != want.Blob || got.Skip != want.Skip ||
			!bytes.Equal(got.Head, want.Head) || !bytes.Equal(got.Summary, want.Summary) {
			t.Fatalf("content %v is %+v, not %+v", ref, got, want)
		}
	}
}

// fill puts n messages into a mailbox, ten in an entry or, where they are many, a hundred.
func (w *world) fill(t testing.TB, a *Account, box string, n int) {
	t.Helper()
	for n > 0 {
		batch := make([]NewMessage, min(n, 10))
		if n > 1000 {
			batch = make([]NewMessage, 100)
		}
		for i := range batch {
			batch[i] = newMessage(int64(rand.IntN(1 << 20)))
			batch[i].Flags = Flags(rand.IntN(int(allFlags) + 1))
			if rand.IntN(20) == 0 {
				batch[i].Words, batch[i].UIDL = []string{fmt.Sprint("k", rand.IntN(5)), "x"}, fmt.Sprint("uidl-", n, "-", i)
			}
		}
		_, _, err := a.Append(context.Background(), by, box, batch, Room{})
		porttest.OK(t, err)
		n -= len(batch)
	}
}

func TestAnAccountOpensFromItsSnapshotAsFromItsJournal(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	w.fill(t, a, "INBOX", 2*pieceRows+700)
	w.fill(t, a, "Archive", 300)
	_, err := a.CopyMessages(t.Context(), by, Inbox, []Range{{First: 10, Last: 900}}, "Trash", Room{})
	porttest.OK(t, err)
	_, err = a.ExpungeMessages(t.Context(), by, Inbox, []Range{{First: 100, Last: 130}, {First: 5000, Last: 5400}}, false)
	porttest.OK(t, err)
	w.compacted(t)
	w.same(t)
	// Each change is on what another process has only the places of.
	steps := []func(*Account) error{
		func(a *Account) error {
			_, err := a.StoreFlags(t.Context(), by, Inbox, []Range{{First: 4000, Last: 4200}}, AddFlags, Flagged, []string{"late"}, Unconditional)
			return err
		},
		func(a *Account) error { w.fill(t, a, "INBOX", 20); return nil },
		func(a *Account) error {
			_, err := a.MoveMessages(t.Context(), by, Inbox, []Range{{First: 1, Last: 4500}}, "Archive")
			return err
		},
		func(a *Account) error { return a.RenameMailbox(t.Context(), by, Inbox, "old inbox") },
		func(a *Account) error { w.fill(t, a, "INBOX", 300); return nil },
		func(a *Account) error {
			_, err := a.ExpungeMessages(t.Context(), by, a.State().Mailbox("old inbox").ID, []Range{{First: 1, Last: 3000}}, false)
			return err
		},
		func(a *Account) error {
			return a.DeleteMailbox(t.Context(), by, a.State().Mailbox("Trash").ID)
		},
		func(a *Account) error {
			_, err := a.CopyMessages(t.Context(), by, a.State().Mailbox("Archive").ID, []Range{{First: 200, Last: 5000}}, "INBOX", Room{})
			return err
		},
	}
	for i, step := range steps {
		b := w.open(t, w.store())
		porttest.OK(t, step(b))
		b.Close()
		w.same(t)
		if i%2 == 1 {
			w.compacted(t)
			w.same(t)
		}
	}
	porttest.OK(t, a.Refresh(t.Context()))
	if dump(a.State()) != dump(w.plain(t)) {
		t.Error("who had it open all the time reads something else")
	}
}

func TestOnlyWhatIsSelectedIsInMemory(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	w.fill(t, a, "INBOX", 2000)
	w.fill(t, a, "Archive", 9000)
	w.compacted(t)
	d, plan := w.counting()
	s := w.storeOn(d)
	s.cfg.Blobs = blob.Store{Driver: faults.Blob(w.blobs, plan)}
	b := w.open(t, s)
	n := 0
	calls(t, plan, &n, "journal.Tail", "blob.Open")
	cold := b.State().Size()
	if m := b.State().Mailbox("INBOX"); m.Loaded() || m.Len() != 2000 || m.Unseen == 0 {
		t.Errorf("%+v", m)
	}
	state, err := b.Load(t.Context(), Inbox)
	porttest.OK(t, err)
	calls(t, plan, &n) // an index that is small comes with the manifest
	if state.Mailbox("Archive").Loaded() || !state.Mailbox("INBOX").Loaded() || state.Size() < cold+2000*32 || state.Size() > cold+2000*60 {
		t.Errorf("%d bytes after %d", state.Size(), cold)
	}
	// Fifty neighbours are one read, and then none.
	var refs []ContentRef
	for i := range 50 {
		refs = append(refs, state.Mailbox("INBOX").At(1000+i).Content)
	}
	w.sameContents(t, b, refs)
	calls(t, plan, &n, "blob.Open")
	w.sameContents(t, b, refs)
	calls(t, plan, &n)
	// A move into a mailbox, or mail for it, needs none of its messages.
	_, err = b.MoveMessages(t.Context(), by, Inbox, uids(5), "Archive")
	porttest.OK(t, err)
	calls(t, plan, &n, "journal.Append")
	if b.State().Mailbox("Archive").Len() != 9001 {
		t.Error("it was not moved")
	}
	w.same(t)
}

func (w *world) counting() (journal.Driver, *faults.Plan) {
	plan := faults.New(nil)
	return faults.Journal(w.journal, plan), plan
}

func TestCompactionsRewriteLittle(t *testing.T) {
	w := newWorld(t)
	s := w.store()
	a := w.open(t, s)
	w.fill(t, a, "INBOX", 20_000)
	first := w.compacted(t)
	var sizes []int
	for i := range 30 {
		w.fill(t, a, "INBOX", 60)
		_, err := a.StoreFlags(t.Context(), by, Inbox, uids(uint32(1+i*500)), AddFlags, Seen, nil, Unconditional)
		porttest.OK(t, err)
		sizes = append(sizes, w.compacted(t).Bytes)
	}
	w.same(t)
	total := 0
	for _, n := range sizes {
		total += n
	}
	if total > 30*first.Bytes/4 {
		t.Errorf("the first snapshot has %d bytes, the others %v", first.Bytes, sizes)
	}
	if got := w.manifest(t); len(got.Packs) > 2*packFan+10 {
		t.Errorf("%d packs", len(got.Packs))
	}
}

func (w *world) manifest(t testing.TB) *manifest {
	t.Helper()
	s := w.store()
	a := w.open(t, s)
	snap, err := s.readSnapshot(context.Background(), w.ref, a.State().Standing().Snapshot)
	porttest.OK(t, err)
	return snap.man
}

func TestASecondCompactionHasNothingToDo(t *testing.T) {
	w := newWorld(t)
	a := w.open(t, w.store())
	w.fill(t, a, "INBOX", 500)
	s := w.store()
	done, err := s.Compact(t.Context(), w.ref, false)
	porttest.OK(t, err)
	if done.Entries != 51 {
		t.Errorf("%+v", done)
	}
	for _, s := range []*Store{s, w.store()} {
		done, err = s.Compact(t.Context(), w.ref, false)
		porttest.OK(t, err)
		if done.Entries != 0 || len(w.blobs.objects) != 1 {
			t.Errorf("%+v", done)
		}
	}
}

func TestTheWriterOfEvery64thEntryAsksForACompaction(t *testing.T) {
	w := newWorld(t)
	var asked []string
	s := w.store()
	s.cfg.Compact = func(_ context.Context, ref Ref, whole bool) error {
		asked = append(asked, fmt.Sprint(ref.ID, " ", whole))
		return nil
	}
	a := w.open(t, s)
	for i := range 70 {
		if i%2 == 0 {
			_, err := s.Deliver(t.Context(), w.ref, 0, by, []Add{delivery(fmt.Sprint(i))})
			porttest.OK(t, err)
			continue
		}
		w.fill(t, a, "INBOX", 1)
	}
	if !slices.Equal(asked, []string{"someaccount false"}) {
		t.Errorf("asked %v", asked)
	}
	// Who opens an account that lacks one asks, too.
	for range 46 {
		w.fill(t, a, "INBOX", 100)
	}
	asked = nil
	s2 := w.store()
	s2.cfg.Compact = s.cfg.Compact
	w.open(t, s2)
	w.open(t, s2)
	if len(asked) != 1 {
		t.Errorf("asked %v", asked)
	}
}

func TestReferencesToSnapshots(t *testing.T) {
	for _, seq := range []uint64{1, 31, 32, 1 << 20, maxSeq} {
		r := snapshotRef{object: newObject(seq), front: int64(seq%1e9) + 4, sum: 0xab}
		got, err := parseSnapshotRef(r.String())
		porttest.OK(t, err)
		if got != r || objectSeq(r.object) != seq || len(r.String()) > 60 {
			t.Errorf("%v is read back as %v", r, got)
		}
		porttest.OK(t, blob.CheckName(Ref{ID: "a", Epoch: 1, Tenant: "t"}.folder()+r.object))
	}
	a, b := newObject(9), newObject(10)
	if strings.Compare(a, b) >= 0 {
		t.Errorf("%s is not before %s", a, b)
	}
}
