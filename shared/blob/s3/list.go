package s3

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// List returns objects by prefix, in byte order. A prefix of three whole elements costs
// one call, a shorter one a call for each shard.
func (b *Blobs) List(ctx context.Context, prefix, after string, limit int) ([]blob.Info, error) {
	if limit < 1 || limit > blob.MaxPage {
		return nil, kinds.Errorf(kinds.Invalid, "blob: a page of %d", limit)
	}
	if after > prefix && !strings.HasPrefix(after, prefix) {
		return nil, nil // behind all that begins with the prefix
	}
	if strings.Count(prefix, "/") >= 3 {
		return b.listShard(ctx, shardOf(prefix), prefix, after, limit)
	}
	var lists [shards][]blob.Info
	g, gctx := errgroup.WithContext(ctx)
	for n := range lists {
		g.Go(func() (err error) {
			lists[n], err = b.listShard(gctx, n, prefix, after, limit)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(lists[:]...)
	slices.SortFunc(all, func(x, y blob.Info) int { return cmp.Compare(x.Name, y.Name) })
	return all[:min(len(all), limit)], nil
}

func (b *Blobs) listShard(ctx context.Context, shard int, prefix, after string, limit int) (found []blob.Info, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: aws.String(shardKey(shard, prefix))}
	if after != "" {
		in.StartAfter = aws.String(shardKey(shard, after))
	}
	for {
		in.MaxKeys = aws.Int32(int32(limit - len(found)))
		out, err := b.client.ListObjectsV2(ctx, in)
		if err != nil {
			return nil, awsclient.Err(err, "blob: list")
		}
		for _, o := range out.Contents {
			_, name, _ := strings.Cut(aws.ToString(o.Key), "/")
			found = append(found, blob.Info{Name: name, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)})
		}
		if in.ContinuationToken = out.NextContinuationToken; len(found) >= limit || !aws.ToBool(out.IsTruncated) {
			return found, nil
		}
	}
}
