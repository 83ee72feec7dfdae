package observe_test

import (
	"context"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob/blobtest"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/journal/journaltest"
	jsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
	"github.com/godwit-mail/godwit/shared/notify/notifytest"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/queue/queuetest"
	qsqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
	"github.com/godwit-mail/godwit/shared/records/recordstest"
	rsqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
)

func TestCallsAreCountedByPortAndMethod(t *testing.T) {
	var c observe.Counter
	d, err := files.New(filepath.Join(t.TempDir(), "blobs"), files.OS{})
	porttest.OK(t, err)
	b, n := observe.Blob(d, c.Hook), observe.Notify(inprocess.New(), c.Hook)
	for range 2 {
		porttest.OK(t, b.Put(t.Context(), "a", strings.NewReader("x"), 1))
	}
	_, err = b.Stat(t.Context(), "b")
	porttest.Kind(t, err, kinds.NotFound)
	porttest.Kind(t, n.Tell(t.Context(), "nobody", notify.Event{}), kinds.NotFound)
	if got, want := c.Calls(), map[string]int{"blob.Put": 2, "blob.Stat": 1, "notify.Tell": 1}; !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if c.Total("") != 4 || c.Total("blob") != 3 || c.Total("blo") != 0 || c.Total("journal") != 0 {
		t.Errorf("totals %d, %d, %d, %d", c.Total(""), c.Total("blob"), c.Total("blo"), c.Total("journal"))
	}
	if c.Reset(); c.Total("") != 0 {
		t.Errorf("after a reset %d", c.Total(""))
	}
}

func TestTheHookIsToldOfErrorAndTime(t *testing.T) {
	began := time.Now()
	var told error
	n := observe.Notify(inprocess.New(), func(port, method string, start time.Time, err error) {
		if told = err; port != "notify" || method != "Tell" || start.Before(began) || start.After(time.Now()) {
			t.Errorf("told %s.%s at %v", port, method, start)
		}
	})
	err := n.Tell(context.Background(), "nobody", notify.Event{})
	if err == nil || told != err {
		t.Errorf("told %v, returned %v", told, err)
	}
}

func TestAnObservedDriverKeepsItsContract(t *testing.T) {
	var c observe.Counter
	db := func(t *testing.T) *sqlitedb.DB {
		db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "x.db"))
		porttest.OK(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	}
	journaltest.Run(t, func(t *testing.T) journaltest.World {
		clock := porttest.NewClock()
		d, err := jsqlite.New(db(t), clock.Now)
		porttest.OK(t, err)
		return journaltest.World{Driver: observe.Journal(d, c.Hook), Advance: clock.Advance}
	})
	queuetest.Run(t, func(t *testing.T) queuetest.World {
		clock := porttest.NewClock()
		d, err := qsqlite.New(db(t), qsqlite.Options{Now: clock.Now, Redrive: 3})
		porttest.OK(t, err)
		return queuetest.World{Driver: observe.Queue(d, c.Hook), Redrive: 3, Strict: true, Fair: true, Advance: clock.Advance}
	})
	recordstest.Run(t, func(t *testing.T) recordstest.World {
		clock := porttest.NewClock()
		d, err := rsqlite.New(db(t), clock.Now)
		porttest.OK(t, err)
		return recordstest.World{Driver: observe.Records(d, c.Hook), Now: clock.Now, Advance: clock.Advance}
	})
	blobtest.Run(t, func(t *testing.T) blobtest.World {
		d, err := files.New(filepath.Join(t.TempDir(), "blobs"), files.OS{})
		porttest.OK(t, err)
		return blobtest.World{Driver: observe.Blob(d, c.Hook)}
	})
	notifytest.Run(t, func(t *testing.T) notify.Driver { return observe.Notify(inprocess.New(), c.Hook) })
	for _, port := range []string{"journal", "queue", "records", "blob", "notify"} {
		if c.Total(port) == 0 {
			t.Errorf("no call of %s was counted", port)
		}
	}
}
