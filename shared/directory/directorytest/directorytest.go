// Package directorytest makes directories for tests, over the embedded twins.
package directorytest

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal"
	journalsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/records"
	recordssqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
)

// World is a directory and what is around it.
type World struct {
	*directory.Directory
	Records     records.Driver
	Journal     journal.Driver
	Store       *account.Store
	Clock       *porttest.Clock
	Evaluations *atomic.Int64       // of password hashes
	Calls       *observe.Counter    // of the records port
	TXT         map[string][]string // what DNS says
	Forward     bool                // of processes that are made from now on: mail may be led elsewhere
}

// New makes a world in a folder of its own.
func New(t testing.TB) *World {
	t.Helper()
	clock := porttest.NewClock()
	db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "test.db"))
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, db.Close()) })
	r, err := recordssqlite.New(db, clock.Now)
	porttest.OK(t, err)
	j, err := journalsqlite.New(db, clock.Now)
	porttest.OK(t, err)
	w := &World{Records: r, Journal: j, Clock: clock, Evaluations: new(atomic.Int64), Calls: new(observe.Counter), TXT: map[string][]string{}}
	w.Directory, w.Store = w.Process(nil)
	return w
}

// EmptyJournal is one that may take the place of Journal, as a table does that was restored.
func (w *World) EmptyJournal(t testing.TB) journal.Driver {
	t.Helper()
	db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "journal.db"))
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, db.Close()) })
	j, err := journalsqlite.New(db, w.Clock.Now)
	porttest.OK(t, err)
	return j
}

// Process is another process on the same data, with faults if there is a plan.
func (w *World) Process(plan *faults.Plan) (*directory.Directory, *account.Store) {
	r, j := w.Records, w.Journal
	if plan != nil {
		r, j = faults.Records(r, plan), faults.Journal(j, plan)
	}
	r = observe.Records(r, w.Calls.Hook)
	store := account.New(account.Config{Journal: j, Now: w.Clock.Now})
	return directory.New(directory.Config{Forward: w.Forward,
		Records: r, Accounts: directory.Journals(store), Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler),
		Passwords: directory.Passwords{Evaluated: func() { w.Evaluations.Add(1) }},
		LookupTXT: func(_ context.Context, name string) ([]string, error) { return w.TXT[name], nil },
	}), store
}
