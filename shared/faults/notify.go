package faults

import (
	"context"

	"github.com/godwit-mail/godwit/shared/notify"
)

// Notify gives d with the faults of p.
func Notify(d notify.Driver, p *Plan) notify.Driver { return &notifyDriver{d, p} }

type notifyDriver struct {
	d notify.Driver
	p *Plan
}

func (w *notifyDriver) Listen(ctx context.Context) (notify.Listener, error) {
	return result1(ctx, w.p, "notify.Listen", "", func(ctx context.Context) (notify.Listener, error) {
		return w.d.Listen(ctx)
	})
}

func (w *notifyDriver) Tell(ctx context.Context, watcher string, e notify.Event) error {
	return result0(ctx, w.p, "notify.Tell", watcher, func(ctx context.Context) error {
		return w.d.Tell(ctx, watcher, e)
	})
}
