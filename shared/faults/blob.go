package faults

import (
	"bytes"
	"context"
	"io"

	"github.com/godwit-mail/godwit/shared/blob"
)

// Blob gives d with the faults of p.
func Blob(d blob.Driver, p *Plan) blob.Driver { return &blobDriver{d, p} }

type blobDriver struct {
	d blob.Driver
	p *Plan
}

func (w *blobDriver) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	return w.p.do(ctx, "blob.Put", name, func(ctx context.Context) error {
		return w.d.Put(ctx, name, body, size)
	}, func() func(context.Context) {
		kept := make([]byte, max(size, 0)) // the caller's body won't be there any more
		n, _ := body.ReadAt(kept, 0)
		return func(ctx context.Context) { _ = w.d.Put(ctx, name, bytes.NewReader(kept[:n]), size) }
	})
}

func (w *blobDriver) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	return result1(ctx, w.p, "blob.Open", name, func(ctx context.Context) (io.ReadCloser, error) {
		return w.d.Open(ctx, name, off, n)
	})
}

func (w *blobDriver) Stat(ctx context.Context, name string) (blob.Info, error) {
	return result1(ctx, w.p, "blob.Stat", name, func(ctx context.Context) (blob.Info, error) {
		return w.d.Stat(ctx, name)
	})
}

func (w *blobDriver) List(ctx context.Context, prefix, after string, limit int) ([]blob.Info, error) {
	return result1(ctx, w.p, "blob.List", prefix, func(ctx context.Context) ([]blob.Info, error) {
		return w.d.List(ctx, prefix, after, limit)
	})
}

func (w *blobDriver) Delete(ctx context.Context, name string) error {
	return result0(ctx, w.p, "blob.Delete", name, func(ctx context.Context) error {
		return w.d.Delete(ctx, name)
	})
}
