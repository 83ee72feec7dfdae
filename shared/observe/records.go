package observe

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/records"
)

// Records gives d with h told of each call.
func Records(d records.Driver, h Hook) records.Driver { return &recordsDriver{d, h} }

type recordsDriver struct {
	d records.Driver
	h Hook
}

func (w *recordsDriver) Get(ctx context.Context, keys ...records.Key) (found []records.Record, err error) {
	defer w.h.after("records", "Get", time.Now(), &err)
	return w.d.Get(ctx, keys...)
}

func (w *recordsDriver) Put(ctx context.Context, r records.Record, ifVersion uint64) (version uint64, err error) {
	defer w.h.after("records", "Put", time.Now(), &err)
	return w.d.Put(ctx, r, ifVersion)
}

func (w *recordsDriver) Delete(ctx context.Context, k records.Key, ifVersion uint64) (err error) {
	defer w.h.after("records", "Delete", time.Now(), &err)
	return w.d.Delete(ctx, k, ifVersion)
}

func (w *recordsDriver) List(ctx context.Context, space, prefix, after string, limit int) (found []records.Record, err error) {
	defer w.h.after("records", "List", time.Now(), &err)
	return w.d.List(ctx, space, prefix, after, limit)
}

func (w *recordsDriver) Due(ctx context.Context, space string, before time.Time, limit int) (found []records.Record, err error) {
	defer w.h.after("records", "Due", time.Now(), &err)
	return w.d.Due(ctx, space, before, limit)
}

func (w *recordsDriver) Add(ctx context.Context, k records.Key, n int64, ttl time.Duration) (total int64, err error) {
	defer w.h.after("records", "Add", time.Now(), &err)
	return w.d.Add(ctx, k, n, ttl)
}
