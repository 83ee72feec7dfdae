// Package queue is the port that hands work from gateways to functions, at least once.
// Its contract suite is shared/queue/queuetest; twins: shared/queue/sqlite and, in
// AWS, SQS.
package queue

import (
	"context"
	"time"
)

// Limits that both twins enforce alike (SQS's).
const (
	MaxBody       = 192 << 10        // bytes of one body, which as text are the 256 KiB that a queue is deployed with; larger is kinds.Limit
	MaxBatch      = 10               // messages in one Send or Receive
	MaxWait       = 20 * time.Second // long poll
	MaxDelay      = 15 * time.Minute
	MaxVisibility = 12 * time.Hour
)

// The queues: of jobs for functions/deliver and of accounts for functions/compact. Dead
// names a queue's dead letters.
const (
	Deliver = "deliver"
	Compact = "compact"
	// Outbound wakes who sends mail to other hosts.
	Outbound = "outbound"
	// Egress wakes who sends it to the hosts of each domain, where that is another process: a
	// function has no port 25 and no address of its own.
	Egress = "egress"
)

// Dead gives the name of the dead-letter queue of a queue.
func Dead(queue string) string { return queue + "-dead" }

// Message is one job to be sent.
type Message struct {
	Group string // the tenant: fair queueing, no order is promised
	Body  []byte
	Delay time.Duration // not received before it has passed; up to MaxDelay
}

// Received is one job handed out. It must be deleted before its visibility timeout
// ends, or it is handed out again.
type Received struct {
	ID      string // the same at each receive of this message
	Group   string
	Body    []byte
	Receipt string // of this receive; stale once the message is handed out again
	Count   int    // how many times it was received, this one included
	Sent    time.Time
}

// Depth is an approximate count.
type Depth struct{ Visible, InFlight, Delayed int }

// Driver is what a twin provides. All methods are safe for concurrent use. A message
// may be handed out twice, and in any order. After as many receives as the twin was told
// (its redrive limit) a message goes to the queue's dead letters instead.
type Driver interface {
	// Send stores all messages (1..MaxBatch) durably, or returns an error, after which
	// some may be there.
	Send(ctx context.Context, queue string, msgs ...Message) error
	// Receive waits up to wait (0..MaxWait) for at least one message and hands out at
	// most max (1..MaxBatch), hidden from others for the visibility timeout. It returns
	// none and no error when the wait ends.
	Receive(ctx context.Context, queue string, max int, wait, visibility time.Duration) ([]Received, error)
	// Extend sets the time for which the message stays hidden, from now; 0 hands it out
	// again at once. kinds.Closed when the receipt is stale.
	Extend(ctx context.Context, queue, receipt string, visibility time.Duration) error
	// Delete removes the message for good. A stale receipt is kinds.Closed (the message
	// may come again), a message deleted already is success.
	Delete(ctx context.Context, queue, receipt string) error
	// Depth tells roughly how much waits.
	Depth(ctx context.Context, queue string) (Depth, error)
}
