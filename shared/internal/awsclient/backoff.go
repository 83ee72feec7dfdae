package awsclient

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	firstWait = 50 * time.Millisecond
	maxWait   = 2 * time.Second
)

// jitter is how long to wait after so many attempts (1, 2, ...): anything from nothing
// to a bound that doubles, so that those who failed together don't come back together.
func jitter(attempt int) time.Duration {
	bound := maxWait
	if attempt < 10 {
		bound = min(maxWait, firstWait<<max(attempt-1, 0))
	}
	return time.Duration(rand.Int64N(int64(bound) + 1))
}

// Wait waits before the attempt after the given one (1, 2, ...), with full jitter.
// Unavailable when ctx ends first.
func Wait(ctx context.Context, attempt int) error {
	timer := time.NewTimer(jitter(attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "aws: waiting to try again")
	}
}
