//go:build localstack

package chaos_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
)

// mortal is a function that dies at its n-th call: nothing that it does afterwards is seen
// by anybody. The call is carried out, or not.
type mortal struct {
	n     int
	fault cloudtest.Fault

	mu    sync.Mutex
	calls []string
	dead  chan struct{}
}

func (m *mortal) decide(c cloudtest.Call) cloudtest.Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, c.Operation)
	switch n := len(m.calls); {
	case n == m.n:
		close(m.dead)
		return m.fault
	case n > m.n:
		return cloudtest.Dropped
	}
	return cloudtest.None
}

// killings kills functions of one town.
type killings struct {
	*town
	ledger
	zombies sync.WaitGroup  // of functions that are dead
	life    context.Context // of all
	kills   int
	calls   []string // of the last function that lived
}

// hand has a function that dies at its n-th call take all jobs that wait, as the Lambda
// service would. Then others, which live, take what is handed out again. It tells whether
// the function came to its n-th call.
func (k *killings) hand(n int, fault cloudtest.Fault, jobs int) (died bool) {
	k.t.Helper()
	m := &mortal{n: n, fault: fault, dead: make(chan struct{})}
	batch := k.receive(jobs)
	step := k.function(cloudtest.Failing(k.t, m.decide))
	done := make(chan []error, 1)
	k.zombies.Go(func() { done <- step.Handle(k.life, batch) })
	select {
	case <-m.dead:
		k.kills++
		k.hidden(batch)
		for range 20 { // each finishes the work of the last, or sends its rest as a new job
			if k.waiting() == 0 {
				return true
			}
			again := k.receive(1)
			k.finish(again, k.function(nil).Handle(k.t.Context(), again))
		}
		k.t.Fatalf("killed at call %d (%s): jobs are left after 20 rounds", n, fault)
	case errs := <-done:
		k.calls = m.calls
		k.finish(batch, errs)
	}
	return false
}

func (k *killings) receive(jobs int) (batch []queue.Received) {
	k.t.Helper()
	poll(k.t, 20*time.Second, "jobs are handed out", func() bool {
		got, err := k.Queue.Receive(k.t.Context(), queue.Deliver, queue.MaxBatch, time.Second, time.Minute)
		if err != nil {
			k.t.Fatal(err)
		}
		batch = append(batch, got...)
		return len(batch) >= jobs
	})
	return batch
}

// hidden ends the time for which jobs are hidden.
func (k *killings) hidden(batch []queue.Received) {
	k.t.Helper()
	for i := range batch {
		if err := k.Queue.Extend(k.t.Context(), queue.Deliver, batch[i].Receipt, 0); err != nil {
			k.t.Fatal(err)
		}
	}
}

func (k *killings) finish(batch []queue.Received, errs []error) {
	k.t.Helper()
	for i := range batch {
		if errs[i] != nil {
			k.t.Fatalf("a function that lives failed: %v", errs[i])
		}
		if err := k.Queue.Delete(k.t.Context(), queue.Deliver, batch[i].Receipt); err != nil {
			k.t.Fatal(err)
		}
	}
}

// Whichever of its calls a function doesn't outlive, be it carried out or not: when another
// has done what it left, each mail is in each mailbox once, and a part of a job that can't be
// done is parked once.
func TestAFunctionMayDieAtAnyOfItsCalls(t *testing.T) {
	t.Parallel()
	k := &killings{town: newTown(t, cloudtest.Options{Redrive: 100}, alice, bob)}
	var end context.CancelFunc
	k.life, end = context.WithCancel(t.Context())
	defer k.zombies.Wait()
	defer end()
	g := k.gateway(nil, ports.Decorators{})
	reader := watch(t, g, alice) // whom functions have to tell
	scope := directory.ServiceScope("test")
	var gone []string
	for _, kind := range []struct {
		name string
		jobs int
		to   []string
	}{
		{"one", 1, []string{alice, bob}},
		{"batch", 3, []string{alice, bob}},
		{"gone", 1, []string{alice, "gone"}},
	} {
		for _, fault := range []cloudtest.Fault{cloudtest.Dropped, cloudtest.Lost} {
			for n := 1; ; n++ {
				to := kind.to
				closes := fmt.Sprintf("gone-%d-%.1s@%s", n, fault, domain)
				if to[1] == "gone" {
					k.account(closes)
					to = []string{alice, closes}
				}
				for i := range kind.jobs {
					k.ledger.send(g, fmt.Sprintf("%s-%s-%d-%d", kind.name, fault, n, i), to...)
				}
				if to[1] == closes {
					if err := k.directory.DeleteAccount(t.Context(), scope, closes, ""); err != nil {
						t.Fatal(err)
					}
					gone = append(gone, closes)
				}
				for _, address := range []string{alice, bob} {
					if err := k.Journal.Watch(t.Context(), k.refs[address].Partition(), "one that has died", time.Hour); err != nil {
						t.Fatal(err)
					}
				}
				if !k.hand(n, fault, kind.jobs) {
					t.Logf("%s, %s: %d calls", kind.name, fault, len(k.calls))
					break
				}
			}
		}
	}
	told := k.check(k.town, alice, bob)
	parked := map[string]int{}
	for _, j := range k.parked() {
		d, err := delivery.Decode(j.Body)
		if err != nil || len(d.Recipients) != 1 {
			t.Fatalf("parked is %v, %v", d, err)
		}
		parked[d.Recipients[0].Address]++
	}
	for _, address := range gone {
		if parked[address] != 1 {
			t.Errorf("the part of %s is parked %d times", address, parked[address])
		}
	}
	reader.sees(told)
	t.Logf("%d functions were killed; %d mails were told 250, %d jobs are parked", k.kills, told, len(parked))
}
