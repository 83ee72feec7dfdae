//go:build localstack

package s3_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/godwit-mail/godwit/shared/blob/blobtest"
	twin "github.com/godwit-mail/godwit/shared/blob/s3"
	"github.com/godwit-mail/godwit/shared/internal/awsclient"
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

func TestContractOverAFailingNetwork(t *testing.T) {
	cfg := awstest.Config(t)
	failing := awstest.Proxy(t, cfg, awstest.OneIn(6, awstest.Seed(t), awstest.Faults()...))
	blobtest.Run(t, func(t *testing.T) blobtest.World {
		t.Parallel()
		return blobtest.World{Driver: twin.New(failing, twin.Options{Bucket: bucket(t, client(cfg))})}
	})
}

// TestEveryCallMayFail puts, reads and deletes with each fault at each call.
func TestEveryCallMayFail(t *testing.T) {
	cfg := awstest.Config(t)
	b := bucket(t, client(cfg))
	for _, size := range []int64{0, 100_000, 9 << 20} {
		body := bytes.Repeat([]byte("0123456789abcdef"), int(size/16+1))[:size]
		for _, fault := range append(awstest.Faults(), awstest.Conflict) {
			for n, calls := 1, 1; n <= calls; n++ {
				calls = 0
				d := twin.New(awstest.Proxy(t, cfg, func(c awstest.Call) awstest.Fault {
					write := c.Operation == "PUT" && !strings.Contains(c.Path, "uploadId") || strings.Contains(c.Path, "uploadId") && c.Operation == "POST"
					if calls++; calls != n || fault == awstest.Conflict && !write {
						return awstest.None
					}
					return fault
				}), twin.Options{Bucket: b})
				name := fmt.Sprintf("m/%d/%s/%d", size, strings.ReplaceAll(string(fault), " ", "-"), n)
				porttest.OK(t, d.Put(t.Context(), name, bytes.NewReader(body), size))
				info, err := d.Stat(t.Context(), name)
				porttest.OK(t, err)
				r, err := d.Open(t.Context(), name, 0, -1)
				porttest.OK(t, err)
				got, err := io.ReadAll(r)
				porttest.OK(t, err)
				porttest.OK(t, r.Close())
				if info.Size != size || !bytes.Equal(got, body) {
					t.Errorf("%d bytes, %s at call %d: %d bytes came back, their size is said to be %d", size, fault, n, len(got), info.Size)
				}
				found, err := d.List(t.Context(), name, "", 10)
				if err != nil || len(found) != 1 {
					t.Errorf("%d bytes, %s at call %d: listed %v, %v", size, fault, n, found, err)
				}
				porttest.OK(t, d.Delete(t.Context(), name))
			}
		}
	}
}

func TestTroubleWithoutEndIsTemporary(t *testing.T) {
	cfg := awstest.Config(t)
	b := bucket(t, client(cfg))
	for _, fault := range append(awstest.Faults(), awstest.Conflict) {
		d := twin.New(awstest.Proxy(t, cfg, func(awstest.Call) awstest.Fault { return fault }), twin.Options{Bucket: b})
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := d.Put(ctx, "m/a/b/c", strings.NewReader("x"), 1)
		if !kinds.Is(err, kinds.Unavailable) && !kinds.Is(err, kinds.Throttled) {
			t.Errorf("%s: %v (%v)", fault, err, kinds.Of(err))
		}
		cancel()
	}
}

func TestWhatItCosts(t *testing.T) {
	var m awsclient.Meter
	cfg := awstest.Config(t)
	d, ctx := twin.New(m.Attach(cfg), twin.Options{Bucket: bucket(t, client(cfg))}), t.Context()
	put := func(name string, size int64) func() error {
		return func() error { return d.Put(ctx, name, bytes.NewReader(make([]byte, size)), size) }
	}
	list := func(prefix string) func() error {
		return func() error { _, err := d.List(ctx, prefix, "", 1000); return err }
	}
	for _, test := range []struct {
		what string
		do   func() error
		want map[string]int
	}{
		{"put", put("m/a/b/c", 75_000), map[string]int{"PutObject": 1}},
		{"put again", put("m/a/b/c", 75_000), map[string]int{"PutObject": 1, "HeadObject": 1}},
		{"put of 8 MiB", put("m/a/b/d", 8<<20), map[string]int{"PutObject": 1}},
		{"put of 17 MiB", put("m/a/b/e", 17<<20), map[string]int{"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}},
		{"read", func() error {
			r, err := d.Open(ctx, "m/a/b/e", 1<<20, 12<<20)
			if err == nil {
				_, err = io.Copy(io.Discard, r)
			}
			return err
		}, map[string]int{"GetObject": 1}},
		{"list of an hour", list("m/a/b/"), map[string]int{"ListObjectsV2": 1}},
		{"list of a tenant", list("m/a/"), map[string]int{"ListObjectsV2": 4}},
		{"delete", func() error { return d.Delete(ctx, "m/a/b/c") }, map[string]int{"DeleteObject": 1}},
	} {
		m.Reset()
		porttest.OK(t, test.do())
		got := map[string]int{}
		for name, cost := range m.Costs() {
			got[strings.TrimPrefix(name, "S3.")] = cost.Calls
		}
		if !maps.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.what, got, test.want)
		}
	}
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
