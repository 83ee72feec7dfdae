// Package porttest holds what the ports' contract suites share.
package porttest

import (
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// OK ends the test when err is not nil.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v (%v)", err, kinds.Of(err))
	}
}

// Kind ends the test unless err has the kind.
func Kind(t testing.TB, err error, k kinds.Kind) {
	t.Helper()
	if !kinds.Is(err, k) {
		t.Fatalf("error %v (%v), want one of kind %v", err, kinds.Of(err), k)
	}
}

// Clock is a clock that stands still until it is advanced. Safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at a fixed time.
func NewClock() *Clock {
	return &Clock{now: time.Date(2030, time.March, 4, 5, 6, 7, 0, time.UTC)}
}

// Now is the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
