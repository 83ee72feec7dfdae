// Package ports holds the drivers that one process works with, whichever twins they are.
package ports

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/records"
)

// Set is one driver of each port.
type Set struct {
	Journal journal.Driver
	Blobs   blob.Driver
	Queue   queue.Driver
	Records records.Driver
	Notify  notify.Driver
}

// Decorators stand round the ports of one process, for tests. Each may be nil.
type Decorators struct {
	Journal func(journal.Driver) journal.Driver
	Blobs   func(blob.Driver) blob.Driver
	Queue   func(queue.Driver) queue.Driver
	Records func(records.Driver) records.Driver
	Notify  func(notify.Driver) notify.Driver
}

// Observed gives the set within d, each of whose calls hook is told of.
func (s Set) Observed(d Decorators, hook observe.Hook) Set {
	return Set{
		Journal: observe.Journal(wrap(d.Journal, s.Journal), hook),
		Blobs:   observe.Blob(wrap(d.Blobs, s.Blobs), hook),
		Queue:   observe.Queue(wrap(d.Queue, s.Queue), hook),
		Records: observe.Records(wrap(d.Records, s.Records), hook),
		Notify:  observe.Notify(wrap(d.Notify, s.Notify), hook),
	}
}

func wrap[D any](with func(D) D, d D) D {
	if with == nil {
		return d
	}
	return with(d)
}

// Ready tells, within two seconds, whether the stores answer.
func (s Set) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := s.Records.Get(ctx, records.Key{Space: "health", ID: "probe"}); err != nil {
		return err
	}
	_, err := s.Queue.Depth(ctx, queue.Deliver)
	return err
}
