package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/journal/journaltest"
	"github.com/godwit-mail/godwit/shared/journal/sqlite"
)

func TestContract(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.World {
		clock, path := porttest.NewClock(), filepath.Join(t.TempDir(), "journal.db")
		db, d := open(t, path, clock)
		return journaltest.World{Driver: d, Advance: clock.Advance, Reopen: func(t *testing.T) journal.Driver {
			porttest.OK(t, db.Close())
			db, d = open(t, path, clock)
			return d
		}}
	})
}

func open(t *testing.T, path string, clock *porttest.Clock) (*sqlitedb.DB, *sqlite.Journal) {
	t.Helper()
	db, err := sqlitedb.Open(path)
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, db.Close()) })
	d, err := sqlite.New(db, clock.Now)
	porttest.OK(t, err)
	return db, d
}
