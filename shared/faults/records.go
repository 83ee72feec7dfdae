package faults

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/records"
)

// Records gives d with the faults of p.
func Records(d records.Driver, p *Plan) records.Driver { return &recordsDriver{d, p} }

type recordsDriver struct {
	d records.Driver
	p *Plan
}

func (w *recordsDriver) Get(ctx context.Context, keys ...records.Key) ([]records.Record, error) {
	space := ""
	if len(keys) > 0 {
		space = keys[0].Space
	}
	return result1(ctx, w.p, "records.Get", space, func(ctx context.Context) ([]records.Record, error) {
		return w.d.Get(ctx, keys...)
	})
}

func (w *recordsDriver) Put(ctx context.Context, r records.Record, ifVersion uint64) (uint64, error) {
	return result1(ctx, w.p, "records.Put", r.Space, func(ctx context.Context) (uint64, error) {
		return w.d.Put(ctx, r, ifVersion)
	})
}

func (w *recordsDriver) Delete(ctx context.Context, k records.Key, ifVersion uint64) error {
	return result0(ctx, w.p, "records.Delete", k.Space, func(ctx context.Context) error {
		return w.d.Delete(ctx, k, ifVersion)
	})
}

func (w *recordsDriver) List(ctx context.Context, space, prefix, after string, limit int) ([]records.Record, error) {
	return result1(ctx, w.p, "records.List", space, func(ctx context.Context) ([]records.Record, error) {
		return w.d.List(ctx, space, prefix, after, limit)
	})
}

func (w *recordsDriver) Due(ctx context.Context, space string, before time.Time, limit int) ([]records.Record, error) {
	return result1(ctx, w.p, "records.Due", space, func(ctx context.Context) ([]records.Record, error) {
		return w.d.Due(ctx, space, before, limit)
	})
}

func (w *recordsDriver) Add(ctx context.Context, k records.Key, n int64, ttl time.Duration) (int64, error) {
	return result1(ctx, w.p, "records.Add", k.Space, func(ctx context.Context) (int64, error) {
		return w.d.Add(ctx, k, n, ttl)
	})
}
