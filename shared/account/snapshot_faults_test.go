package account

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// copy gives a world with the same data, that can be changed without this one.
func (w *world) copy(t testing.TB) *world {
	c := newWorld(t)
	c.ref = w.ref
	c.clock.Advance(w.clock.Now().Sub(c.clock.Now()))
	copied := func(d journal.Driver) *memory {
		from, to := d.(*memory), newMemory(c.clock.Now)
		for p, entries := range from.entries {
			to.entries[p], to.seqs[p] = maps.Clone(entries), slices.Clone(from.seqs[p])
		}
		return to
	}
	if m, ok := w.journal.(*mirror); ok {
		c.all = copied(m.all)
		c.journal = &mirror{copied(m.Driver), c.all}
	} else {
		c.journal = copied(w.journal)
	}
	c.blobs = newMemoryBlobs(c.clock.Now)
	maps.Copy(c.blobs.objects, w.blobs.objects)
	maps.Copy(c.blobs.times, w.blobs.times)
	return c
}

// lived is an account with two snapshots and a tail.
func lived(t testing.TB) *world {
	w := newWorld(t)
	a := w.open(t, w.store())
	w.fill(t, a, "INBOX", 400)
	w.fill(t, a, "Archive", 30)
	w.compacted(t)
	_, err := a.ExpungeMessages(t.Context(), by, Inbox, uids(3, 4, 10), false)
	porttest.OK(t, err)
	_, err = a.MoveMessages(t.Context(), by, Inbox, uids(20, 21), "Trash")
	porttest.OK(t, err)
	w.fill(t, a, "INBOX", 20)
	w.compacted(t)
	w.fill(t, a, "INBOX", 20)
	_, err = a.StoreFlags(t.Context(), by, a.State().Mailbox("Archive").ID, uids(3), AddFlags, Flagged, nil, Unconditional)
	porttest.OK(t, err)
	return w
}

// Whatever call a compaction dies at, or is lied to by: the account reads as before, and the
// next compaction does the work.
func TestACompactionMayDieAtEachOfItsCalls(t *testing.T) {
	base := lived(t)
	want := dump(base.plain(t))
	for _, mode := range faults.Modes() {
		for n := 1; ; n++ {
			w := base.copy(t)
			plan := faults.Nth(n, mode)
			s := w.storeOn(faults.Journal(w.journal, plan))
			s.cfg.Blobs = blob.Store{Driver: faults.Blob(w.blobs, plan)}
			_, err := s.Compact(t.Context(), w.ref, true)
			if err != nil && !kinds.Is(err, kinds.Unavailable) {
				t.Errorf("call %d, %v: %v", n, mode, err)
			}
			plan.Settle()
			w.same(t)
			done, err := w.store().Compact(t.Context(), w.ref, true)
			porttest.OK(t, err)
			if done.Entries == 0 {
				t.Errorf("call %d, %v: the next one had nothing to do", n, mode)
			}
			w.same(t)
			if got := w.plain(t); messagesOf(dump(got)) != messagesOf(want) {
				t.Errorf("call %d, %v: the account is\n%s\nand was\n%s", n, mode, dump(got), want)
			}
			if n >= len(plan.Calls()) {
				break
			}
		}
	}
}

// messagesOf leaves out what a compaction changes.
func messagesOf(dump string) string {
	_, rest, _ := strings.Cut(dump, "\n")
	return rest
}

// A snapshot that is broken in any way is found to be so, and the journal is read instead.
func TestABrokenSnapshotIsRebuiltFromTheJournal(t *testing.T) {
	base := lived(t)
	other := newWorld(t)
	other.ref.ID = "otheraccount"
	porttest.OK(t, other.store().Create(t.Context(), other.ref, by))
	other.fill(t, other.open(t, other.store()), "INBOX", 400)
	other.compacted(t)
	var foreign []byte
	other.blobs.change("s/", func(_ string, b []byte) []byte { foreign = b; return b })
	objects := slices.Sorted(maps.Keys(base.blobs.objects))
	if len(objects) != 2 {
		t.Fatalf("objects %v", objects)
	}
	for what, damage := range map[string]func(b []byte, old []byte) []byte{
		"cut off":            func(b, _ []byte) []byte { return b[:len(b)/2] },
		"emptied":            func(b, _ []byte) []byte { return []byte{} },
		"cut off at its end": func(b, _ []byte) []byte { return b[:len(b)-1] },
		"gone":               func(b, _ []byte) []byte { return nil },
		"another account's":  func(b, _ []byte) []byte { return foreign },
		"an older one":       func(b, old []byte) []byte { return old },
		"flipped": func(b, _ []byte) []byte {
			// Not the last one, which is the version: another is refused as a newer program's.
			for i := 10; i < len(b)-1; i += 97 {
				b[i] ^= 4
			}
			return b
		},
	} {
		for i, object := range objects {
			w := base.copy(t)
			w.broken = true
			w.blobs.change(object, func(_ string, b []byte) []byte { return damage(b, base.blobs.objects[objects[0]]) })
			w.same(t)
			if what == "an older one" && i == 0 {
				continue
			}
			// And is replaced by one that is made after a look at it.
			w.looked(t)
			w.same(t)
			w.journal = &trimmed{Driver: w.journal, first: w.manifest(t).Seq + 1}
			opens(t, w, fmt.Sprint(what, " object ", i))
		}
	}
}

// opens reads all there is.
func opens(t *testing.T, w *world, what string) {
	t.Helper()
	a, state := w.whole(t, w.store())
	check(t, state)
	var refs []ContentRef
	for _, m := range state.Mailboxes() {
		for _, x := range m.Messages() {
			refs = append(refs, x.Content)
		}
	}
	if _, err := a.Contents(t.Context(), refs); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// trimmed is a journal without its beginning.
type trimmed struct {
	journal.Driver
	first uint64
}

func (j *trimmed) Read(ctx context.Context, p journal.Partition, after uint64, limit int) ([]journal.Entry, bool, error) {
	return j.Driver.Read(ctx, p, max(after, j.first-1), limit)
}

func (j *trimmed) Tail(ctx context.Context, p journal.Partition, limit int) ([]journal.Entry, error) {
	tail, err := j.Driver.Tail(ctx, p, limit)
	return slices.DeleteFunc(tail, func(e journal.Entry) bool { return e.Seq < j.first }), err
}

// Where the journal does not reach back any more, what is broken is named, and the rest of
// the account can be read.
func TestWhatIsBrokenForGoodIsNamedAndTheRestIsRead(t *testing.T) {
	w := lived(t)
	w.broken = true
	man := w.manifest(t)
	w.journal = &trimmed{Driver: w.journal, first: man.Seq + 1}
	inbox := man.piece(&man.Boxes[0].Pieces[0])
	pack := man.sections(&man.Packs[0])[0]
	w.blobs.change(w.ref.folder(), func(name string, b []byte) []byte {
		for _, at := range []section{inbox.section, pack} {
			if strings.HasSuffix(name, at.Object) {
				b[at.Off+int64(at.Len)/2] ^= 1
			}
		}
		return b
	})
	a := w.open(t, w.store())
	_, err := a.Load(t.Context(), Inbox)
	porttest.Kind(t, err, kinds.Corrupt)
	if !strings.Contains(err.Error(), w.ref.folder()+inbox.Object) {
		t.Errorf("%v", err)
	}
	_, _, err = a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
	porttest.OK(t, err)
	state, err := a.Load(t.Context(), a.State().Mailbox("Trash").ID)
	porttest.OK(t, err)
	if state.Mailbox("Trash").Len() != 2 {
		t.Error("Trash is not as it was")
	}
	_, err = a.Contents(t.Context(), []ContentRef{state.Mailbox("Trash").At(0).Content})
	porttest.Kind(t, err, kinds.Corrupt)
	if !strings.Contains(err.Error(), w.ref.folder()+pack.Object) {
		t.Errorf("%v", err)
	}
}

// A snapshot of a later program is refused, not misread.
func TestASnapshotOfALaterVersionIsRefused(t *testing.T) {
	w := lived(t)
	w.broken = true
	w.blobs.change(w.ref.folder(), func(_ string, b []byte) []byte {
		b[len(b)-1] = snapshotVersion + 1
		return b
	})
	_, err := w.store().Open(t.Context(), w.ref)
	porttest.Kind(t, err, kinds.TooNew)
}
