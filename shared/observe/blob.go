package observe

import (
	"context"
	"io"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
)

// Blob gives d with h told of each call.
func Blob(d blob.Driver, h Hook) blob.Driver { return &blobDriver{d, h} }

type blobDriver struct {
	d blob.Driver
	h Hook
}

func (w *blobDriver) Put(ctx context.Context, name string, body io.ReaderAt, size int64) (err error) {
	defer w.h.after("blob", "Put", time.Now(), &err)
	return w.d.Put(ctx, name, body, size)
}

func (w *blobDriver) Open(ctx context.Context, name string, off, n int64) (r io.ReadCloser, err error) {
	defer w.h.after("blob", "Open", time.Now(), &err)
	return w.d.Open(ctx, name, off, n)
}

func (w *blobDriver) Stat(ctx context.Context, name string) (info blob.Info, err error) {
	defer w.h.after("blob", "Stat", time.Now(), &err)
	return w.d.Stat(ctx, name)
}

func (w *blobDriver) List(ctx context.Context, prefix, after string, limit int) (found []blob.Info, err error) {
	defer w.h.after("blob", "List", time.Now(), &err)
	return w.d.List(ctx, prefix, after, limit)
}

func (w *blobDriver) Delete(ctx context.Context, name string) (err error) {
	defer w.h.after("blob", "Delete", time.Now(), &err)
	return w.d.Delete(ctx, name)
}
