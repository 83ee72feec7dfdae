package sqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/queue/queuetest"
	"github.com/godwit-mail/godwit/shared/queue/sqlite"
)

func TestContract(t *testing.T) {
	t.Run("well-behaved", func(t *testing.T) { contract(t, nil) })
	t.Run("nasty", func(t *testing.T) { contract(t, &sqlite.Nasty{Seed: 1}) })
	t.Run("nasty in another order", func(t *testing.T) { contract(t, &sqlite.Nasty{Seed: 2}) })
}

func contract(t *testing.T, nasty *sqlite.Nasty) {
	queuetest.Run(t, func(t *testing.T) queuetest.World {
		clock, path := porttest.NewClock(), filepath.Join(t.TempDir(), "queue.db")
		o := sqlite.Options{Now: clock.Now, Redrive: 3, Nasty: nasty}
		db, d := open(t, path, o)
		return queuetest.World{Driver: d, Redrive: o.Redrive, Strict: nasty == nil, Fair: nasty == nil, Advance: clock.Advance,
			Reopen: func(t *testing.T) queue.Driver {
				porttest.OK(t, db.Close())
				db, d = open(t, path, o)
				return d
			}}
	})
}

func open(t *testing.T, path string, o sqlite.Options) (*sqlitedb.DB, *sqlite.Queue) {
	t.Helper()
	db, err := sqlitedb.Open(path)
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, db.Close()) })
	d, err := sqlite.New(db, o)
	porttest.OK(t, err)
	return db, d
}

// order sends messages to a nasty queue and tells in what order and how often they come.
func order(t *testing.T, seed uint64) (got []string) {
	t.Helper()
	clock := porttest.NewClock()
	_, d := open(t, filepath.Join(t.TempDir(), "queue.db"), sqlite.Options{Now: clock.Now, Nasty: &sqlite.Nasty{Seed: seed}})
	for i := range 40 {
		porttest.OK(t, d.Send(t.Context(), "jobs", queue.Message{Group: fmt.Sprint(i % 3), Body: []byte(fmt.Sprint(i))}))
	}
	for {
		page, err := d.Receive(t.Context(), "jobs", 5, 0, time.Minute)
		porttest.OK(t, err)
		if len(page) == 0 {
			return got
		}
		for _, r := range page {
			got = append(got, string(r.Body))
		}
	}
}

func TestANastyQueueShufflesAndRepeatsAsItsSeedSays(t *testing.T) {
	one, same, other := order(t, 1), order(t, 1), order(t, 2)
	if fmt.Sprint(one) != fmt.Sprint(same) {
		t.Errorf("the same seed gave %v and %v", one, same)
	}
	if fmt.Sprint(one) == fmt.Sprint(other) {
		t.Errorf("two seeds gave the same order %v", one)
	}
	if len(one) <= 40 {
		t.Errorf("of 40 messages none came twice: %v", one)
	}
}

func TestAWaitingReceiveIsWokenWhenADelayEnds(t *testing.T) {
	_, d := open(t, filepath.Join(t.TempDir(), "queue.db"), sqlite.Options{})
	porttest.OK(t, d.Send(t.Context(), "jobs", queue.Message{Group: "g", Body: []byte("x"), Delay: 30 * time.Millisecond}))
	for range 3 { // its delay, then its visibility, twice
		got, err := d.Receive(t.Context(), "jobs", 1, queue.MaxWait, 30*time.Millisecond)
		porttest.OK(t, err)
		if len(got) != 1 {
			t.Fatal("the wait ended without a message")
		}
	}
}

func TestAQueueOverAClosedDatabaseIsUnavailable(t *testing.T) {
	db, d := open(t, filepath.Join(t.TempDir(), "queue.db"), sqlite.Options{})
	m := queue.Message{Group: "g", Body: []byte("x")}
	porttest.OK(t, d.Send(t.Context(), "jobs", m))
	porttest.OK(t, db.Close())
	porttest.Kind(t, d.Send(t.Context(), "jobs", m), kinds.Unavailable)
	_, err := d.Receive(t.Context(), "jobs", 1, 0, time.Minute)
	porttest.Kind(t, err, kinds.Unavailable)
	depth, err := d.Depth(t.Context(), "jobs")
	if err != nil || depth.Visible != 1 {
		t.Errorf("the message that nobody got does not wait: %+v, %v", depth, err)
	}
}

func TestBeingNastyAloneMakesNoDeadLetters(t *testing.T) {
	clock := porttest.NewClock()
	_, d := open(t, filepath.Join(t.TempDir(), "queue.db"), sqlite.Options{Now: clock.Now, Redrive: 3, Nasty: &sqlite.Nasty{Seed: 3}})
	for range 20 {
		msgs := make([]queue.Message, queue.MaxBatch)
		porttest.OK(t, d.Send(t.Context(), "jobs", msgs...))
	}
	for { // nobody deletes, and nobody lets a visibility end
		got, err := d.Receive(t.Context(), "jobs", 10, 0, time.Minute)
		porttest.OK(t, err)
		for _, r := range got {
			if r.Count > 2 {
				t.Errorf("a message was handed out %d times", r.Count)
			}
		}
		if len(got) == 0 {
			break
		}
	}
	depth, err := d.Depth(t.Context(), queue.Dead("jobs"))
	if err != nil || depth != (queue.Depth{}) {
		t.Errorf("dead letters: %+v, %v", depth, err)
	}
}

// FuzzReceipt: a receipt that the queue hasn't given removes nothing.
func FuzzReceipt(f *testing.F) {
	db, err := sqlitedb.Open(filepath.Join(f.TempDir(), "queue.db"))
	porttest.OK(f, err)
	f.Cleanup(func() { db.Close() })
	d, err := sqlite.New(db, sqlite.Options{})
	porttest.OK(f, err)
	porttest.OK(f, d.Send(f.Context(), "jobs", queue.Message{Group: "g", Body: []byte("x")}))
	got, err := d.Receive(f.Context(), "jobs", 1, 0, time.Hour)
	porttest.OK(f, err)
	for _, seed := range []string{got[0].ID, got[0].ID + ".0", got[0].ID + ".2", "." + got[0].Receipt, "", ".", "-1.1", "zzzzzzzzzzzzzzzzzz.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, receipt string) {
		if id, count, _ := strings.Cut(receipt, "."); strings.TrimLeft(strings.ToLower(id), "+0") == got[0].ID && strings.TrimLeft(count, "+0") == "1" {
			return
		}
		_ = d.Delete(t.Context(), "jobs", receipt)
		_ = d.Extend(t.Context(), "jobs", receipt, 0)
		if depth, err := d.Depth(t.Context(), "jobs"); err != nil || depth.InFlight != 1 {
			t.Fatalf("receipt %q leaves %+v, %v", receipt, depth, err)
		}
	})
}
