package worker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// line hands out what it is given and notes what is done with it.
type line struct {
	queue.Driver
	jobs     chan []queue.Received
	waiting  []queue.Received // at the start
	mu       sync.Mutex
	deleted  []string
	extended map[string][]time.Duration
}

func newLine(batches ...[]queue.Received) *line {
	l := &line{jobs: make(chan []queue.Received, len(batches)), extended: map[string][]time.Duration{}}
	for _, b := range batches {
		l.jobs <- b
	}
	return l
}

func jobs(ids ...string) (all []queue.Received) {
	for _, id := range ids {
		all = append(all, queue.Received{ID: id, Receipt: id})
	}
	return all
}

func (l *line) Receive(ctx context.Context, name string, n int, wait, visibility time.Duration) ([]queue.Received, error) {
	if wait == 0 {
		l.mu.Lock()
		defer l.mu.Unlock()
		n = min(n, len(l.waiting))
		b := l.waiting[:n]
		l.waiting = l.waiting[n:]
		return b, nil
	}
	select {
	case b := <-l.jobs:
		return b, nil
	case <-time.After(wait):
		return nil, nil
	case <-ctx.Done():
		return nil, kinds.Wrap(kinds.Unavailable, ctx.Err(), "")
	}
}

func (l *line) Delete(ctx context.Context, name, receipt string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deleted = append(l.deleted, receipt)
	return ctx.Err()
}

func (l *line) Extend(ctx context.Context, name, receipt string, d time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.extended[receipt] = append(l.extended[receipt], d)
	return nil
}

// run runs a worker in a bubble until stop says so, and returns when it has ended.
func run(t *testing.T, l *line, handle func(context.Context, []queue.Received) []error, stop func(cancel func())) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &Worker{Queue: l, Name: "q", Handle: handle, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	stop(cancel)
	<-ended
}

func TestWhatIsDoneIsDeletedAndTheRestComesAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(jobs("a", "b"), jobs("c"))
		run(t, l, func(_ context.Context, batch []queue.Received) []error {
			errs := make([]error, len(batch))
			if batch[0].ID == "c" {
				panic("a defect")
			}
			errs[1] = kinds.Errorf(kinds.Unavailable, "no")
			return errs
		}, func(cancel func()) { synctest.Wait(); cancel() })
		if fmt.Sprint(l.deleted) != "[a]" || fmt.Sprint(l.extended) != "map[b:[5s] c:[5s]]" {
			t.Errorf("deleted %v, extended %v", l.deleted, l.extended)
		}
	})
}

func TestAJobStaysHiddenWhileItIsHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(jobs("a"))
		run(t, l, func(context.Context, []queue.Received) []error {
			<-time.After(3 * time.Minute)
			return []error{nil}
		}, func(cancel func()) { <-time.After(4 * time.Minute); cancel() })
		if n := len(l.extended["a"]); n < 8 || fmt.Sprint(l.deleted) != "[a]" {
			t.Errorf("extended %d times, deleted %v", n, l.deleted)
		}
	})
}

func TestAtTheEndABatchHasItsGraceAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(jobs("quick"), jobs("slow"))
		began := time.Now()
		run(t, l, func(ctx context.Context, batch []queue.Received) []error {
			wait := 5 * time.Second
			if batch[0].ID == "slow" {
				wait = time.Hour
			}
			select {
			case <-time.After(wait):
				return []error{nil}
			case <-ctx.Done():
				return []error{ctx.Err()}
			}
		}, func(cancel func()) { synctest.Wait(); cancel() })
		if d := time.Since(began); d != DefaultGrace || fmt.Sprint(l.deleted) != "[quick]" {
			t.Errorf("ended after %v, deleted %v", d, l.deleted)
		}
	})
}

// One of the jobs that wait at the start may have killed the process before.
func TestWhatWaitsAtTheStartIsTakenOneAtATime(t *testing.T) {
	for _, c := range []struct {
		name string
		each time.Duration // that a job takes
		want string
	}{
		{"quick", time.Second, "0s[a] 1s[b] 2s[c] 3s[d e]"},
		{"slow", 20 * time.Second, "0s[a] 20s[b] 30s[d e]"},
		{"for ever", time.Hour, "0s[a] 30s[d e]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(jobs("d", "e"))
				l.waiting = jobs("a", "b", "c")
				var mu sync.Mutex
				var got []string
				began := time.Now()
				run(t, l, func(ctx context.Context, batch []queue.Received) []error {
					text := time.Since(began).String() + "["
					for i, m := range batch {
						text += " "[:min(i, 1)] + m.ID
					}
					mu.Lock()
					got = append(got, text+"]")
					mu.Unlock()
					select {
					case <-time.After(c.each):
					case <-ctx.Done():
					}
					return make([]error, len(batch))
				}, func(cancel func()) { <-time.After(35 * time.Second); cancel() })
				if text := strings.Join(got, " "); text != c.want {
					t.Errorf("got %s, want %s", text, c.want)
				}
			})
		})
	}
}
