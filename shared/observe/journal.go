package observe

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
)

// Journal gives d with h told of each call.
func Journal(d journal.Driver, h Hook) journal.Driver { return &journalDriver{d, h} }

type journalDriver struct {
	d journal.Driver
	h Hook
}

func (w *journalDriver) Append(ctx context.Context, p journal.Partition, e journal.Entry) (err error) {
	defer w.h.after("journal", "Append", time.Now(), &err)
	return w.d.Append(ctx, p, e)
}

func (w *journalDriver) Read(ctx context.Context, p journal.Partition, after uint64, limit int) (entries []journal.Entry, more bool, err error) {
	defer w.h.after("journal", "Read", time.Now(), &err)
	return w.d.Read(ctx, p, after, limit)
}

func (w *journalDriver) Last(ctx context.Context, p journal.Partition) (last journal.Entry, err error) {
	defer w.h.after("journal", "Last", time.Now(), &err)
	return w.d.Last(ctx, p)
}

func (w *journalDriver) Tail(ctx context.Context, p journal.Partition, limit int) (tail []journal.Entry, err error) {
	defer w.h.after("journal", "Tail", time.Now(), &err)
	return w.d.Tail(ctx, p, limit)
}

func (w *journalDriver) Trim(ctx context.Context, p journal.Partition, through uint64) (err error) {
	defer w.h.after("journal", "Trim", time.Now(), &err)
	return w.d.Trim(ctx, p, through)
}

func (w *journalDriver) Watch(ctx context.Context, p journal.Partition, watcher string, ttl time.Duration) (err error) {
	defer w.h.after("journal", "Watch", time.Now(), &err)
	return w.d.Watch(ctx, p, watcher, ttl)
}

func (w *journalDriver) Unwatch(ctx context.Context, p journal.Partition, watcher string) (err error) {
	defer w.h.after("journal", "Unwatch", time.Now(), &err)
	return w.d.Unwatch(ctx, p, watcher)
}

func (w *journalDriver) Watchers(ctx context.Context, p journal.Partition) (names []string, err error) {
	defer w.h.after("journal", "Watchers", time.Now(), &err)
	return w.d.Watchers(ctx, p)
}
