//go:build localstack

package world

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/serve"
)

// Fragile is a world whose function that delivers is killed when it writes to a certain
// account. In this one the Lambda service starts it again.
type Fragile struct {
	*World
	function *cloudtest.Function

	mu    sync.Mutex
	kill  string
	hold  bool
	holds []queue.Message
}

// NewFragile starts a fragile world.
func NewFragile(t *testing.T) *Fragile {
	t.Helper()
	f := &Fragile{}
	f.function = cloudtest.Reroute(t, deployed.Config.Name+"-deliver", cloudtest.Failing(t, f.decide))
	f.World = start(t, serve.Options{Decorators: ports.Decorators{Queue: func(d queue.Driver) queue.Driver { return holding{d, f} }}})
	return f
}

// decide kills the function at its call.
func (f *Fragile) decide(c cloudtest.Call) cloudtest.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kill == "" || !strings.HasSuffix(c.Operation, ".PutItem") || !strings.Contains(c.Body, f.kill) {
		return cloudtest.None
	}
	for _, pid := range f.function.PIDs() {
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
	return cloudtest.Dropped
}

// Kill has the function killed when it writes to the account with that id, from now on
// until Mend.
func (f *Fragile) Kill(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kill = id
}

// Mend ends Kill.
func (f *Fragile) Mend() { f.Kill("") }

// Hold keeps jobs until Release, so that they come together then.
func (f *Fragile) Hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = true
}

// Release ends Hold.
func (f *Fragile) Release() {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold = false
	if err := f.Ports.Queue.Send(f.t.Context(), queue.Deliver, f.holds...); err != nil {
		f.t.Fatal(err)
	}
}

// Until waits until something is so, while the function may die again and again.
func (f *Fragile) Until(what string, is func() (bool, error)) {
	f.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; <-time.After(300 * time.Millisecond) {
		so, err := is()
		if so {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("after three minutes still not: %s (%v)", what, err)
		}
	}
}

// Idle tells whether no job waits or is at work.
func (f *Fragile) Idle() (bool, error) {
	jobs := 0
	for _, name := range []string{queue.Deliver, queue.Dead(queue.Deliver)} {
		d, err := f.Ports.Queue.Depth(f.t.Context(), name)
		if err != nil {
			return false, err
		}
		jobs += d.Visible + d.InFlight + d.Delayed
	}
	return jobs == 0, nil
}

// holding sends nothing during a hold.
type holding struct {
	queue.Driver
	f *Fragile
}

func (h holding) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	h.f.mu.Lock()
	held := h.f.hold
	if held {
		h.f.holds = append(h.f.holds, msgs...)
	}
	h.f.mu.Unlock()
	if held {
		return nil
	}
	return h.Driver.Send(ctx, name, msgs...)
}
