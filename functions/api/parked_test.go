package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	jobs "github.com/godwit-mail/godwit/shared/spool"
)

// sends keeps what is sent.
type sends struct {
	queue.Driver
	bodies [][]byte
}

func (s *sends) Send(_ context.Context, _ string, msgs ...queue.Message) error {
	for _, m := range msgs {
		s.bodies = append(s.bodies, m.Body)
	}
	return nil
}

// What was parked before the window is tried again only by who says that it may take place
// twice, and then nobody looks for what is no more.
func TestARetryFromBeforeTheWindowMayDuplicate(t *testing.T) {
	w := directorytest.New(t)
	q := &sends{}
	spool := &jobs.Spool{Records: w.Records, Queue: q, Now: w.Clock.Now}
	parked := api.Parked(spool, 30*24*time.Hour)
	park := func(body []byte) string {
		id, err := spool.Park(t.Context(), string(body), jobs.Job{Queue: queue.Deliver, Tenant: "t1", Accepted: w.Clock.Now(), Body: body})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(id, "/", ".", 1)
	}
	job := func() []byte {
		j := &delivery.Job{Transaction: "x", Tenant: "t1", Received: w.Clock.Now().UnixMilli(),
			Recipients: []delivery.Recipient{{Account: account.Ref{ID: "a", Epoch: 1}, Seen: 7}}}
		body, err := j.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	seen := func() uint64 {
		j, err := delivery.Decode(q.bodies[len(q.bodies)-1])
		if err != nil {
			t.Fatal(err)
		}
		return j.Recipients[0].Seen
	}
	young := park(job())
	w.Clock.Advance(29 * 24 * time.Hour)
	if err := parked.Retry(t.Context(), "t1", young, true); err != nil || seen() != 7 {
		t.Errorf("a job of the window: %v, seen %d", err, seen())
	}
	old, junk := park(job()), park([]byte("junk"))
	w.Clock.Advance(31 * 24 * time.Hour)
	if err := parked.Retry(t.Context(), "t1", old, false); !kinds.Is(err, kinds.Conflict) || len(q.bodies) != 1 {
		t.Errorf("an old job: %v", err)
	}
	if err := parked.Retry(t.Context(), "t1", old, true); err != nil || seen() != account.DontSearch {
		t.Errorf("an old job that may duplicate: %v, seen %d", err, seen())
	}
	if err := parked.Retry(t.Context(), "t1", junk, false); err != nil || string(q.bodies[2]) != "junk" {
		t.Errorf("what is no job: %v", err)
	}
}
