package faults

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
)

// Journal gives d with the faults of p.
func Journal(d journal.Driver, p *Plan) journal.Driver { return &journalDriver{d, p} }

type journalDriver struct {
	d journal.Driver
	p *Plan
}

func (w *journalDriver) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	return result0(ctx, w.p, "journal.Append", string(p), func(ctx context.Context) error {
		return w.d.Append(ctx, p, e)
	})
}

func (w *journalDriver) Read(ctx context.Context, p journal.Partition, after uint64, limit int) ([]journal.Entry, bool, error) {
	type page struct {
		entries []journal.Entry
		more    bool
	}
	got, err := result1(ctx, w.p, "journal.Read", string(p), func(ctx context.Context) (page, error) {
		entries, more, err := w.d.Read(ctx, p, after, limit)
		return page{entries, more}, err
	})
	return got.entries, got.more, err
}

func (w *journalDriver) Last(ctx context.Context, p journal.Partition) (journal.Entry, error) {
	return result1(ctx, w.p, "journal.Last", string(p), func(ctx context.Context) (journal.Entry, error) {
		return w.d.Last(ctx, p)
	})
}

func (w *journalDriver) Tail(ctx context.Context, p journal.Partition, limit int) ([]journal.Entry, error) {
	return result1(ctx, w.p, "journal.Tail", string(p), func(ctx context.Context) ([]journal.Entry, error) {
		return w.d.Tail(ctx, p, limit)
	})
}

func (w *journalDriver) Trim(ctx context.Context, p journal.Partition, through uint64) error {
	return result0(ctx, w.p, "journal.Trim", string(p), func(ctx context.Context) error {
		return w.d.Trim(ctx, p, through)
	})
}

func (w *journalDriver) Watch(ctx context.Context, p journal.Partition, watcher string, ttl time.Duration) error {
	return result0(ctx, w.p, "journal.Watch", string(p), func(ctx context.Context) error {
		return w.d.Watch(ctx, p, watcher, ttl)
	})
}

func (w *journalDriver) Unwatch(ctx context.Context, p journal.Partition, watcher string) error {
	return result0(ctx, w.p, "journal.Unwatch", string(p), func(ctx context.Context) error {
		return w.d.Unwatch(ctx, p, watcher)
	})
}

func (w *journalDriver) Watchers(ctx context.Context, p journal.Partition) ([]string, error) {
	return result1(ctx, w.p, "journal.Watchers", string(p), func(ctx context.Context) ([]string, error) {
		return w.d.Watchers(ctx, p)
	})
}
