//go:build localstack

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
)

// gathered keeps the jobs that a gateway hands over, for who hands them on.
type gathered struct {
	queue.Driver
	mu   sync.Mutex
	jobs []queue.Message
}

func (g *gathered) Send(_ context.Context, _ string, msgs ...queue.Message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range msgs {
		m.Body = slices.Clone(m.Body)
		g.jobs = append(g.jobs, m)
	}
	return nil
}

// Each job comes five times, in any order, the fifth one when the other four are done and
// all functions have forgotten what they knew: each mail is in each mailbox once.
func TestJobsThatComeFiveTimesAreDoneOnce(t *testing.T) {
	t.Parallel()
	const mails = 60
	seed := cloudtest.Seed(t)
	rnd := rand.New(rand.NewPCG(seed, 1))
	w, kept, all := newTown(t, cloudtest.Options{}, alice, bob), &gathered{}, &ledger{}
	g := w.gateway(nil, ports.Decorators{Queue: func(d queue.Driver) queue.Driver { kept.Driver = d; return kept }})
	for i := range mails {
		to := [][]string{{alice, bob}, {alice}, {bob}}[i%3]
		all.send(g, fmt.Sprintf("five-%d", i), to...)
	}
	send := func(times int) {
		var jobs []queue.Message
		for range times {
			jobs = append(jobs, kept.jobs...)
		}
		rnd.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
		for batch := range slices.Chunk(jobs, queue.MaxBatch) {
			if err := w.Queue.Send(t.Context(), queue.Deliver, batch...); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(4)
	stop := w.functions(4, nil)
	w.drained(time.Minute)
	stop()
	all.check(w, alice, bob)
	before := map[string]uint64{}
	for _, address := range []string{alice, bob} {
		before[address] = w.last(address)
	}
	send(1)
	w.functions(4, nil)
	w.drained(time.Minute)
	if told := all.check(w, alice, bob); told != mails {
		t.Errorf("%d mails were told 250, want %d", told, mails)
	}
	for address, seq := range before {
		if now := w.last(address); now != seq {
			t.Errorf("%s: %d entries, %d before jobs came that were done", address, now, seq)
		}
	}
	w.nothingParked()
}

func (w *town) last(address string) uint64 {
	w.t.Helper()
	e, err := w.Journal.Last(w.t.Context(), w.refs[address].Partition())
	if err != nil {
		w.t.Fatal(err)
	}
	return e.Seq
}

// A hundred functions that each have a job for one account begin at the same moment. Many
// lose again and again, which is nobody's failure.
func TestAHundredFunctionsWriteOneAccount(t *testing.T) {
	t.Parallel()
	const functions = 100
	w, all := newTown(t, cloudtest.Options{Redrive: 100}, alice), &ledger{}
	g := w.gateway(nil, ports.Decorators{})
	for i := range functions {
		all.send(g, fmt.Sprintf("hundred-%d", i), alice)
	}
	var jobs []queue.Received
	poll(t, time.Minute, "a hundred jobs are handed out", func() bool {
		got, err := w.Queue.Receive(t.Context(), queue.Deliver, queue.MaxBatch, time.Second, 5*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, got...)
		return len(jobs) >= functions
	})
	var running sync.WaitGroup
	ready := make(chan struct{})
	errs := make([][]error, len(jobs))
	var meter cloudtest.Meter
	for i := range jobs {
		step := w.function(meter.Attach)
		running.Go(func() {
			<-ready
			errs[i] = step.Handle(t.Context(), jobs[i:i+1])
		})
	}
	close(ready)
	running.Wait()
	for i := range jobs {
		if errs[i][0] != nil {
			t.Errorf("a job has failed: %v", errs[i][0])
		}
		if err := w.Queue.Delete(t.Context(), queue.Deliver, jobs[i].Receipt); err != nil {
			t.Fatal(err)
		}
	}
	if puts := meter.Costs()["DynamoDB.PutItem"].Calls; puts <= functions {
		t.Errorf("%d writes by %d functions: none met another", puts, functions)
	} else {
		t.Logf("%d writes for %d entries; %d jobs were sent again", puts, functions, w.waiting())
	}
	w.functions(8, nil)
	w.drained(time.Minute)
	if told := all.check(w, alice); told != functions {
		t.Errorf("%d mails were told 250, want %d", told, functions)
	}
	w.nothingParked()
}
