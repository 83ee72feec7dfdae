package faults

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/queue"
)

// Queue gives d with the faults of p.
func Queue(d queue.Driver, p *Plan) queue.Driver { return &queueDriver{d, p} }

type queueDriver struct {
	d queue.Driver
	p *Plan
}

func (w *queueDriver) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	return result0(ctx, w.p, "queue.Send", name, func(ctx context.Context) error {
		return w.d.Send(ctx, name, msgs...)
	})
}

func (w *queueDriver) Receive(ctx context.Context, name string, max int, wait, visibility time.Duration) ([]queue.Received, error) {
	return result1(ctx, w.p, "queue.Receive", name, func(ctx context.Context) ([]queue.Received, error) {
		return w.d.Receive(ctx, name, max, wait, visibility)
	})
}

func (w *queueDriver) Extend(ctx context.Context, name, receipt string, visibility time.Duration) error {
	return result0(ctx, w.p, "queue.Extend", name, func(ctx context.Context) error {
		return w.d.Extend(ctx, name, receipt, visibility)
	})
}

func (w *queueDriver) Delete(ctx context.Context, name, receipt string) error {
	return result0(ctx, w.p, "queue.Delete", name, func(ctx context.Context) error {
		return w.d.Delete(ctx, name, receipt)
	})
}

func (w *queueDriver) Depth(ctx context.Context, name string) (queue.Depth, error) {
	return result1(ctx, w.p, "queue.Depth", name, func(ctx context.Context) (queue.Depth, error) {
		return w.d.Depth(ctx, name)
	})
}
