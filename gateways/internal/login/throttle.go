package login

import (
	"sync"
	"time"
)

// The throttle. Whoever fails waits longer and longer, and at last is refused; an
// account that many fail on is hard to try from an address that has failed before. Its
// owner still gets in: at once from an address from which the account has logged in
// before, after a moment from one without failures.
const (
	window       = time.Hour // in which failures add up
	remember     = 10 * time.Minute
	freeFailures = 5 // of a peer, before it has to wait
	firstDelay   = 250 * time.Millisecond
	maxDelay     = 10 * time.Second
	knownDelay   = 2 * time.Second // at most, for an account known from this peer
	peerRefused  = 100             // failures of a peer, after which it is refused
	accountHot   = 20              // failures of an account, after which only clean peers may try it
	hotPeer      = 3               // failures of a peer that make it unclean
	hotDelay     = time.Second     // for clean ones
	maxCounts    = 100_000
	maxKnown     = 100_000
)

// keys of one attempt.
type keys struct{ account, peer string }

type count struct {
	failures int64
	inFlight int64 // attempts that are being judged count as failures
	until    time.Time
}

// throttle is what this process knows of failures.
type throttle struct {
	now    func() time.Time
	mu     sync.Mutex
	counts map[string]*count
	known  map[keys]struct{} // logged in from there since this process started
}

func (t *throttle) init(now func() time.Time) {
	t.now, t.counts, t.known = now, map[string]*count{}, map[keys]struct{}{}
}

// begin says how long an attempt has to wait, or that it may not take place; end follows
// in both cases.
func (t *throttle) begin(k keys) (delay time.Duration, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	account, peer := t.get(k.account), t.get(k.peer)
	failed := peer.failures + peer.inFlight
	account.inFlight++
	peer.inFlight++
	if over := failed - freeFailures; over >= 0 {
		delay = min(firstDelay<<min(over, 10), maxDelay)
	}
	if _, known := t.known[k]; known {
		return min(delay, knownDelay), true
	}
	if failed >= peerRefused {
		return 0, false
	}
	if account.failures+account.inFlight > accountHot {
		if failed >= hotPeer {
			return 0, false
		}
		delay = max(delay, hotDelay)
	}
	return delay, true
}

func (t *throttle) end(k keys) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range []string{k.account, k.peer} {
		c := t.get(key)
		c.inFlight = max(0, c.inFlight-1)
		if c.inFlight == 0 && c.failures == 0 {
			delete(t.counts, key)
		}
	}
}

func (t *throttle) succeeded(k keys) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxKnown {
		for old := range t.known { // whichever comes first: forgetting costs a delay at most
			delete(t.known, old)
			break
		}
	}
	t.known[k] = struct{}{}
}

// failed notes that all gateways together have counted n failures; 0 if that is unknown.
func (t *throttle) failed(key string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.get(key)
	if n == 0 {
		n = c.failures + 1
	}
	c.failures = n
	// What others count in the meantime, and that the count has expired, is seen at the
	// next failure after this.
	c.until = t.now().Add(remember)
}

// get gives the count of key, never nil.
func (t *throttle) get(key string) *count {
	c := t.counts[key]
	if c == nil {
		if len(t.counts) >= maxCounts {
			t.shrink()
		}
		c = &count{}
		t.counts[key] = c
	}
	if c.failures > 0 && t.now().After(c.until) {
		c.failures = 0
	}
	return c
}

// shrink makes room: first of what is old, then of whatever comes.
func (t *throttle) shrink() {
	now := t.now()
	for key, c := range t.counts {
		if c.inFlight == 0 && now.After(c.until) {
			delete(t.counts, key)
		}
	}
	for key, c := range t.counts {
		if len(t.counts) <= maxCounts*9/10 {
			return
		}
		if c.inFlight == 0 {
			delete(t.counts, key)
		}
	}
}
