package sqlitedb

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func open(t *testing.T, path string) *DB {
	t.Helper()
	db, err := Open(path)
	porttest.OK(t, err)
	t.Cleanup(func() { db.Close() })
	porttest.OK(t, db.Schema(`CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v BLOB)`))
	return db
}

func insert(id int64) func(*Conn) error {
	return func(c *Conn) error {
		_, err := c.Exec(`INSERT INTO t (id, v) VALUES (?, ?)`, id, []byte("value"))
		return err
	}
}

// count gives how many rows a reader sees.
func count(t *testing.T, db *DB) (n int64) {
	t.Helper()
	porttest.OK(t, db.Read(t.Context(), func(c *Conn) error {
		return c.Query(func(cols []driver.Value) error {
			n = cols[0].(int64)
			return nil
		}, `SELECT count(*) FROM t`)
	}))
	return n
}

func TestNobodyElseMayReadTheFiles(t *testing.T) {
	folder := t.TempDir()
	db := open(t, filepath.Join(folder, "x.db"))
	porttest.OK(t, db.Write(t.Context(), insert(1)))
	all, err := os.ReadDir(folder)
	porttest.OK(t, err)
	if len(all) < 3 {
		t.Errorf("%d files, want the database, its log and its index", len(all))
	}
	for _, e := range all {
		info, err := e.Info()
		porttest.OK(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

// together hands in changes so that they are committed as one batch, and gives their errors.
func together(t *testing.T, db *DB, changes ...func(*Conn) error) []error {
	t.Helper()
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Write(t.Context(), func(*Conn) error { close(held); <-release; return nil })
	})
	<-held
	errs := make([]error, len(changes))
	for i, fn := range changes {
		wg.Add(1)
		porttest.OK(t, db.Submit(t.Context(), fn, func(err error) { errs[i] = err; wg.Done() }))
	}
	close(release)
	wg.Wait()
	return errs
}

func TestAChangeThatFailsUndoesItselfOnly(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	refused := errors.New("refused")
	errs := together(t, db, insert(1), func(c *Conn) error {
		if err := insert(2)(c); err != nil {
			return err
		}
		return refused
	}, insert(3), insert(1), insert(4))
	if errs[0] != nil || errs[1] != refused || errs[2] != nil || errs[3] == nil || errs[4] != nil {
		t.Errorf("errors %v", errs)
	}
	if n := count(t, db); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

func TestManyChangesShareACommit(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	commits := 0
	db.beforeCommit = func() error { commits++; return nil }
	changes := make([]func(*Conn) error, 50)
	for i := range changes {
		changes[i] = insert(int64(i))
	}
	for _, err := range together(t, db, changes...) {
		porttest.OK(t, err)
	}
	if commits != 2 { // one of them is that of the change that held up the others
		t.Errorf("%d commits, want 2", commits)
	}
	if n := count(t, db); n != 50 {
		t.Errorf("%d rows, want 50", n)
	}
}

func TestACommitThatFailsIsUnavailableForAll(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	commits := 0
	db.beforeCommit = func() error {
		if commits++; commits == 2 {
			return errors.New("the disk is full")
		}
		return nil
	}
	for _, err := range together(t, db, insert(1), insert(2), func(*Conn) error { return errors.New("its own") }) {
		porttest.Kind(t, err, kinds.Unavailable)
	}
	if n := count(t, db); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
	porttest.OK(t, db.Write(t.Context(), insert(1)))
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows after the next change, want 1", n)
	}
}

func TestWhoGaveUpBeforeItsTurnChangesNothing(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	ctx, cancel := context.WithCancel(t.Context())
	held, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Write(t.Context(), func(*Conn) error { close(held); <-release; return nil })
	})
	<-held
	done := make(chan error, 1)
	porttest.OK(t, db.Submit(ctx, insert(1), func(err error) { done <- err }))
	cancel()
	porttest.Kind(t, db.Write(ctx, insert(2)), kinds.Unavailable)
	close(release)
	wg.Wait()
	porttest.Kind(t, <-done, kinds.Unavailable)
	porttest.OK(t, db.Write(t.Context(), insert(3)))
	if n := count(t, db); n != 1 {
		t.Errorf("%d rows, want the last one", n)
	}
}

func TestCloseCommitsWhatWasHandedIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path)
	for i := range int64(100) {
		porttest.OK(t, db.Submit(t.Context(), insert(i), func(err error) {
			if err != nil {
				t.Error(err)
			}
		}))
	}
	porttest.OK(t, db.Close())
	porttest.OK(t, db.Close())
	porttest.Kind(t, db.Write(t.Context(), insert(200)), kinds.Unavailable)
	porttest.Kind(t, db.Read(t.Context(), func(*Conn) error { return nil }), kinds.Unavailable)
	if n := count(t, open(t, path)); n != 100 {
		t.Errorf("%d rows, want 100", n)
	}
}

func TestDamageIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path)
	for i := range int64(2000) {
		porttest.OK(t, db.Submit(t.Context(), insert(i), func(error) {}))
	}
	porttest.OK(t, db.Write(t.Context(), insert(5000)))
	porttest.OK(t, db.Check(t.Context()))
	porttest.OK(t, db.Close())
	file, err := os.ReadFile(path)
	porttest.OK(t, err)
	copy(file[4*4096:], bytes.Repeat([]byte{0x5a}, 4096))
	porttest.OK(t, os.WriteFile(path, file, 0o600))
	db, err = Open(path)
	if err == nil {
		defer db.Close()
		err = db.Check(t.Context())
	}
	porttest.Kind(t, err, kinds.Corrupt)
}

func TestAFileThatIsNoDatabaseIsCorrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	porttest.OK(t, os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600))
	_, err := Open(path)
	porttest.Kind(t, err, kinds.Corrupt)
	_, err = Open(filepath.Join(t.TempDir(), "no", "folder", "x.db"))
	porttest.Kind(t, err, kinds.Unavailable)
}

func TestReadersSeeEveryCommitThatHasReturned(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	var wg sync.WaitGroup
	for w := range int64(4) {
		wg.Go(func() {
			for i := range int64(50) {
				id, found := w*1000+i, false
				err := db.Write(t.Context(), insert(id))
				if err == nil {
					err = db.Read(t.Context(), func(c *Conn) error {
						return c.Query(func([]driver.Value) error { found = true; return nil }, `SELECT id FROM t WHERE id = ?`, id)
					})
				}
				if err != nil || !found {
					t.Error(fmt.Sprint(id, found, err))
				}
			}
		})
	}
	wg.Wait()
}
