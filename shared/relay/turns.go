package relay

import (
	"context"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits of what is sent to a domain at once.
const (
	maxBusy  = 20              // connections to its hosts
	maxTries = 1               // while none of these has said a word yet
	busyTime = 2 * time.Second // to wait for others to end
	maxAgain = 10 * time.Minute
)

// ErrBusy is the error when as much is being sent to a domain as may be. Nobody tried.
var ErrBusy = kinds.Errorf(kinds.Throttled, "relay: enough is being sent to this domain")

// turns are those who send to a domain, and those who wait to. What a host does that says
// nothing is paid by few: the others are turned away, each to come again at another time.
// Safe for concurrent use.
type turns struct {
	mu sync.Mutex
	of map[string]*turn
}

// turn is that of one domain. It is forgotten when nobody sends or waits.
type turn struct {
	sending int
	waiting []chan struct{} // closed for who may go
	proven  bool            // a host has spoken to us since this is there
	since   time.Time       // it is there
	pace    time.Duration   // that one takes, of those who go side by side
	booked  time.Time       // until when those have a time who were turned away
}

func (l *turn) limit() int {
	if l.proven {
		return maxBusy
	}
	return maxTries
}

// enter waits, not for long, until not too much is being sent to a domain. The error is
// ErrBusy, and again is when to come again.
func (t *turns) enter(ctx context.Context, key string, now time.Time) (again time.Duration, err error) {
	t.mu.Lock()
	if t.of == nil {
		t.of = map[string]*turn{}
	}
	at := t.of[key]
	if at == nil {
		at = &turn{since: now}
		t.of[key] = at
	}
	if at.sending < at.limit() && len(at.waiting) == 0 {
		at.sending++
		t.mu.Unlock()
		return 0, nil
	}
	if !at.proven && now.Sub(at.since) >= busyTime {
		defer t.mu.Unlock()
		return at.book(now), ErrBusy
	}
	mine := make(chan struct{})
	at.waiting = append(at.waiting, mine)
	t.mu.Unlock()
	timer := time.NewTimer(busyTime)
	defer timer.Stop()
	select {
	case <-mine:
		return 0, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range at.waiting {
		if other == mine {
			at.waiting = append(at.waiting[:i], at.waiting[i+1:]...)
			return at.book(now), ErrBusy
		}
	}
	return 0, nil // it was let in at that moment
}

// book gives the time after which there should be room, to each another.
func (l *turn) book(now time.Time) time.Duration {
	if l.booked.Before(now) {
		l.booked = now
	}
	pace := l.pace
	if !l.proven || pace <= 0 {
		pace = time.Second
	}
	if l.booked = l.booked.Add(pace); l.booked.Sub(now) > maxAgain {
		l.booked = now.Add(maxAgain)
	}
	return max(time.Second, l.booked.Sub(now))
}

// spoke tells that a host of the domain answers, so that more may be sent to it.
func (t *turns) spoke(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := t.of[key]; !at.proven {
		at.proven = true
		at.admit()
	}
}

// leave is the end of what enter let in; took is how long it was.
func (t *turns) leave(key string, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.of[key]
	at.sending--
	at.pace = (7*at.pace + took/maxBusy) / 8
	at.admit()
	if at.sending == 0 {
		delete(t.of, key)
	}
}

func (l *turn) admit() {
	for len(l.waiting) > 0 && l.sending < l.limit() {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		l.sending++
	}
}
