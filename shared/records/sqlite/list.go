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

const columns = `id, version, due, expires, value`

// List returns records of a space by prefix, in byte order.
func (r *Records) List(ctx context.Context, space, prefix, after string, limit int) ([]records.Record, error) {
	if err := checkPage(space, limit); err != nil {
		return nil, err
	}
	start := []byte(prefix)
	if after >= prefix {
		start = append([]byte(after), 0) // the least key greater than after
	}
	return r.page(ctx, space, limit, `SELECT `+columns+` FROM record
		WHERE space = ?1 AND id >= ?2 AND id < ?3 AND (expires = 0 OR expires > ?4) ORDER BY id LIMIT ?5`,
		[]byte(space), start, behind(prefix), r.now().Unix(), int64(limit))
}

// Due returns records that are due, the earliest first.
func (r *Records) Due(ctx context.Context, space string, before time.Time, limit int) ([]records.Record, error) {
	if err := checkPage(space, limit); err != nil {
		return nil, err
	}
	return r.page(ctx, space, limit, `SELECT `+columns+` FROM record
		WHERE space = ? AND due > 0 AND due <= ? AND (expires = 0 OR expires > ?) ORDER BY due LIMIT ?`,
		[]byte(space), before.UnixMilli(), r.now().Unix(), int64(limit))
}

func (r *Records) page(ctx context.Context, space string, limit int, sql string, args ...any) (found []records.Record, err error) {
	err = r.db.Read(ctx, func(c *sqlitedb.Conn) error {
		return c.Query(func(cols []driver.Value) error {
			found = append(found, record(space, cols))
			return nil
		}, sql, args...)
	})
	return found, err
}

// get reads one record, nil when it isn't there or has expired.
func get(c *sqlitedb.Conn, k records.Key, now int64) (found *records.Record, err error) {
	err = c.Query(func(cols []driver.Value) error {
		r := record(k.Space, cols)
		found = &r
		return nil
	}, `SELECT `+columns+` FROM record WHERE space = ? AND id = ? AND (expires = 0 OR expires > ?)`, []byte(k.Space), []byte(k.ID), now)
	return found, err
}

func record(space string, cols []driver.Value) records.Record {
	id, _ := cols[0].([]byte)
	r := records.Record{Key: records.Key{Space: space, ID: string(id)}, Version: uint64(cols[1].(int64))}
	if due := cols[2].(int64); due > 0 {
		r.Due = time.UnixMilli(due)
	}
	if expires := cols[3].(int64); expires > 0 {
		r.Expires = time.Unix(expires, 0)
	}
	r.Value, _ = cols[4].([]byte)
	return r
}

// behind gives a string greater than all keys with the prefix.
func behind(prefix string) []byte {
	b := []byte(prefix)
	for len(b) > 0 {
		if b[len(b)-1]++; b[len(b)-1] != 0 {
			return b
		}
		b = b[:len(b)-1]
	}
	return bytes.Repeat([]byte{0xff}, records.MaxKey+1)
}

func checkPage(space string, limit int) error {
	if space == "" || len(space) > records.MaxKey || limit < 1 || limit > records.MaxPage {
		return kinds.Errorf(kinds.Invalid, "records: a page of %d", limit)
	}
	return nil
}
