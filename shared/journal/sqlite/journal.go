// Package sqlite is the journal's embedded twin.
package sqlite

import (
	"context"
	"database/sql/driver"
	"slices"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// An entry's row id is its partition's number and its sequence number, so that the
// table itself is the index: one insert touches one page, and a number that is taken
// meets itself.
const (
	seqBits       = 40
	maxSeq        = 1<<seqBits - 1
	maxPartitions = 1<<(63-seqBits) - 1
	keepNumbers   = 50_000 // partition numbers kept in memory
)

// Journal keeps entries in a SQLite database.
type Journal struct {
	db  *sqlitedb.DB
	now func() time.Time

	mu      sync.RWMutex
	numbers map[journal.Partition]int64

	watchers watchers
}

var _ journal.Driver = (*Journal)(nil)

// New makes the journal's tables in db where they aren't there. now is the clock of
// watchers' registrations.
func New(db *sqlitedb.DB, now func() time.Time) (*Journal, error) {
	err := db.Schema(
		`CREATE TABLE IF NOT EXISTS journal_partition (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)`,
		`CREATE TABLE IF NOT EXISTS journal_entry (id INTEGER PRIMARY KEY, op TEXT NOT NULL, data BLOB)`,
	)
	if err != nil {
		return nil, err
	}
	return &Journal{db: db, now: now, numbers: map[journal.Partition]int64{},
		watchers: watchers{until: map[journal.Partition]map[string]time.Time{}}}, nil
}

// Append stores e durably if no entry e.Seq is there.
func (j *Journal) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	if p == "" || e.Seq == 0 || e.Seq > maxSeq || e.Op == "" {
		return kinds.Errorf(kinds.Invalid, "journal: an append needs a partition, an operation id and a number from 1 to %d", uint64(maxSeq))
	}
	if len(e.Data)+len(e.Op) > journal.MaxEntry {
		return kinds.Errorf(kinds.Limit, "journal: an entry of %d bytes", len(e.Data)+len(e.Op))
	}
	return j.db.Write(ctx, func(c *sqlitedb.Conn) error {
		n, err := j.made(c, p)
		if err != nil {
			return err
		}
		id := n<<seqBits | int64(e.Seq)
		changed, err := c.Exec(`INSERT INTO journal_entry (id, op, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, id, e.Op, e.Data)
		if err != nil || changed == 1 {
			return err
		}
		return c.Query(func(cols []driver.Value) error {
			if cols[0] == e.Op {
				return nil
			}
			return &journal.Taken{Existing: entry(e.Seq, cols[0], cols[1])}
		}, `SELECT op, data FROM journal_entry WHERE id = ?`, id)
	})
}

// Read returns entries after a number, in order.
func (j *Journal) Read(ctx context.Context, p journal.Partition, after uint64, limit int) (entries []journal.Entry, more bool, err error) {
	if limit < 1 || limit > 1000 {
		return nil, false, kinds.Errorf(kinds.Invalid, "journal: a limit of %d", limit)
	}
	if after >= maxSeq {
		return nil, false, nil
	}
	err = j.db.Read(ctx, func(c *sqlitedb.Conn) error {
		n, err := j.known(c, p)
		if err != nil || n == 0 {
			return err
		}
		size := 0
		err = c.Query(func(cols []driver.Value) error {
			e := entry(uint64(cols[0].(int64)&maxSeq), cols[1], cols[2])
			size += len(e.Data)
			if len(entries) == limit || len(entries) > 0 && size > journal.MaxPage {
				more = true
				return errPageFull
			}
			entries = append(entries, e)
			return nil
		}, `SELECT id, op, data FROM journal_entry WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`,
			n<<seqBits|int64(after), n<<seqBits|maxSeq, int64(limit+1))
		if err == errPageFull {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return entries, more, nil
}

var errPageFull = kinds.Errorf(kinds.Internal, "journal: the page is full") // ends a query, never leaves Read

// Last returns the entry with the highest number.
func (j *Journal) Last(ctx context.Context, p journal.Partition) (last journal.Entry, err error) {
	err = j.db.Read(ctx, func(c *sqlitedb.Conn) error {
		n, err := j.known(c, p)
		if err != nil || n == 0 {
			return err
		}
		return c.Query(func(cols []driver.Value) error {
			last = entry(uint64(cols[0].(int64)&maxSeq), cols[1], cols[2])
			return nil
		}, `SELECT id, op, data FROM journal_entry WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT 1`,
			n<<seqBits, n<<seqBits|maxSeq)
	})
	if err == nil && last.Seq == 0 {
		err = kinds.Errorf(kinds.NotFound, "journal: the partition is empty")
	}
	return last, err
}

// Tail returns the entries with the highest numbers, in order.
func (j *Journal) Tail(ctx context.Context, p journal.Partition, limit int) (tail []journal.Entry, err error) {
	if limit < 1 || limit > 1000 {
		return nil, kinds.Errorf(kinds.Invalid, "journal: a limit of %d", limit)
	}
	err = j.db.Read(ctx, func(c *sqlitedb.Conn) error {
		n, err := j.known(c, p)
		if err != nil || n == 0 {
			return err
		}
		size := 0
		err = c.Query(func(cols []driver.Value) error {
			e := entry(uint64(cols[0].(int64)&maxSeq), cols[1], cols[2])
			size += len(e.Data)
			if len(tail) > 0 && size > journal.MaxPage {
				return errPageFull
			}
			tail = append(tail, e)
			return nil
		}, `SELECT id, op, data FROM journal_entry WHERE id > ? AND id <= ? ORDER BY id DESC LIMIT ?`,
			n<<seqBits, n<<seqBits|maxSeq, int64(limit))
		if err == errPageFull {
			return nil
		}
		return err
	})
	if err == nil && len(tail) == 0 {
		err = kinds.Errorf(kinds.NotFound, "journal: the partition is empty")
	}
	if err != nil {
		return nil, err
	}
	slices.Reverse(tail)
	return tail, nil
}

// Trim deletes entries up to a number, but never the last one.
func (j *Journal) Trim(ctx context.Context, p journal.Partition, through uint64) error {
	through = min(through, maxSeq)
	for {
		var changed int64
		err := j.db.Write(ctx, func(c *sqlitedb.Conn) error {
			n, err := j.number(c, p)
			if err != nil || n == 0 {
				return err
			}
			// In bites, so that a long trim doesn't hold up everybody's commits.
			changed, err = c.Exec(`DELETE FROM journal_entry WHERE id IN (SELECT id FROM journal_entry
				WHERE id > ?1 AND id <= ?2 AND id < (SELECT max(id) FROM journal_entry WHERE id > ?1 AND id <= ?3)
				ORDER BY id LIMIT 500)`, n<<seqBits, n<<seqBits|int64(through), n<<seqBits|maxSeq)
			return err
		})
		if err != nil || changed == 0 {
			return err
		}
	}
}

// known gives the partition's number to a reader, 0 when it has none, and remembers it:
// what a reader sees is committed.
func (j *Journal) known(c *sqlitedb.Conn, p journal.Partition) (int64, error) {
	if n := j.remembered(p); n != 0 {
		return n, nil
	}
	n, err := j.number(c, p)
	if n == 0 || err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.numbers) >= keepNumbers {
		clear(j.numbers)
	}
	j.numbers[p] = n
	return n, nil
}

func (j *Journal) remembered(p journal.Partition) int64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.numbers[p]
}

// made gives the partition's number to the writer, and a new one where it has none.
func (j *Journal) made(c *sqlitedb.Conn, p journal.Partition) (int64, error) {
	n, err := j.number(c, p)
	if n != 0 || err != nil {
		return n, err
	}
	if _, err := c.Exec(`INSERT INTO journal_partition (name) VALUES (?)`, string(p)); err != nil {
		return 0, err
	}
	if n, err = j.number(c, p); n > maxPartitions {
		return 0, kinds.Errorf(kinds.Limit, "journal: more than %d partitions", maxPartitions)
	}
	return n, err
}

func (j *Journal) number(c *sqlitedb.Conn, p journal.Partition) (n int64, err error) {
	if n = j.remembered(p); n != 0 {
		return n, nil
	}
	err = c.Query(func(cols []driver.Value) error {
		n = cols[0].(int64)
		return nil
	}, `SELECT number FROM journal_partition WHERE name = ?`, string(p))
	return n, err
}

func entry(seq uint64, op, data driver.Value) journal.Entry {
	e := journal.Entry{Seq: seq, Op: op.(string)}
	e.Data, _ = data.([]byte)
	return e
}
