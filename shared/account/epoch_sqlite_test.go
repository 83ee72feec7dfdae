//go:build !localstack

package account

import (
	"path/filepath"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/journal/sqlite"
)

// twin makes empty journals of the twin that this build is about.
func twin(t *testing.T, clock *porttest.Clock) func() journal.Driver {
	return func() journal.Driver {
		t.Helper()
		db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "journal.db"))
		porttest.OK(t, err)
		t.Cleanup(func() { porttest.OK(t, db.Close()) })
		d, err := sqlite.New(db, clock.Now)
		porttest.OK(t, err)
		return d
	}
}
