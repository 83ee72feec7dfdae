// Package s3 is the blob store's twin in AWS: a bucket with one object a blob.
//
// An object's key is a shard (a digit), a slash and the name. The shard is a
// hash of the name's first three elements (for a message: what it is, tenant, hour), so
// writes of many tenants go to several partitions of S3 from the start, while what has
// these three in common is listed in one call; a list by a shorter prefix merges the
// shards. Each object carries the SHA-256 of its bytes, by which a writer whose reply was
// lost knows its own.
package s3

import (
	"context"
	"hash/fnv"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Options say where and how objects are kept.
type Options struct {
	Bucket string
	Key    string // id of the KMS key that encrypts; empty: what the bucket does by default
}

// Blobs keeps blobs in an S3 bucket.
type Blobs struct {
	client *s3.Client
	bucket string
	kms    string
}

var _ blob.Driver = (*Blobs)(nil)

// New makes Blobs over the bucket, which must be there, with a rule that removes multipart
// uploads that nobody has ended for a day. Who uses it needs s3:ListBucket for more than
// List: without it, S3 says that what isn't there is forbidden.
func New(cfg aws.Config, o Options) *Blobs {
	client := s3.NewFromConfig(cfg, func(so *s3.Options) {
		so.UsePathStyle = cfg.BaseEndpoint != nil // an endpoint that isn't AWS's has no names for buckets
		so.DisableLogOutputChecksumValidationSkipped = true
	})
	return &Blobs{client: client, bucket: o.Bucket, kms: o.Key}
}

// shards are 4: fourteen thousand writes a second before S3 has split anything.
const shards = 4

// key is where the blob of that name lies.
func key(name string) string { return shardKey(shardOf(name), name) }

func shardKey(shard int, name string) string { return string(rune('0'+shard)) + "/" + name }

func shardOf(name string) int {
	h := fnv.New32a()
	_, _ = io.WriteString(h, group(name))
	return int(h.Sum32() % shards)
}

// group is a name's first three elements, or all of it where it has no more.
func group(name string) string {
	slashes := 0
	for i := range len(name) {
		if name[i] == '/' {
			if slashes++; slashes == 3 {
				return name[:i]
			}
		}
	}
	return name
}

// Open reads a range of a blob.
func (b *Blobs) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := blob.CheckName(name); err != nil {
		return nil, err
	}
	if off < 0 {
		return nil, kinds.Errorf(kinds.Invalid, "blob: offset %d", off)
	}
	if n == 0 {
		if _, err := b.Stat(ctx, name); err != nil {
			return nil, err
		}
		return http.NoBody, nil
	}
	return open(ctx, b, name, off, n)
}

// Stat tells an object's size and time.
func (b *Blobs) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := blob.CheckName(name); err != nil {
		return blob.Info{}, err
	}
	out, err := b.head(ctx, name)
	if err != nil {
		return blob.Info{}, err
	}
	return blob.Info{Name: name, Size: aws.ToInt64(out.ContentLength), Modified: aws.ToTime(out.LastModified)}, nil
}

func (b *Blobs) head(ctx context.Context, name string) (*s3.HeadObjectOutput, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.bucket, Key: aws.String(key(name))})
	return out, failure(err, "blob: stat", name)
}

// Delete removes an object.
func (b *Blobs) Delete(ctx context.Context, name string) error {
	if err := blob.CheckName(name); err != nil {
		return err
	}
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.bucket, Key: aws.String(key(name))})
	return awsclient.Err(err, "blob: delete")
}

// failure gives an error its kind: NotFound when the object (but not the bucket) is not
// there. The reply to HEAD has no body and thus no code but what the SDK makes of 404.
func failure(err error, doing, name string) error {
	if code := awsclient.Code(err); code == "NoSuchKey" || code == "NotFound" {
		return kinds.Errorf(kinds.NotFound, "%s: no %s: %w", doing, name, err)
	}
	return awsclient.Err(err, doing)
}

// encrypt tells how an object is to be encrypted: with the key of the service, by way of
// a key of the bucket, so that KMS isn't asked for each object.
func (b *Blobs) encrypt() (types.ServerSideEncryption, *string, *bool) {
	if b.kms == "" {
		return "", nil, nil
	}
	return types.ServerSideEncryptionAwsKms, &b.kms, aws.Bool(true)
}
