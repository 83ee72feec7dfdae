// Package sqlite is the records' embedded twin.
package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// sweepEvery is how often a write also removes what has expired, sweepAtMost how much.
const (
	sweepEvery  = time.Minute
	sweepAtMost = 500
)

// Records keeps records and counters in a SQLite database.
type Records struct {
	db    *sqlitedb.DB
	now   func() time.Time
	swept time.Time // touched by the writer only
}

var _ records.Driver = (*Records)(nil)

// New makes the tables in db where they aren't there. now is the clock of expiry.
func New(db *sqlitedb.DB, now func() time.Time) (*Records, error) {
	// Keys are blobs: they compare by bytes and may hold any. 0 stands for no time.
	err := db.Schema(
		`CREATE TABLE IF NOT EXISTS record (space BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
			due INTEGER NOT NULL, expires INTEGER NOT NULL, value BLOB, PRIMARY KEY (space, id))`,
		`CREATE INDEX IF NOT EXISTS record_due ON record (space, due) WHERE due > 0`,
		`CREATE INDEX IF NOT EXISTS record_expires ON record (expires) WHERE expires > 0`,
		`CREATE TABLE IF NOT EXISTS record_counter (space BLOB NOT NULL, id BLOB NOT NULL, value INTEGER NOT NULL,
			expires INTEGER NOT NULL, PRIMARY KEY (space, id)) WITHOUT ROWID`,
		`CREATE INDEX IF NOT EXISTS record_counter_expires ON record_counter (expires) WHERE expires > 0`,
	)
	return &Records{db: db, now: now}, err
}

// Get returns the records that are there, in the order of keys.
func (r *Records) Get(ctx context.Context, keys ...records.Key) (found []records.Record, err error) {
	if len(keys) < 1 || len(keys) > records.MaxGet {
		return nil, kinds.Errorf(kinds.Invalid, "records: a get of %d keys", len(keys))
	}
	seen := make(map[records.Key]bool, len(keys))
	for _, k := range keys {
		if err := check(k); err != nil {
			return nil, err
		}
		if seen[k] {
			return nil, kinds.Errorf(kinds.Invalid, "records: a get of the same key twice")
		}
		seen[k] = true
	}
	now := r.now().Unix()
	err = r.db.Read(ctx, func(c *sqlitedb.Conn) error {
		for _, k := range keys {
			rec, err := get(c, k, now)
			if err != nil {
				return err
			}
			if rec != nil {
				found = append(found, *rec)
			}
		}
		return nil
	})
	return found, err
}

// Put writes a record if the stored version is ifVersion.
func (r *Records) Put(ctx context.Context, rec records.Record, ifVersion uint64) (uint64, error) {
	if err := check(rec.Key); err != nil {
		return 0, err
	}
	if len(rec.Value) > records.MaxValue {
		return 0, kinds.Errorf(kinds.Limit, "records: a value of %d bytes", len(rec.Value))
	}
	due, expires := stamp(rec.Due.UnixMilli(), rec.Due), stamp(rec.Expires.Unix(), rec.Expires)
	now := r.now()
	err := r.db.Write(ctx, func(c *sqlitedb.Conn) error {
		if err := r.sweep(c, now); err != nil {
			return err
		}
		old, err := get(c, rec.Key, now.Unix())
		if err != nil {
			return err
		}
		switch {
		case old == nil && ifVersion == 0, old != nil && old.Version == ifVersion:
		case old != nil && old.Version == ifVersion+1 && bytes.Equal(old.Value, rec.Value) &&
			stamp(old.Due.UnixMilli(), old.Due) == due && stamp(old.Expires.Unix(), old.Expires) == expires:
			return nil // this very write, whose reply was lost
		default:
			return &records.Changed{Key: rec.Key, Current: old}
		}
		_, err = c.Exec(`INSERT INTO record (space, id, version, due, expires, value) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET version = excluded.version, due = excluded.due, expires = excluded.expires, value = excluded.value`,
			[]byte(rec.Space), []byte(rec.ID), int64(ifVersion+1), due, expires, rec.Value)
		return err
	})
	if err != nil {
		return 0, err
	}
	return ifVersion + 1, nil
}

// Delete removes a record if it is at ifVersion.
func (r *Records) Delete(ctx context.Context, k records.Key, ifVersion uint64) error {
	if err := check(k); err != nil {
		return err
	}
	now := r.now().Unix()
	return r.db.Write(ctx, func(c *sqlitedb.Conn) error {
		if ifVersion != 0 {
			old, err := get(c, k, now)
			if err != nil {
				return err
			}
			if old != nil && old.Version != ifVersion {
				return &records.Changed{Key: k, Current: old}
			}
		}
		_, err := c.Exec(`DELETE FROM record WHERE space = ? AND id = ?`, []byte(k.Space), []byte(k.ID))
		return err
	})
}

// Add adds to a counter.
func (r *Records) Add(ctx context.Context, k records.Key, n int64, ttl time.Duration) (total int64, err error) {
	if err := check(k); err != nil {
		return 0, err
	}
	if ttl < 0 {
		return 0, kinds.Errorf(kinds.Invalid, "records: a time to live of %v", ttl)
	}
	now := r.now()
	var expires int64
	if ttl > 0 {
		expires = now.Add(ttl).UnixMilli()
	}
	err = r.db.Write(ctx, func(c *sqlitedb.Conn) error {
		if err := r.sweep(c, now); err != nil {
			return err
		}
		space, id := []byte(k.Space), []byte(k.ID)
		_, err := c.Exec(`DELETE FROM record_counter WHERE space = ? AND id = ? AND expires > 0 AND expires <= ?`, space, id, now.UnixMilli())
		if err != nil {
			return err
		}
		return c.Query(func(cols []driver.Value) error {
			total = cols[0].(int64)
			return nil
		}, `INSERT INTO record_counter (space, id, value, expires) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET value = value + excluded.value RETURNING value`, space, id, n, expires)
	})
	return total, err
}

// sweep removes some of what has expired. Nothing relies on it: an expired record is
// never returned.
func (r *Records) sweep(c *sqlitedb.Conn, now time.Time) error {
	if now.Sub(r.swept) < sweepEvery {
		return nil
	}
	r.swept = now
	_, err := c.Exec(`DELETE FROM record WHERE rowid IN (SELECT rowid FROM record WHERE expires > 0 AND expires <= ? LIMIT ?)`,
		now.Unix(), int64(sweepAtMost))
	if err != nil {
		return err
	}
	_, err = c.Exec(`DELETE FROM record_counter WHERE (space, id) IN
		(SELECT space, id FROM record_counter WHERE expires > 0 AND expires <= ? LIMIT ?)`, now.UnixMilli(), int64(sweepAtMost))
	return err
}

// stamp is a stored time: n, or 0 for the zero time.
func stamp(n int64, t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return max(n, 1)
}

func check(k records.Key) error {
	if k.Space == "" || k.ID == "" || len(k.Space) > records.MaxKey || len(k.ID) > records.MaxKey {
		return kinds.Errorf(kinds.Invalid, "records: a key of %d and %d bytes", len(k.Space), len(k.ID))
	}
	return nil
}
