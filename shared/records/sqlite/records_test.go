package sqlite_test

import (
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/records/recordstest"
	"github.com/godwit-mail/godwit/shared/records/sqlite"
)

func TestContract(t *testing.T) {
	recordstest.Run(t, func(t *testing.T) recordstest.World {
		clock, path := porttest.NewClock(), filepath.Join(t.TempDir(), "records.db")
		db, d := open(t, path, clock)
		return recordstest.World{Driver: d, Now: clock.Now, Advance: clock.Advance, Reopen: func(t *testing.T) records.Driver {
			porttest.OK(t, db.Close())
			db, d = open(t, path, clock)
			return d
		}}
	})
}

func open(t *testing.T, path string, clock *porttest.Clock) (*sqlitedb.DB, *sqlite.Records) {
	t.Helper()
	db, err := sqlitedb.Open(path)
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, db.Close()) })
	d, err := sqlite.New(db, clock.Now)
	porttest.OK(t, err)
	return db, d
}

func TestWhatHasExpiredIsRemovedInTheEnd(t *testing.T) {
	clock := porttest.NewClock()
	db, d := open(t, filepath.Join(t.TempDir(), "records.db"), clock)
	for i := range 20 {
		k := records.Key{Space: "s", ID: fmt.Sprint(i)}
		_, err := d.Put(t.Context(), records.Record{Key: k, Expires: clock.Now().Add(time.Minute)}, 0)
		porttest.OK(t, err)
		_, err = d.Add(t.Context(), k, 1, time.Minute)
		porttest.OK(t, err)
	}
	clock.Advance(time.Hour)
	_, err := d.Put(t.Context(), records.Record{Key: records.Key{Space: "s", ID: "kept"}}, 0)
	porttest.OK(t, err)
	var rows int64
	porttest.OK(t, db.Read(t.Context(), func(c *sqlitedb.Conn) error {
		return c.Query(func(cols []driver.Value) error {
			rows = cols[0].(int64)
			return nil
		}, `SELECT (SELECT count(*) FROM record) + (SELECT count(*) FROM record_counter)`)
	}))
	if rows != 1 {
		t.Errorf("%d rows are left, want the one that is kept", rows)
	}
}
