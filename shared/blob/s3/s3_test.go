//go:build localstack

package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/godwit-mail/godwit/shared/blob/blobtest"
	twin "github.com/godwit-mail/godwit/shared/blob/s3"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestContract(t *testing.T) {
	cfg := awstest.Config(t)
	blobtest.Run(t, func(t *testing.T) blobtest.World {
		return blobtest.World{Driver: twin.New(cfg, twin.Options{Bucket: bucket(t, client(cfg))})}
	})
}

// client is for what a test does behind the twin's back.
func client(cfg aws.Config) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func TestAMultipartUploadOfWhatIsThereFindsItselfOrIsRefused(t *testing.T) {
	cfg := awstest.Config(t)
	c := client(cfg)
	b := bucket(t, c)
	d := twin.New(cfg, twin.Options{Bucket: b})
	body := bytes.Repeat([]byte("godwit"), 3<<20) // 18 MiB
	put := func() error { return d.Put(t.Context(), "m/a/b/c", bytes.NewReader(body), int64(len(body))) }
	porttest.OK(t, put())
	porttest.OK(t, put())
	body[len(body)-1]++
	porttest.Kind(t, put(), kinds.Exists)
	broken := io.NewSectionReader(bytes.NewReader(body), 0, 10<<20)
	if err := d.Put(t.Context(), "m/a/b/d", broken, 12<<20); err == nil {
		t.Error("a source that is too short was put")
	}
	left, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b})
	porttest.OK(t, err)
	if len(left.Uploads) != 0 {
		t.Errorf("%d uploads are left", len(left.Uploads))
	}
}

func TestObjectsAreEncryptedWithTheKeyOfTheService(t *testing.T) {
	cfg := awstest.Config(t)
	c := client(cfg)
	b := bucket(t, c)
	d := twin.New(cfg, twin.Options{Bucket: b, Key: "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555"})
	for _, size := range []int{10, 9 << 20} {
		porttest.OK(t, d.Put(t.Context(), fmt.Sprint("m/a/b/", size), bytes.NewReader(make([]byte, size)), int64(size)))
	}
	list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b})
	porttest.OK(t, err)
	if len(list.Contents) != 2 {
		t.Fatalf("%d objects", len(list.Contents))
	}
	for _, o := range list.Contents {
		head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &b, Key: o.Key})
		porttest.OK(t, err)
		if head.ServerSideEncryption != types.ServerSideEncryptionAwsKms || !aws.ToBool(head.BucketKeyEnabled) ||
			!strings.HasSuffix(aws.ToString(head.SSEKMSKeyId), "555555555555") {
			t.Errorf("encrypted with %q, key %q, a key of the bucket: %v", head.ServerSideEncryption, aws.ToString(head.SSEKMSKeyId), aws.ToBool(head.BucketKeyEnabled))
		}
	}
}

// bucket makes a bucket; all of it is removed when the test ends.
func bucket(t *testing.T, c *s3.Client) string {
	t.Helper()
	name := awstest.Name("blobs")
	_, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	porttest.OK(t, err)
	awstest.Cleanup(t, func(ctx context.Context) error {
		pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			var ids []types.ObjectIdentifier
			for _, o := range page.Contents {
				ids = append(ids, types.ObjectIdentifier{Key: o.Key})
			}
			if len(ids) == 0 {
				continue
			}
			if _, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &name, Delete: &types.Delete{Objects: ids}}); err != nil {
				return err
			}
		}
		_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
		return err
	})
	return name
}
