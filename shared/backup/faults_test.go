package backup_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/godwit-mail/godwit/shared/backup"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	journalsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestARunThatIsInterruptedAtAnyCallIsCompletedByTheNext(t *testing.T) {
	s := newService(t)
	s.populate(t)
	var d blob.Driver
	for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
		for n := 1; ; n++ {
			d = folder(t)
			plan := faults.Nth(n, mode)
			_, failed, err := backup.Make(t.Context(), s.source(), faults.Blob(d, plan), nil)
			if len(plan.Calls()) < n {
				porttest.OK(t, err)
				if n < 5 {
					t.Errorf("only %d calls were seen", n-1)
				}
				break
			}
			call := plan.Calls()[n-1]
			if err == nil || len(failed) > 0 {
				t.Errorf("a fault at %s is success: %v", call, failed)
			}
			make1(t, s, d)
			verified(t, d)
		}
	}
	empty := newService(t)
	restore(t, d, empty, backup.Choice{Account: "ann@one.test"})
	same(t, seen(t, empty, "ann@one.test"), seen(t, s, "ann@one.test"))
}

// cut fails all writes after the first n packs.
type cut struct {
	blob.Driver
	packs atomic.Int64
}

func (c *cut) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	if strings.HasPrefix(name, "packs/") {
		if c.packs.Add(-1) < 0 {
			return kinds.Errorf(kinds.Unavailable, "the power is cut")
		}
	}
	return c.Driver.Put(ctx, name, body, size)
}

func TestARunThatGoesOnWritesNothingTwice(t *testing.T) {
	s := newService(t)
	s.populate(t)
	a := s.open(t, "ann@one.test")
	defer a.Close()
	s.put(t, a, "INBOX", slices.Repeat([]string{noise(t, 4<<20)}, 5)...) // each is one piece
	d := folder(t)
	broken := &cut{Driver: d}
	broken.packs.Store(1)
	_, _, err := backup.Make(t.Context(), s.source(), broken, nil)
	porttest.Kind(t, err, kinds.Unavailable)
	_, err = backup.Open(t.Context(), d, 0)
	porttest.Kind(t, err, kinds.NotFound) // it doesn't count yet
	plan := faults.New(nil)
	run, _, err := backup.Make(t.Context(), s.source(), faults.Blob(d, plan), nil)
	porttest.OK(t, err)
	puts := 0
	for _, c := range plan.Calls() {
		if c == "blob.Put" {
			puts++
		}
	}
	if puts > 3 || run.Bytes > 21<<20 { // at most two packs, as one was there, and the manifest
		t.Errorf("%d writes for a backup of %d bytes", puts, run.Bytes)
	}
	verified(t, d)
	empty := newService(t)
	restore(t, d, empty, backup.Choice{})
	same(t, seen(t, empty, "ann@one.test"), seen(t, s, "ann@one.test"))
}

func TestPacksOfAnInterruptedRunThatAreBrokenAreWrittenAgain(t *testing.T) {
	s := newService(t)
	s.populate(t)
	root := filepath.Join(t.TempDir(), "backup")
	d, err := files.New(root, files.OS{})
	porttest.OK(t, err)
	_, _, err = backup.Make(t.Context(), s.source(), faults.Blob(d, faults.New(func(_ int, call string) faults.Mode {
		if call == "blob.Put" {
			if _, err := d.Stat(t.Context(), "packs/000001/000001"); err == nil {
				return faults.FailBefore // the manifest
			}
		}
		return faults.None
	})), nil)
	porttest.Kind(t, err, kinds.Unavailable)
	flip(t, root, "packs/000001/000001", 5000)
	make1(t, s, d)
	verified(t, d)
}

func noise(t testing.TB, size int) string {
	t.Helper()
	b := make([]byte, size)
	_, err := rand.NewChaCha8([32]byte{2}).Read(b)
	porttest.OK(t, err)
	return "Subject: noise\r\n\r\n" + string(b)
}

// flip damages one byte of an object.
func flip(t testing.TB, root, name string, at int) {
	t.Helper()
	path := filepath.Join(root, "objects", files.Path(name))
	b, err := os.ReadFile(path)
	porttest.OK(t, err)
	b[at%len(b)] ^= 0x20
	porttest.OK(t, os.WriteFile(path, b, 0o600))
}

func TestDamageIsFoundAndNamed(t *testing.T) {
	s := newService(t)
	s.populate(t)
	root := filepath.Join(t.TempDir(), "backup")
	d, err := files.New(root, files.OS{})
	porttest.OK(t, err)
	make1(t, s, d)
	s.fill(t, "ben@one.test", 5)
	make1(t, s, d)
	for _, name := range []string{"packs/000001/000001", "packs/000002/000001", "runs/000001", "runs/000002", "format"} {
		info, err := d.Stat(t.Context(), name)
		porttest.OK(t, err)
		for at := 0; at < int(info.Size); at += max(1, int(info.Size)/7) {
			flip(t, root, name, at)
			_, wrong, err := backup.Verify(t.Context(), d, nil)
			all := errors.Join(append(wrong, err)...)
			if all == nil || !strings.Contains(all.Error(), name) {
				t.Errorf("byte %d of %s is wrong, but verify says %v", at, name, all)
			}
			flip(t, root, name, at)
		}
	}
	verified(t, d)
	for _, name := range []string{"packs/000001/000001", "runs/000001"} {
		path := filepath.Join(root, "objects", files.Path(name))
		b, err := os.ReadFile(path)
		porttest.OK(t, err)
		porttest.OK(t, os.Remove(path))
		_, wrong, err := backup.Verify(t.Context(), d, nil)
		if all := errors.Join(append(wrong, err)...); all == nil || !strings.Contains(all.Error(), name) {
			t.Errorf("%s is gone, but verify says %v", name, all)
		}
		if _, _, err := backup.Make(t.Context(), s.source(), d, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is gone, but a run goes on: %v", name, err)
		}
		porttest.OK(t, os.WriteFile(path, b, 0o600))
	}
}

func TestADamagedMessageIsLeftOutOnlyWhenAsked(t *testing.T) {
	s := newService(t)
	s.populate(t)
	root := filepath.Join(t.TempDir(), "backup")
	d, err := files.New(root, files.OS{})
	porttest.OK(t, err)
	make1(t, s, d)
	flip(t, root, "packs/000001/000001", 3000)
	b, err := backup.Open(t.Context(), d, 0)
	porttest.OK(t, err)
	empty := newService(t)
	out, err := b.Restore(t.Context(), empty.target(), backup.Choice{}, nil)
	porttest.OK(t, err)
	failed := 0
	for _, a := range out.Accounts {
		if a.Err != nil {
			failed++
			if !strings.Contains(a.Err.Error(), "packs/000001/000001") {
				t.Errorf("%s: %v", a.Address, a.Err)
			}
			_, err := empty.Account(t.Context(), scope, a.Address)
			porttest.Kind(t, err, kinds.NotFound)
		}
	}
	if failed != 1 {
		t.Fatalf("%d accounts have failed, want 1", failed)
	}
	other := newService(t)
	out, err = b.Restore(t.Context(), other.target(), backup.Choice{Partial: true}, nil)
	porttest.OK(t, err)
	lost := 0
	for _, a := range out.Accounts {
		porttest.OK(t, a.Err)
		lost += len(a.Lost)
	}
	if lost == 0 || lost > 2 { // it and its copy
		t.Errorf("%d messages were left out", lost)
	}
}

func TestSomethingElseAtTheDestinationIsLeftAlone(t *testing.T) {
	s := newService(t)
	d := folder(t)
	porttest.OK(t, d.Put(t.Context(), "photos/1", strings.NewReader("x"), 1))
	_, _, err := backup.Make(t.Context(), s.source(), d, nil)
	porttest.Kind(t, err, kinds.Invalid)
	make1(t, s, backup.Under(d, "mail/here/"))
	verified(t, backup.Under(d, "mail/here/"))
	_, err = backup.Open(t.Context(), d, 0)
	porttest.Kind(t, err, kinds.NotFound)
}

// appended is a journal in which mail comes in whenever it is read.
type appended struct {
	journal.Driver
	mu   sync.Mutex
	mail func()
}

func (j *appended) Read(ctx context.Context, p journal.Partition, after uint64, limit int) ([]journal.Entry, bool, error) {
	found, more, err := j.Driver.Read(ctx, p, after, limit)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mail()
	return found, more, err
}

func TestARunWhileMailFlowsIsConsistent(t *testing.T) {
	s := newService(t)
	s.populate(t)
	d := folder(t)
	busy, n := s.source(), 0
	a := s.open(t, "ann@one.test")
	defer a.Close()
	busy.Journal = &appended{Driver: s.Journal, mail: func() {
		if n++; n <= 5 {
			s.put(t, a, "INBOX", s.text(3000))
		}
	}}
	_, failed, err := backup.Make(t.Context(), busy, d, nil)
	porttest.OK(t, err)
	if len(failed) > 0 || n < 3 {
		t.Fatalf("%v after %d reads", failed, n)
	}
	verified(t, d)
	make1(t, s, d)
	empty := newService(t)
	restore(t, d, empty, backup.Choice{})
	same(t, seen(t, empty, "ann@one.test"), seen(t, s, "ann@one.test"))
}

func TestADatabaseIsReadBesideTheProcessThatWritesToIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "godwit.db")
	db, err := sqlitedb.Open(path)
	porttest.OK(t, err)
	defer db.Close()
	now := porttest.NewClock().Now
	writer, err := journalsqlite.New(db, now)
	porttest.OK(t, err)
	beside, err := sqlitedb.OpenReading(path)
	porttest.OK(t, err)
	defer beside.Close()
	reader, err := journalsqlite.New(beside, now)
	porttest.OK(t, err)
	for seq := range uint64(20) {
		porttest.OK(t, writer.Append(t.Context(), "a.1", journal.Entry{Seq: seq + 1, Op: "op", Data: []byte("data")}))
		last, err := reader.Last(t.Context(), "a.1")
		porttest.OK(t, err)
		if last.Seq != seq+1 {
			t.Errorf("entry %d is the last that is seen, want %d", last.Seq, seq+1)
		}
	}
	porttest.Kind(t, reader.Append(t.Context(), "a.1", journal.Entry{Seq: 21, Op: "op"}), kinds.Denied)
	_, err = sqlitedb.OpenReading(path + ".none")
	porttest.Kind(t, err, kinds.NotFound)
}
