// Package notify is the port that tells gateways "account X is at entry N". Events are
// unordered and may be lost; a slow poll repairs that. Its contract suite is
// shared/notify/notifytest; twins: shared/notify/inprocess and, in AWS, a queue per
// gateway.
package notify

import (
	"context"

	"github.com/godwit-mail/godwit/shared/journal"
)

// Event says that the partition has reached entry Seq.
type Event struct {
	Partition journal.Partition
	Seq       uint64
}

// Listener receives events for one gateway.
type Listener interface {
	Name() string // the watcher's name, registered with journal.Watch
	// Events is closed by Close, and when the listener can be told of nothing any more:
	// then it needs to be closed, and another one opened. A reader that is slow loses
	// events rather than holding up writers.
	Events() <-chan Event
	Close() error
}

// Driver is what a twin provides. Safe for concurrent use.
type Driver interface {
	// Listen opens a listener with a new name.
	Listen(ctx context.Context) (Listener, error)
	// Tell sends the event to the named watcher; NotFound when it is gone for good, so
	// that the writer can drop its registration. It never blocks on a slow reader.
	Tell(ctx context.Context, watcher string, e Event) error
}
