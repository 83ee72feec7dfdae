package observe

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/queue"
)

// Queue gives d with h told of each call.
func Queue(d queue.Driver, h Hook) queue.Driver { return &queueDriver{d, h} }

type queueDriver struct {
	d queue.Driver
	h Hook
}

func (w *queueDriver) Send(ctx context.Context, name string, msgs ...queue.Message) (err error) {
	defer w.h.after("queue", "Send", time.Now(), &err)
	return w.d.Send(ctx, name, msgs...)
}

func (w *queueDriver) Receive(ctx context.Context, name string, max int, wait, visibility time.Duration) (got []queue.Received, err error) {
	defer w.h.after("queue", "Receive", time.Now(), &err)
	return w.d.Receive(ctx, name, max, wait, visibility)
}

func (w *queueDriver) Extend(ctx context.Context, name, receipt string, visibility time.Duration) (err error) {
	defer w.h.after("queue", "Extend", time.Now(), &err)
	return w.d.Extend(ctx, name, receipt, visibility)
}

func (w *queueDriver) Delete(ctx context.Context, name, receipt string) (err error) {
	defer w.h.after("queue", "Delete", time.Now(), &err)
	return w.d.Delete(ctx, name, receipt)
}

func (w *queueDriver) Depth(ctx context.Context, name string) (depth queue.Depth, err error) {
	defer w.h.after("queue", "Depth", time.Now(), &err)
	return w.d.Depth(ctx, name)
}
