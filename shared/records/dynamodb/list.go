package dynamodb

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Get returns the records that are there, in the order of keys, in one call unless they
// are more than 16 MB.
func (r *Records) Get(ctx context.Context, keys ...records.Key) ([]records.Record, error) {
	if len(keys) < 1 || len(keys) > records.MaxGet {
		return nil, kinds.Errorf(kinds.Invalid, "records: a get of %d keys", len(keys))
	}
	ask := make([]item, len(keys))
	place := make(map[records.Key]int, len(keys))
	for i, k := range keys {
		if err := check(k); err != nil {
			return nil, err
		}
		ask[i], place[k] = key(k), i
	}
	if len(place) < len(keys) {
		return nil, kinds.Errorf(kinds.Invalid, "records: a get of the same key twice")
	}
	items, err := r.get(ctx, ask)
	if err != nil {
		return nil, err
	}
	var found []records.Record
	for _, it := range items {
		rec, err := r.current(it)
		if err != nil {
			return nil, err
		}
		if rec != nil {
			found = append(found, *rec)
		}
	}
	slices.SortFunc(found, func(a, b records.Record) int { return cmp.Compare(place[a.Key], place[b.Key]) })
	return found, nil
}

func (r *Records) get(ctx context.Context, ask []item) (found []item, err error) {
	if len(ask) == 1 {
		out, err := r.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &r.table, Key: ask[0], ConsistentRead: aws.Bool(true)})
		if err != nil || len(out.Item) == 0 {
			return nil, awsclient.Err(err, "records: get")
		}
		return []item{out.Item}, nil
	}
	for idle := 0; len(ask) > 0; {
		out, err := r.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			r.table: {Keys: ask, ConsistentRead: aws.Bool(true)}}})
		if err != nil {
			return nil, awsclient.Err(err, "records: get")
		}
		found = append(found, out.Responses[r.table]...)
		// What is left was too much for one reply, or throttled.
		ask = out.UnprocessedKeys[r.table].Keys
		if len(out.Responses[r.table]) > 0 {
			idle = 0
		} else if idle++; len(ask) > 0 {
			if err := awsclient.Wait(ctx, idle); err != nil {
				return nil, kinds.Wrap(kinds.Throttled, err, "records: get")
			}
		}
	}
	return found, nil
}

// List returns records of a space by prefix, in byte order.
func (r *Records) List(ctx context.Context, space, prefix, after string, limit int) (found []records.Record, err error) {
	if err := checkPage(space, limit); err != nil {
		return nil, err
	}
	in := &dynamodb.QueryInput{
		TableName:                 &r.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("s = :s"),
		FilterExpression:          aws.String(lives),
		ExpressionAttributeValues: item{":s": binary("r" + space), ":now": r.seconds()},
	}
	if prefix != "" {
		in.KeyConditionExpression = aws.String("s = :s AND begins_with(i, :prefix)")
		in.ExpressionAttributeValues[":prefix"] = binary(prefix)
	}
	switch {
	case strings.HasPrefix(after, prefix) && after != "":
		if len(after) > records.MaxKey {
			after = after[:records.MaxKey] // no id lies between the two
		}
		in.ExclusiveStartKey = key(records.Key{Space: space, ID: after})
	case after > prefix:
		return nil, nil // behind all that begins with the prefix
	}
	for {
		in.Limit = aws.Int32(int32(limit - len(found)))
		out, err := r.client.Query(ctx, in)
		if err != nil {
			return nil, awsclient.Err(err, "records: list")
		}
		for _, it := range out.Items {
			rec, err := recordOf(it)
			if err != nil {
				return nil, err
			}
			found = append(found, rec)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(found) == limit || in.ExclusiveStartKey == nil {
			return found, nil
		}
	}
}

// Due returns records that are due, the earliest first: a query for each shard of the
// index, then the records themselves, so that nothing is given that the index only
// remembers.
func (r *Records) Due(ctx context.Context, space string, before time.Time, limit int) ([]records.Record, error) {
	if err := checkPage(space, limit); err != nil {
		return nil, err
	}
	var lists [shards][]item
	g, gctx := errgroup.WithContext(ctx)
	for n := range lists {
		g.Go(func() (err error) {
			lists[n], err = r.dueIn(gctx, shard(space, '0'+byte(n)), before, limit)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	all := slices.Concat(lists[:]...)
	slices.SortStableFunc(all, func(a, b item) int { return cmp.Compare(dueAt(a), dueAt(b)) })
	all = all[:min(len(all), limit)]
	var found []records.Record
	for page := range slices.Chunk(all, records.MaxGet) {
		keys := make([]records.Key, len(page))
		for i, it := range page {
			k, err := keyOf(it)
			if err != nil {
				return nil, err
			}
			keys[i] = k
		}
		recs, err := r.Get(ctx, keys...)
		if err != nil {
			return nil, err
		}
		for _, rec := range recs {
			if !rec.Due.IsZero() && !rec.Due.After(before) {
				found = append(found, rec)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b records.Record) int { return a.Due.Compare(b.Due) })
	return found, nil
}

func dueAt(it item) int64 {
	d, _ := intOf(it, "d")
	return d
}

func (r *Records) dueIn(ctx context.Context, shard types.AttributeValue, before time.Time, limit int) (found []item, err error) {
	in := &dynamodb.QueryInput{
		TableName:                 &r.table,
		IndexName:                 aws.String(Index),
		KeyConditionExpression:    aws.String("x = :x AND d <= :before"),
		ExpressionAttributeValues: item{":x": shard, ":before": integer(before.UnixMilli())},
	}
	for {
		in.Limit = aws.Int32(int32(limit - len(found)))
		out, err := r.client.Query(ctx, in)
		if err != nil {
			return nil, awsclient.Err(err, "records: due")
		}
		found = append(found, out.Items...)
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(found) == limit || in.ExclusiveStartKey == nil {
			return found, nil
		}
	}
}

func checkPage(space string, limit int) error {
	if space == "" || len(space) > records.MaxKey || limit < 1 || limit > records.MaxPage {
		return kinds.Errorf(kinds.Invalid, "records: a page of %d", limit)
	}
	return nil
}
