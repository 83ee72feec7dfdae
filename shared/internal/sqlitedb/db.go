// Package sqlitedb is the SQLite file under the embedded twins: one writer that commits
// many callers' changes with a single fsync, and a few connections for reading.
package sqlitedb

import (
	"context"
	"database/sql/driver"
	"os"
	"strings"
	"sync"

	"modernc.org/sqlite"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	maxBatch = 256 // changes in one commit
	readers  = 3   // connections for reading
)

// DB is an open database. Safe for concurrent use.
type DB struct {
	writer  *Conn // nil: opened for reading
	readers chan *Conn
	jobs    chan *job
	stopped chan struct{} // closed when the writer has ended

	mu     sync.RWMutex // held for reading while a job is handed in
	closed bool

	beforeCommit func() error // a test's way to make a COMMIT fail
}

// job is one caller's change.
type job struct {
	ctx  context.Context
	fn   func(*Conn) error
	err  error
	done func(error)
}

// Open opens or creates the database at path, with a write-ahead log, and synced to
// disk at each commit. The schema statements are run (CREATE ... IF NOT EXISTS).
func Open(path string) (*DB, error) {
	// In it are password hashes and who writes to whom: it is the owner's alone, whatever
	// folder it is in. SQLite gives its log and index the same mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "sqlite: open")
	}
	if err := f.Close(); err != nil {
		return nil, kinds.Wrap(kinds.Unavailable, err, "sqlite: open")
	}
	// fdatasync keeps all that is needed to read the data back; SQLite's own builds for
	// Linux use it. Where there is none, the library goes on with fsync.
	_, _ = sqlite.Fdatasync(true)
	w, err := openConn(path, "journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000",
		"cache_size=-4096", "wal_autocheckpoint=2000", "temp_store=MEMORY")
	if err != nil {
		return nil, err
	}
	db := &DB{writer: w, readers: make(chan *Conn, readers), jobs: make(chan *job, maxBatch), stopped: make(chan struct{})}
	for range readers {
		r, err := openConn(path, "busy_timeout=10000", "query_only=1", "cache_size=-1024", "temp_store=MEMORY")
		if err != nil {
			db.closeConns()
			return nil, err
		}
		db.readers <- r
	}
	go db.write()
	return db, nil
}

// OpenReading opens a database that is there, for reading only, beside the process that
// writes to it, if one does. What that one commits is seen. Write and Submit are
// kinds.Denied, Schema does nothing.
func OpenReading(path string) (*DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, kinds.Wrap(kinds.NotFound, err, "sqlite: open")
	}
	db := &DB{readers: make(chan *Conn, readers), stopped: make(chan struct{})}
	for range readers {
		r, err := openConn(path, "busy_timeout=10000", "query_only=1", "cache_size=-1024", "temp_store=MEMORY")
		if err != nil {
			db.closeConns()
			return nil, err
		}
		db.readers <- r
	}
	return db, nil
}

// Schema runs statements that create tables and indexes where they aren't there.
func (db *DB) Schema(statements ...string) error {
	if db.writer == nil {
		return nil
	}
	return db.Write(context.Background(), func(c *Conn) error {
		for _, s := range statements {
			if err := c.once(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// Write runs fn on the writer and returns when its changes are on disk. An error of fn
// undoes its changes, and only its, and is returned. A commit that fails is
// Unavailable for everybody in it. When ctx ends early, the change may take place or not.
// fn runs alone, must not call Write or Read, and should be quick.
func (db *DB) Write(ctx context.Context, fn func(*Conn) error) error {
	done := make(chan error, 1)
	if err := db.Submit(ctx, fn, func(err error) { done <- err }); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "sqlite: waiting for a commit")
	}
}

// Submit is Write for a caller that doesn't wait: done is called with the outcome, from
// the writer, and must not block. Close waits for what was submitted before.
func (db *DB) Submit(ctx context.Context, fn func(*Conn) error, done func(error)) error {
	if db.writer == nil {
		return kinds.Errorf(kinds.Denied, "sqlite: the database was opened for reading")
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.closed {
		return kinds.Errorf(kinds.Unavailable, "sqlite: the database is closed")
	}
	select {
	case db.jobs <- &job{ctx: ctx, fn: fn, done: done}:
		return nil
	case <-ctx.Done():
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "sqlite: waiting for the writer")
	}
}

// Read runs fn with a connection that sees every commit that Write has returned for.
func (db *DB) Read(ctx context.Context, fn func(*Conn) error) error {
	select {
	case c := <-db.readers:
		defer func() { db.readers <- c }()
		return fn(c)
	case <-db.stopped:
		return kinds.Errorf(kinds.Unavailable, "sqlite: the database is closed")
	case <-ctx.Done():
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "sqlite: waiting for a connection")
	}
}

// write gathers whatever waits into one transaction: while one commit syncs, the next
// batch collects, so the fsyncs are shared without anybody waiting for company.
func (db *DB) write() {
	defer close(db.stopped)
	batch := make([]*job, 0, maxBatch)
	for first := range db.jobs {
		batch = append(batch[:0], first)
	gather:
		for len(batch) < maxBatch {
			select {
			case j, ok := <-db.jobs:
				if !ok {
					break gather
				}
				batch = append(batch, j)
			default:
				break gather
			}
		}
		err := db.commit(batch)
		for i, j := range batch {
			if err != nil {
				j.err = err
			}
			j.done(j.err)
			batch[i] = nil
		}
	}
}

// commit runs a batch as one transaction. Its error is everybody's.
func (db *DB) commit(batch []*job) (err error) {
	defer func() {
		if err != nil {
			// SQLite may have rolled back by itself; then this fails, which is as well.
			_, _ = db.writer.Exec("ROLLBACK")
			err = kinds.Wrap(kinds.Unavailable, err, "sqlite: commit")
		}
	}()
	if _, err := db.writer.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, j := range batch {
		if err := db.run(j); err != nil {
			return err
		}
	}
	if db.beforeCommit != nil {
		if err := db.beforeCommit(); err != nil {
			return err
		}
	}
	_, err = db.writer.Exec("COMMIT")
	return err
}

// run runs one job within the transaction; the error it returns ends the whole batch.
func (db *DB) run(j *job) error {
	if err := j.ctx.Err(); err != nil {
		j.err = kinds.Wrap(kinds.Unavailable, err, "sqlite: given up before its turn")
		return nil
	}
	if _, err := db.writer.Exec("SAVEPOINT one"); err != nil {
		return err
	}
	if j.err = j.fn(db.writer); j.err != nil {
		if _, err := db.writer.Exec("ROLLBACK TO one"); err != nil {
			return err
		}
	}
	_, err := db.writer.Exec("RELEASE one")
	return err
}

// Check reads the whole database and fails with Corrupt when something is wrong with it.
func (db *DB) Check(ctx context.Context) error {
	var found []string
	err := db.Read(ctx, func(c *Conn) error {
		return c.Query(func(cols []driver.Value) error {
			if s, _ := cols[0].(string); s != "ok" {
				found = append(found, s)
			}
			return nil
		}, "PRAGMA integrity_check(20)")
	})
	if err == nil && len(found) > 0 {
		err = kinds.Errorf(kinds.Corrupt, "sqlite: %s", strings.Join(found, "; "))
	}
	return err
}

// Close commits what was handed in, waits for readers, and closes the file. Closing
// twice is fine.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	if db.writer == nil {
		close(db.stopped)
	} else {
		close(db.jobs)
	}
	db.mu.Unlock()
	<-db.stopped
	for range readers {
		(<-db.readers).close()
	}
	if db.writer == nil {
		return nil
	}
	return db.writer.close()
}

func (db *DB) closeConns() {
	close(db.readers)
	for r := range db.readers {
		r.close()
	}
	if db.writer != nil {
		db.writer.close()
	}
}
