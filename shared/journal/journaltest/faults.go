package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func race(t *testing.T, w World) {
	const writers, rounds = 8, 10
	for seq := uint64(1); seq <= rounds; seq++ {
		var mu sync.Mutex
		var winners []string
		told := map[string]bool{}
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				op := fmt.Sprint("writer", i)
				err := w.Driver.Append(t.Context(), p, entry(seq, op, op))
				mu.Lock()
				defer mu.Unlock()
				var tk *journal.Taken
				switch {
				case err == nil:
					winners = append(winners, op)
				case errors.As(err, &tk):
					told[tk.Existing.Op] = true
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 || len(told) != 1 || !told[winners[0]] {
			t.Fatalf("entry %d: won by %v, the others were told %v", seq, winners, told)
		}
		e, err := w.Driver.Last(t.Context(), p)
		porttest.OK(t, err)
		if !same(e, entry(seq, winners[0], winners[0])) {
			t.Fatalf("entry %d was won by %v, and there is %v", seq, winners[0], e)
		}
	}
}

func consistent(t *testing.T, w World) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := journal.Partition(fmt.Sprint("account.", i))
			for seq := uint64(1); seq <= 20; seq++ {
				if err := w.Driver.Append(t.Context(), p, entry(seq, fmt.Sprint(seq), "x")); err != nil {
					t.Error(err)
					return
				}
				e, err := w.Driver.Last(t.Context(), p)
				page, _, err2 := w.Driver.Read(t.Context(), p, seq-1, 10)
				if err != nil || err2 != nil || e.Seq != seq || len(page) != 1 {
					t.Errorf("after append %d: last %d (%v), read %v (%v)", seq, e.Seq, err, numbers(page), err2)
					return
				}
			}
		})
	}
	wg.Wait()
}

func lostReply(t *testing.T, w World) {
	d := faults.Journal(w.Driver, faults.First("journal.Append", faults.FailAfter))
	porttest.Kind(t, d.Append(t.Context(), p, entry(1, "mine", "x")), kinds.Unavailable)
	porttest.OK(t, d.Append(t.Context(), p, entry(1, "mine", "x")))
	d = faults.Journal(w.Driver, faults.First("journal.Append", faults.Repeat))
	porttest.OK(t, d.Append(t.Context(), p, entry(2, "mine too", "y")))
	if got := all(t, w.Driver, p, 10); len(got) != 2 || !same(got[0], entry(1, "mine", "x")) || !same(got[1], entry(2, "mine too", "y")) {
		t.Errorf("there is %v", got)
	}
}

func late(t *testing.T, w World) {
	// It comes just before the other's: the other is told of it, and the retry finds itself.
	d := faults.Journal(w.Driver, faults.First("journal.Append", faults.LateBefore))
	porttest.Kind(t, d.Append(t.Context(), p, entry(1, "late", "x")), kinds.Unavailable)
	var tk *journal.Taken
	if err := d.Append(t.Context(), p, entry(1, "other", "y")); !errors.As(err, &tk) || tk.Existing.Op != "late" {
		t.Fatalf("error %v, want Taken by the late one", err)
	}
	porttest.OK(t, d.Append(t.Context(), p, entry(1, "late", "x")))
	// It comes just after the other's: it changes nothing, and the retry is told.
	d = faults.Journal(w.Driver, faults.First("journal.Append", faults.LateAfter))
	porttest.Kind(t, d.Append(t.Context(), p, entry(2, "late", "x")), kinds.Unavailable)
	porttest.OK(t, d.Append(t.Context(), p, entry(2, "other", "y")))
	if err := d.Append(t.Context(), p, entry(2, "late", "x")); !errors.As(err, &tk) || tk.Existing.Op != "other" {
		t.Fatalf("error %v, want Taken by the other", err)
	}
	if got := all(t, w.Driver, p, 10); len(got) != 2 || got[0].Op != "late" || got[1].Op != "other" {
		t.Errorf("there is %v", got)
	}
}

func gaveUp(t *testing.T, w World) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Driver.Append(ctx, p, entry(1, "op", "x")); err != nil {
		porttest.Kind(t, err, kinds.Unavailable)
	}
	porttest.OK(t, w.Driver.Append(t.Context(), p, entry(1, "op", "x"))) // whether it took place or not
	if got := all(t, w.Driver, p, 10); len(got) != 1 {
		t.Errorf("there is %v", got)
	}
}
