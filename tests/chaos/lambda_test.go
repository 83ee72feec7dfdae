//go:build localstack

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/ports"
)

// killer kills the processes of a function now and then, when one of them is about to make a
// call, or has just made it.
type killer struct {
	f     *cloudtest.Function
	mu    sync.Mutex
	rnd   *rand.Rand
	left  int // kills
	next  int // calls until the next one
	calls int
	dead  int // processes
}

func (k *killer) decide(cloudtest.Call) cloudtest.Fault {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.next--; k.next > 0 || k.left == 0 || k.f == nil {
		return cloudtest.None
	}
	killed := 0
	for _, pid := range k.f.PIDs() {
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	if killed == 0 {
		return cloudtest.None
	}
	k.dead += killed
	k.left--
	k.next = 1 + k.rnd.IntN(8)
	return []cloudtest.Fault{cloudtest.Dropped, cloudtest.Lost}[k.rnd.IntN(2)]
}

// The Lambda itself, several processes of it, is killed by SIGKILL at its calls while mail
// comes in.
func TestLambdasThatAreKilledLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	const senders, mails, kills = 2, 30, 10
	w, all := newTown(t, cloudtest.Options{Redrive: 100, Visibility: 2 * time.Second}, alice, bob), &ledger{}
	k := &killer{rnd: rand.New(rand.NewPCG(cloudtest.Seed(t), 0)), left: kills, next: 10}
	f := cloudtest.MakeFunction(t, w.config, cloudtest.FunctionConfig{Package: "github.com/godwit-mail/godwit/functions/deliver/bootstrap",
		Timeout: 2 * time.Second, Batch: 2, Client: cloudtest.Failing(t, k.decide)})
	k.mu.Lock()
	k.f = f
	k.mu.Unlock()
	g := w.gateway(nil, ports.Decorators{})
	r := watch(t, g, alice)
	var work sync.WaitGroup
	for n := range senders {
		work.Go(func() {
			for i := range mails {
				all.send(g, fmt.Sprintf("lambda-%d-%d", n, i), alice, bob)
			}
		})
	}
	work.Wait()
	w.drained(3 * time.Minute)
	told := all.check(w, alice, bob)
	r.sees(told)
	w.nothingParked()
	k.mu.Lock()
	defer k.mu.Unlock()
	t.Logf("%d mails were told 250; %d processes were killed at %d of %d calls", told, k.dead, kills-k.left, k.calls)
	if kills-k.left < kills/2 {
		t.Errorf("only %d kills", kills-k.left)
	}
}
