package spool_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	queuesqlite "github.com/godwit-mail/godwit/shared/queue/sqlite"
	recordssqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
	"github.com/godwit-mail/godwit/shared/spool"
)

func open(t *testing.T) (*spool.Spool, *porttest.Clock) {
	t.Helper()
	db, err := sqlitedb.Open(filepath.Join(t.TempDir(), "x.db"))
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, db.Close()) })
	clock := porttest.NewClock()
	r, err := recordssqlite.New(db, clock.Now)
	porttest.OK(t, err)
	q, err := queuesqlite.New(db, queuesqlite.Options{Now: clock.Now})
	porttest.OK(t, err)
	return &spool.Spool{Records: r, Queue: q, Now: clock.Now}, clock
}

func park(t *testing.T, s *spool.Spool, name string, j spool.Job) string {
	t.Helper()
	id, err := s.Park(t.Context(), name, j)
	porttest.OK(t, err)
	return id
}

func TestAParkedJobIsListedShownAndTriedAgain(t *testing.T) {
	s, clock := open(t)
	body := bytes.Repeat([]byte{'x'}, queue.MaxBody)
	accepted := clock.Now().Add(-time.Hour)
	id := park(t, s, "1", spool.Job{Queue: queue.Deliver, Tenant: "acme", Correlation: "m1", Kind: "corrupt",
		Reason: "account x: " + strings.Repeat("ä", 2000), Failures: 5, Accepted: accepted, Body: body})
	j, err := s.Get(t.Context(), id)
	porttest.OK(t, err)
	if j.ID != id || j.Tenant != "acme" || j.Correlation != "m1" || j.Kind != "corrupt" || j.Failures != 5 ||
		!strings.HasPrefix(j.Reason, "account x: ") || !j.Accepted.Equal(accepted) || !j.Parked.Equal(clock.Now()) || !bytes.Equal(j.Body, body) {
		t.Errorf("got %+v", j)
	}
	porttest.OK(t, s.Retry(t.Context(), id))
	got, err := s.Queue.Receive(t.Context(), queue.Deliver, 10, 0, time.Minute)
	porttest.OK(t, err)
	if len(got) != 1 || got[0].Group != "acme" || !bytes.Equal(got[0].Body, body) {
		t.Errorf("the queue has %d jobs", len(got))
	}
	_, err = s.Get(t.Context(), id)
	porttest.Kind(t, err, kinds.NotFound)
	porttest.Kind(t, s.Retry(t.Context(), id), kinds.NotFound)
}

func TestParkingAgainIsNoSecondJob(t *testing.T) {
	s, clock := open(t)
	j := spool.Job{Queue: queue.Deliver, Tenant: "acme", Accepted: clock.Now(), Body: []byte("x")}
	first := park(t, s, "1", j)
	clock.Advance(time.Minute)
	if again := park(t, s, "1", j); again != first {
		t.Errorf("%s became %s", first, again)
	}
	if other := park(t, s, "2", j); other == first {
		t.Error("another job has the same id")
	}
	jobs, err := s.List(t.Context(), "", "", spool.MaxPage)
	porttest.OK(t, err)
	if len(jobs) != 2 {
		t.Errorf("%d jobs are parked", len(jobs))
	}
}

func TestAListIsOneTenantsInOrderByPages(t *testing.T) {
	s, clock := open(t)
	for i, name := range []string{"a", "b", "c"} {
		at := clock.Now().Add(time.Duration(-i) * time.Hour)
		park(t, s, name, spool.Job{Queue: queue.Deliver, Tenant: "acme", Correlation: name, Accepted: at})
		park(t, s, name+"2", spool.Job{Queue: queue.Deliver, Tenant: "acme2", Accepted: at})
	}
	park(t, s, "d", spool.Job{Queue: queue.Deliver, Tenant: "../x", Accepted: clock.Now()})
	park(t, s, "e", spool.Job{Queue: queue.Deliver})
	var order []string
	after := ""
	for {
		page, err := s.List(t.Context(), "acme", after, 2)
		porttest.OK(t, err)
		for _, j := range page {
			order, after = append(order, j.Correlation), j.ID
		}
		if len(page) < 2 {
			break
		}
	}
	if got := strings.Join(order, ""); got != "cba" {
		t.Errorf("listed %q", got)
	}
	all, err := s.List(t.Context(), "", "", spool.MaxPage)
	porttest.OK(t, err)
	if len(all) != 8 {
		t.Errorf("%d of 8 jobs", len(all))
	}
	_, err = s.List(t.Context(), "", "", 0)
	porttest.Kind(t, err, kinds.Invalid)
}

func TestADroppedJobIsGone(t *testing.T) {
	s, _ := open(t)
	id := park(t, s, "1", spool.Job{Queue: queue.Deliver, Tenant: "acme"})
	porttest.OK(t, s.Drop(t.Context(), id))
	porttest.Kind(t, s.Drop(t.Context(), id), kinds.NotFound)
	for _, bad := range []string{"", "acme/", strings.Repeat("x", 2000)} {
		_, err := s.Get(t.Context(), bad)
		porttest.Kind(t, err, kinds.NotFound)
	}
}
