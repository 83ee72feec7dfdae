package s3

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	partSize   = 8 << 20 // what is larger is put in parts of this size
	maxParts   = 10_000  // S3's limit
	parallel   = 4       // parts at once
	abortTime  = 10 * time.Second
	digestMeta = "sha256" // the name of the digest in an object's metadata
)

// object is what is being put.
type object struct {
	name   string
	body   io.ReaderAt
	size   int64
	digest [sha256.Size]byte
}

func (o *object) meta() map[string]string {
	return map[string]string{digestMeta: hex.EncodeToString(o.digest[:])}
}

// Put stores a blob. The bytes are read twice: once for their digest, which goes with them.
func (b *Blobs) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	if size < 0 {
		return kinds.Errorf(kinds.Invalid, "blob: a size of %d", size)
	}
	if size > partSize*maxParts {
		return kinds.Errorf(kinds.Limit, "blob: %d bytes", size)
	}
	o := &object{name: name, body: body, size: size}
	h := sha256.New()
	if n, err := io.Copy(h, io.NewSectionReader(body, 0, size)); err != nil || n < size {
		return kinds.Errorf(kinds.Internal, "blob: the source ended after %d of %d bytes: %w", n, size, err)
	}
	h.Sum(o.digest[:0])
	for attempt := 1; ; attempt++ {
		put := b.putWhole
		if size > partSize {
			put = b.putParts
		}
		err := put(ctx, o)
		switch awsclient.Code(err) {
		case "PreconditionFailed", "NoSuchUpload":
			// It is there: from another, or from an attempt whose reply was lost.
			found, err := b.compare(ctx, o)
			if found {
				return err
			}
		case "ConditionalRequestConflict":
			// S3 can't say who of two who write or delete it right now will be first.
		default:
			return awsclient.Err(err, "blob: put")
		}
		if err := awsclient.Wait(ctx, attempt); err != nil {
			return err
		}
	}
}

// compare tells whether there is an object, and Exists when it isn't the one being put.
func (b *Blobs) compare(ctx context.Context, o *object) (found bool, err error) {
	head, err := b.head(ctx, o.name)
	switch {
	case kinds.Is(err, kinds.NotFound):
		return false, nil // deleted meanwhile
	case err != nil:
		return true, err
	case aws.ToInt64(head.ContentLength) == o.size && head.Metadata[digestMeta] == o.meta()[digestMeta]:
		return true, nil
	}
	return true, kinds.Errorf(kinds.Exists, "blob: %s is there with other bytes", o.name)
}

func (b *Blobs) putWhole(ctx context.Context, o *object) error {
	in := &s3.PutObjectInput{
		Bucket: &b.bucket, Key: aws.String(key(o.name)), Metadata: o.meta(),
		Body: io.NewSectionReader(o.body, 0, o.size), ContentLength: &o.size,
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(o.digest[:])),
		IfNoneMatch:    aws.String("*"),
	}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = b.encrypt()
	_, err := b.client.PutObject(ctx, in)
	return err
}

// putParts stores it by a multipart upload, of which nothing shows before its end.
func (b *Blobs) putParts(ctx context.Context, o *object) (err error) {
	in := &s3.CreateMultipartUploadInput{Bucket: &b.bucket, Key: aws.String(key(o.name)), Metadata: o.meta(),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32}
	in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = b.encrypt()
	upload, err := b.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			b.abort(ctx, o, upload.UploadId)
		}
	}()
	parts := make([]types.CompletedPart, (o.size+partSize-1)/partSize)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i := range parts {
		g.Go(func() error {
			off, number := int64(i)*partSize, aws.Int32(int32(i+1))
			size := min(partSize, o.size-off)
			out, err := b.client.UploadPart(gctx, &s3.UploadPartInput{
				Bucket: &b.bucket, Key: in.Key, UploadId: upload.UploadId, PartNumber: number,
				Body: io.NewSectionReader(o.body, off, size), ContentLength: &size, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
			})
			if err == nil {
				parts[i] = types.CompletedPart{PartNumber: number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.bucket, Key: in.Key, UploadId: upload.UploadId, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}

// abort lets go of the parts. When that fails too, the bucket's rule removes them.
func (b *Blobs) abort(ctx context.Context, o *object, upload *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTime)
	defer cancel()
	_, _ = b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.bucket, Key: aws.String(key(o.name)), UploadId: upload})
}
