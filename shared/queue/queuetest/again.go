package queuetest

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

func limits(t *testing.T, w World) {
	d, ctx := w.Driver, t.Context()
	ok := queue.Message{Group: "g", Body: []byte("x")}
	porttest.Kind(t, d.Send(ctx, jobs), kinds.Invalid)
	porttest.Kind(t, d.Send(ctx, jobs, make([]queue.Message, queue.MaxBatch+1)...), kinds.Invalid)
	porttest.Kind(t, d.Send(ctx, jobs, ok, queue.Message{Body: make([]byte, queue.MaxBody+1)}), kinds.Limit)
	porttest.Kind(t, d.Send(ctx, jobs, queue.Message{Body: ok.Body, Delay: queue.MaxDelay + time.Second}), kinds.Invalid)
	porttest.Kind(t, d.Send(ctx, jobs, queue.Message{Body: ok.Body, Delay: -time.Second}), kinds.Invalid)
	for _, r := range []struct {
		max              int
		wait, visibility time.Duration
	}{{0, 0, hidden}, {queue.MaxBatch + 1, 0, hidden}, {1, queue.MaxWait + time.Second, hidden}, {1, -1, hidden}, {1, 0, queue.MaxVisibility + time.Second}, {1, 0, -1}} {
		_, err := d.Receive(ctx, jobs, r.max, r.wait, r.visibility)
		porttest.Kind(t, err, kinds.Invalid)
	}
	nothing(t, d, jobs)
	big := bytes.Repeat([]byte("b"), queue.MaxBody)
	porttest.OK(t, d.Send(ctx, jobs, queue.Message{Group: "g", Body: big}))
	r := one(t, d, jobs)
	if !bytes.Equal(r.Body, big) {
		t.Error("the largest body came back changed")
	}
	porttest.Kind(t, d.Extend(ctx, jobs, r.Receipt, queue.MaxVisibility+time.Second), kinds.Invalid)
	porttest.Kind(t, d.Extend(ctx, jobs, r.Receipt, -1), kinds.Invalid)
}

func stale(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a")
	first := one(t, w.Driver, jobs)
	w.Advance(later)
	second := one(t, w.Driver, jobs)
	porttest.Kind(t, w.Driver.Delete(t.Context(), jobs, first.Receipt), kinds.Closed)
	porttest.Kind(t, w.Driver.Extend(t.Context(), jobs, first.Receipt, hidden), kinds.Closed)
	w.Advance(later)
	third := one(t, w.Driver, jobs) // the stale receipt has deleted nothing
	porttest.Kind(t, w.Driver.Delete(t.Context(), jobs, second.Receipt), kinds.Closed)
	porttest.OK(t, w.Driver.Delete(t.Context(), jobs, third.Receipt))
	porttest.Kind(t, w.Driver.Extend(t.Context(), jobs, third.Receipt, hidden), kinds.Closed)
	w.Advance(later)
	nothing(t, w.Driver, jobs)
}

func extend(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a")
	r := one(t, w.Driver, jobs)
	porttest.OK(t, w.Driver.Extend(t.Context(), jobs, r.Receipt, hidden+2*later))
	w.Advance(later)
	nothing(t, w.Driver, jobs)
	w.Advance(2 * later)
	if again := one(t, w.Driver, jobs); again.ID != r.ID {
		t.Errorf("received %+v, want %+v again", again, r)
	}
}

func giveBack(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a")
	r := one(t, w.Driver, jobs)
	porttest.OK(t, w.Driver.Extend(t.Context(), jobs, r.Receipt, 0))
	if again := one(t, w.Driver, jobs); again.ID != r.ID || again.Count != 2 {
		t.Errorf("received %+v, want %+v again", again, r)
	}
}

func woken(t *testing.T, w World) {
	const waiters = 4
	found := make(chan string, waiters)
	var wg sync.WaitGroup
	for range waiters {
		wg.Go(func() {
			got, err := w.Driver.Receive(t.Context(), jobs, 1, queue.MaxWait, hidden)
			if err != nil || len(got) != 1 {
				t.Errorf("a waiting receive gave %v, %v", got, err)
				return
			}
			found <- string(got[0].Body)
			_ = w.Driver.Delete(t.Context(), jobs, got[0].Receipt)
		})
	}
	for i := range waiters {
		send(t, w.Driver, jobs, fmt.Sprint(i))
	}
	if wg.Wait(); !w.Strict {
		return // one message may have woken two
	}
	close(found)
	bodies := map[string]int{}
	for b := range found {
		bodies[b]++
	}
	wants(t, w, bodies, "0", "1", "2", "3")
}

// die receives the only message until it is a dead letter.
func die(t *testing.T, w World, d queue.Driver) {
	t.Helper()
	for i := 1; i <= w.Redrive; i++ {
		if r := one(t, d, jobs); r.Count != i {
			t.Fatalf("count %d, want %d", r.Count, i)
		}
		w.Advance(later)
	}
	nothing(t, d, jobs)
}

func redrive(t *testing.T, w World) {
	send(t, w.Driver, jobs, "poison")
	die(t, w, w.Driver)
	r := one(t, w.Driver, queue.Dead(jobs))
	if string(r.Body) != "poison" || r.Group != "tenant" {
		t.Errorf("the dead letter is %+v", r)
	}
	porttest.OK(t, w.Driver.Delete(t.Context(), queue.Dead(jobs), r.Receipt))
	w.Advance(later)
	nothing(t, w.Driver, jobs)
	nothing(t, w.Driver, queue.Dead(jobs))
}

func deadLetters(t *testing.T, w World) {
	send(t, w.Driver, jobs, "poison")
	die(t, w, w.Driver)
	for range w.Redrive + 2 {
		one(t, w.Driver, queue.Dead(jobs))
		w.Advance(later)
	}
	one(t, w.Driver, queue.Dead(jobs))
}

func fair(t *testing.T, w World) {
	if !w.Fair {
		return
	}
	for range 10 {
		msgs := make([]queue.Message, queue.MaxBatch)
		for i := range msgs {
			msgs[i] = queue.Message{Group: "greedy", Body: []byte("greedy")}
		}
		porttest.OK(t, w.Driver.Send(t.Context(), jobs, msgs...))
	}
	for _, g := range []string{"modest", "shy"} {
		porttest.OK(t, w.Driver.Send(t.Context(), jobs, queue.Message{Group: g, Body: []byte(g)}))
	}
	found := map[string]bool{}
	for _, r := range receive(t, w.Driver, jobs, 4) {
		found[r.Group] = true
	}
	if !found["modest"] || !found["shy"] {
		t.Errorf("the first four are of %v", found)
	}
}

func concurrent(t *testing.T, w World) {
	const senders, each, receivers = 4, 25, 4
	var mu sync.Mutex
	found := map[string]int{}
	var sending, receiving sync.WaitGroup
	stop := make(chan struct{})
	var bodies []string
	for i := range senders {
		for j := range each {
			bodies = append(bodies, fmt.Sprint(i, ".", j))
		}
		sending.Go(func() {
			for j := range each {
				m := queue.Message{Group: fmt.Sprint(i), Body: []byte(fmt.Sprint(i, ".", j))}
				if err := w.Driver.Send(t.Context(), jobs, m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range receivers {
		receiving.Go(func() {
			for {
				got, err := w.Driver.Receive(t.Context(), jobs, 10, time.Second/20, hidden)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, r := range got {
					found[string(r.Body)]++
				}
				mu.Unlock()
				for _, r := range got {
					_ = w.Driver.Delete(t.Context(), jobs, r.Receipt)
				}
				select {
				case <-stop:
					if len(got) == 0 {
						return
					}
				default:
				}
			}
		})
	}
	sending.Wait()
	close(stop)
	receiving.Wait()
	for b, n := range drain(t, w, w.Driver, jobs) {
		found[b] += n
	}
	wants(t, w, found, bodies...)
}

func lostReply(t *testing.T, w World) {
	for _, mode := range faults.Modes() {
		d := faults.Queue(w.Driver, faults.First("queue.Send", mode))
		m := queue.Message{Group: "g", Body: []byte(mode.String())}
		if err := d.Send(t.Context(), jobs, m); err != nil {
			porttest.Kind(t, err, kinds.Unavailable)
			porttest.OK(t, d.Send(t.Context(), jobs, m))
		}
	}
	found := drain(t, w, w.Driver, jobs)
	for _, mode := range faults.Modes() {
		if found[mode.String()] < 1 {
			t.Errorf("%v: the message is lost", mode)
		}
	}
}

func lostReceive(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a")
	d := faults.Queue(w.Driver, faults.First("queue.Receive", faults.FailAfter))
	_, err := d.Receive(t.Context(), jobs, 1, 0, hidden)
	porttest.Kind(t, err, kinds.Unavailable)
	w.Advance(later)
	if r := one(t, d, jobs); string(r.Body) != "a" || r.Count != 2 {
		t.Errorf("received %+v", r)
	}
}

func reopen(t *testing.T, w World) {
	if w.Reopen == nil {
		return // durability is not this process's
	}
	send(t, w.Driver, jobs, "received", "done", "waiting")
	porttest.OK(t, w.Driver.Send(t.Context(), jobs, queue.Message{Group: "g", Body: []byte("delayed"), Delay: 2 * later}))
	for {
		r := one(t, w.Driver, jobs)
		if string(r.Body) == "done" {
			porttest.OK(t, w.Driver.Delete(t.Context(), jobs, r.Receipt))
			break
		}
	}
	d := w.Reopen(t)
	w.Advance(later)
	found := map[string]int{}
	for range 3 {
		for _, r := range receive(t, d, jobs, 10) {
			found[string(r.Body)]++
			_ = d.Delete(t.Context(), jobs, r.Receipt)
		}
	}
	wants(t, w, found, "received", "waiting")
	w.Advance(2 * later)
	wants(t, w, drain(t, w, d, jobs), "delayed")
	d = w.Reopen(t)
	nothing(t, d, jobs)
	// Counts go on over restarts: a message that kills the process is a dead letter in the end.
	send(t, d, jobs, "poison")
	for range w.Redrive {
		one(t, d, jobs)
		d = w.Reopen(t)
		w.Advance(later)
	}
	nothing(t, d, jobs)
	one(t, d, queue.Dead(jobs))
}
