package relay

import (
	"context"
	"sync"
	"testing"
	"time"
)

// A host that says nothing is tried by one. Who comes later than it takes to wait is sent
// away at once, each to another time, and other domains go on.
func TestASilentDomainHoldsUpNobody(t *testing.T) {
	var all turns
	now := time.Now()
	if _, err := all.enter(t.Context(), "silent.test", now); err != nil {
		t.Fatal(err)
	}
	last := time.Duration(0)
	for i := range 3 {
		again, err := all.enter(t.Context(), "silent.test", now.Add(busyTime))
		if err != ErrBusy || again <= last {
			t.Errorf("%d: again in %v after %v, %v", i, again, last, err)
		}
		last = again
	}
	for i := range 5000 {
		if again, err := all.enter(t.Context(), "silent.test", now.Add(busyTime)); err != ErrBusy || again > maxAgain {
			t.Fatalf("%d: again in %v, %v", i, again, err)
		}
	}
	if _, err := all.enter(t.Context(), "living.test", now); err != nil {
		t.Error(err)
	}
	all.leave("silent.test", time.Minute)
	if len(all.of) != 1 {
		t.Errorf("it is remembered when nobody is there: %v", all.of)
	}
}

// When a host has spoken, those who wait go on, as many at once as may be.
func TestTheFirstWordLetsTheOthersIn(t *testing.T) {
	var all turns
	now := time.Now()
	if _, err := all.enter(t.Context(), "d.test", now); err != nil {
		t.Fatal(err)
	}
	var inside sync.WaitGroup
	for range maxBusy + 3 {
		inside.Go(func() {
			if _, err := all.enter(t.Context(), "d.test", now); err != nil {
				t.Error(err)
			}
		})
	}
	waiting := func() (sending, waiting int) {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.of["d.test"].sending, len(all.of["d.test"].waiting)
	}
	until(t, func() bool { _, n := waiting(); return n == maxBusy+3 })
	all.spoke("d.test")
	if sending, left := waiting(); sending != maxBusy || left != 4 {
		t.Errorf("%d send and %d wait", sending, left)
	}
	for range 4 {
		all.leave("d.test", time.Second)
	}
	inside.Wait()
	if sending, left := waiting(); sending != maxBusy || left != 0 {
		t.Errorf("%d send and %d wait", sending, left)
	}
}

func TestWhoWaitsGoesWithHisContext(t *testing.T) {
	var all turns
	_, _ = all.enter(t.Context(), "d.test", time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if again, err := all.enter(ctx, "d.test", time.Now()); err != ErrBusy || again == 0 {
		t.Errorf("again in %v, %v", again, err)
	}
	if n := len(all.of["d.test"].waiting); n != 0 {
		t.Errorf("%d wait still", n)
	}
}

func until(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("it does not come")
		}
	}
}
