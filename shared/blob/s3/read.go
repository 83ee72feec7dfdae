package s3

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// reader reads a range, and goes on where it was when the connection breaks: an object
// never changes.
type reader struct {
	ctx    context.Context
	b      *Blobs
	name   string
	off, n int64 // what is still to be read; n < 0: to the end
	body   io.ReadCloser
	broken int // in a row, without a byte between
	err    error
}

const maxBroken = 5

func open(ctx context.Context, b *Blobs, name string, off, n int64) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, b: b, name: name, off: off, n: n}
	if err := r.get(); err != nil {
		return nil, err
	}
	return r, nil
}

// get asks for what is still to be read.
func (r *reader) get() error {
	in := &s3.GetObjectInput{Bucket: &r.b.bucket, Key: aws.String(key(r.name))}
	switch {
	case r.n >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.off, r.off+r.n-1))
	case r.off > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.off))
	}
	out, err := r.b.client.GetObject(r.ctx, in)
	if awsclient.Status(err) == http.StatusRequestedRangeNotSatisfiable {
		r.body, r.n = http.NoBody, 0 // it begins past the end
		return nil
	}
	if err != nil {
		return failure(err, "blob: open", r.name)
	}
	r.body, r.n = out.Body, aws.ToInt64(out.ContentLength)
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err == nil && r.n == 0 {
		r.err = io.EOF
	}
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	r.off, r.n = r.off+int64(n), r.n-int64(n)
	switch {
	case n > 0:
		r.broken = 0
	case err != nil:
		if r.broken++; r.broken > maxBroken || r.ctx.Err() != nil {
			r.err = kinds.Wrap(kinds.Unavailable, err, "blob: read")
			break
		}
		_ = r.body.Close()
		r.body = http.NoBody
		if r.err = awsclient.Wait(r.ctx, r.broken); r.err == nil {
			r.err = r.get()
		}
	}
	return n, r.err
}

func (r *reader) Close() error {
	r.n, r.err = 0, io.ErrClosedPipe
	return r.body.Close()
}
