package compact_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/godwit-mail/godwit/functions/compact"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/compaction"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// sent keeps what is asked for.
type sent struct {
	queue.Driver
	msgs []queue.Received
}

func (s *sent) Send(_ context.Context, name string, msgs ...queue.Message) error {
	for _, m := range msgs {
		s.msgs = append(s.msgs, queue.Received{ID: name + " " + m.Group, Body: m.Body})
	}
	return nil
}

// accounts fails for those it has an error for.
type accounts struct {
	errs map[account.ID]error
	done []string
}

func (a *accounts) Compact(_ context.Context, ref account.Ref, whole bool) (account.Compacted, error) {
	what := string(ref.ID)
	if whole {
		what += " whole"
	}
	a.done = append(a.done, what)
	return account.Compacted{Entries: 1}, a.errs[ref.ID]
}

func TestWhatAnotherTryMayMendComesAgain(t *testing.T) {
	q := &sent{}
	ask := compaction.Asker(q)
	for _, id := range []account.ID{"fine", "busy", "busy", "gone", "broken", "newer", "fine"} {
		if err := ask(t.Context(), account.Ref{ID: id, Epoch: 1, Tenant: "t1"}, id == "broken"); err != nil {
			t.Error(err)
		}
	}
	if q.msgs[0].ID != "compact t1" {
		t.Errorf("sent to %s", q.msgs[0].ID)
	}
	q.msgs = append(q.msgs, queue.Received{Body: []byte("no job")})
	a := &accounts{errs: map[account.ID]error{
		"busy":   kinds.Errorf(kinds.Unavailable, "busy"),
		"gone":   kinds.Errorf(kinds.NotFound, "gone"),
		"broken": kinds.Errorf(kinds.Corrupt, "broken"),
		"newer":  kinds.Errorf(kinds.TooNew, "newer"),
	}}
	step := &compact.Step{Accounts: a, Log: slog.New(slog.DiscardHandler)}
	errs := step.Handle(t.Context(), q.msgs)
	for i, err := range errs {
		if again := i == 1 || i == 2; again != (err != nil) || again && !errors.Is(err, a.errs["busy"]) {
			t.Errorf("job %d: %v", i, err)
		}
	}
	if want := []string{"fine", "busy", "busy", "gone", "broken whole", "newer"}; !slices.Equal(a.done, want) {
		t.Errorf("done %v", a.done)
	}
	for _, err := range step.HandleDead(t.Context(), q.msgs) {
		if err := err; err != nil {
			t.Error(err)
		}
	}
}
