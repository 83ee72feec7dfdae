// Package portstest gives tests the drivers of one machine, over a folder of the test.
package portstest

import (
	"path/filepath"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	journalsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
	"github.com/godwit-mail/godwit/shared/ports"
	queuesqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
	recordssqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
)

// World is an empty embedded twin of each port, which all go by one clock.
type World struct {
	ports.Set
	Clock *porttest.Clock
}

// New makes a world, which ends with the test.
func New(t testing.TB) *World {
	t.Helper()
	w, dir := &World{Clock: porttest.NewClock()}, t.TempDir()
	db, err := sqlitedb.Open(filepath.Join(dir, "test.db"))
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, db.Close()) })
	w.Journal, err = journalsqlite.New(db, w.Clock.Now)
	porttest.OK(t, err)
	w.Records, err = recordssqlite.New(db, w.Clock.Now)
	porttest.OK(t, err)
	w.Queue, err = queuesqlite.New(db, queuesqlite.Options{Now: w.Clock.Now})
	porttest.OK(t, err)
	w.Blobs, err = files.New(filepath.Join(dir, "blobs"), files.OS{})
	porttest.OK(t, err)
	w.Notify = inprocess.New()
	return w
}
