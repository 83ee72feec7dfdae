package observe

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/notify"
)

// Notify gives d with h told of each call.
func Notify(d notify.Driver, h Hook) notify.Driver { return &notifyDriver{d, h} }

type notifyDriver struct {
	d notify.Driver
	h Hook
}

func (w *notifyDriver) Listen(ctx context.Context) (l notify.Listener, err error) {
	defer w.h.after("notify", "Listen", time.Now(), &err)
	return w.d.Listen(ctx)
}

func (w *notifyDriver) Tell(ctx context.Context, watcher string, e notify.Event) (err error) {
	defer w.h.after("notify", "Tell", time.Now(), &err)
	return w.d.Tell(ctx, watcher, e)
}
