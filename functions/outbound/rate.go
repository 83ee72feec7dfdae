package outbound

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits of rates.
const (
	burst     = 10 * time.Second // of which the messages may go at once
	maxBrakes = 10_000
	minWait   = 5 * time.Second
	maxWait   = 10 * time.Minute
)

// brakes hold what a route lets go to one domain in a minute, in this process.
type brakes struct {
	mu   sync.Mutex
	list map[string]*brake
}

type brake struct {
	next    time.Time // when the next message may go
	minute  time.Time // of which refused is
	refused int
	before  int // in the minute before
}

// tooMany is the error when a rate is used up: nobody tried.
type tooMany struct{ wait time.Duration }

func (t *tooMany) Error() string {
	return fmt.Sprintf("outbound: the route's rate for the domain is used up for %v", t.wait)
}
func (t *tooMany) Kind() kinds.Kind { return kinds.Throttled }

// pass counts a message, or tells how long it is to wait. The more wait, the longer each
// does, so that they don't come all at once: as nobody knows how many wait, they are
// guessed from how many were sent away lately.
func (b *brakes) pass(key string, perMinute int, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.list[key]
	if k == nil {
		k = &brake{minute: now}
		b.keep(key, k, now)
	}
	step := time.Minute / time.Duration(perMinute)
	if earliest := now.Add(-burst); k.next.Before(earliest) {
		k.next = earliest
	}
	if !k.next.After(now) {
		k.next = k.next.Add(step)
		return nil
	}
	if passed := now.Sub(k.minute); passed >= time.Minute {
		if k.before = k.refused; passed >= 2*time.Minute {
			k.before = 0
		}
		k.minute, k.refused = now, 0
	}
	k.refused++
	wait := step * time.Duration(max(k.refused, k.before))
	wait = min(max(wait, minWait, k.next.Sub(now)), maxWait)
	return &tooMany{wait*3/4 + rand.N(wait/2)}
}

func (b *brakes) keep(key string, k *brake, now time.Time) {
	if b.list == nil {
		b.list = map[string]*brake{}
	}
	for old, o := range b.list {
		if len(b.list) < maxBrakes {
			break
		}
		if o.next.Before(now) {
			delete(b.list, old)
		}
	}
	if len(b.list) >= maxBrakes {
		clear(b.list) // lets go more for a moment, and never grows
	}
	b.list[key] = k
}
