// Package dynamodb is the records' twin in AWS: a table with one item a record or counter.
//
// The table's partition key is s (binary): "r" and the space of a record, "c" and that of
// a counter; its sort key is i (binary), the id, so ids sort by bytes. v is the version or
// the counter's value (a number), b the value (binary), t the time it expires (seconds;
// the table's time-to-live attribute). A record that is due has d (milliseconds) and x
// (binary: a byte that says which shard, and the space); these two are the keys of the
// index "due", which holds keys only and no item that isn't due.
package dynamodb

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Index is the name of the table's index of what is due.
const Index = "due"

// Records keeps records and counters in a DynamoDB table.
type Records struct {
	client *dynamodb.Client
	table  string
	now    func() time.Time
}

var _ records.Driver = (*Records)(nil)

// New makes a Records over the table, which must be there with its index. now is the
// clock of expiry: the table's time to live comes hours late, and only tidies up.
func New(client *dynamodb.Client, table string, now func() time.Time) *Records {
	return &Records{client: client, table: table, now: now}
}

// Put writes a record if the stored version is ifVersion. It finds itself when it is
// tried again after a lost reply, here or by the SDK.
func (r *Records) Put(ctx context.Context, rec records.Record, ifVersion uint64) (uint64, error) {
	if err := check(rec.Key); err != nil {
		return 0, err
	}
	if len(rec.Value) > records.MaxValue {
		return 0, kinds.Errorf(kinds.Limit, "records: a value of %d bytes", len(rec.Value))
	}
	condition, values := "v = :v AND "+lives, item{":v": number(ifVersion), ":now": r.seconds()}
	if ifVersion == 0 {
		condition = "attribute_not_exists(v) OR t <= :now"
		delete(values, ":v")
	}
	rec.Version = ifVersion + 1
	it := itemOf(rec)
	_, err := r.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &r.table,
		Item:                                it,
		ConditionExpression:                 &condition,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return rec.Version, nil
	case !errors.As(err, &failed):
		return 0, awsclient.Err(err, "records: put")
	}
	old, err := r.current(failed.Item)
	if err != nil {
		return 0, err
	}
	if old != nil && old.Version == rec.Version && bytes.Equal(old.Value, rec.Value) && sameTime(it, failed.Item, "d") && sameTime(it, failed.Item, "t") {
		return rec.Version, nil // this very write, whose reply was lost
	}
	return 0, &records.Changed{Key: rec.Key, Current: old}
}

// Delete removes a record if it is at ifVersion.
func (r *Records) Delete(ctx context.Context, k records.Key, ifVersion uint64) error {
	if err := check(k); err != nil {
		return err
	}
	in := &dynamodb.DeleteItemInput{TableName: &r.table, Key: key(k)}
	if ifVersion != 0 {
		in.ConditionExpression = aws.String("attribute_not_exists(v) OR v = :v OR t <= :now")
		in.ExpressionAttributeValues = item{":v": number(ifVersion), ":now": r.seconds()}
		in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	}
	_, err := r.client.DeleteItem(ctx, in)
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return awsclient.Err(err, "records: delete")
	}
	old, err := r.current(failed.Item)
	if err != nil || old == nil {
		return err
	}
	return &records.Changed{Key: k, Current: old}
}

// Add adds to a counter. Every counter has an end, one without a time to live in a far
// future: so adding never needs to know how a counter was made.
func (r *Records) Add(ctx context.Context, k records.Key, n int64, ttl time.Duration) (int64, error) {
	if err := check(k); err != nil {
		return 0, err
	}
	if ttl < 0 {
		return 0, kinds.Errorf(kinds.Invalid, "records: a time to live of %v", ttl)
	}
	const never = 253402300799 // the last second of the year 9999
	for {
		end := int64(never)
		if ttl > 0 {
			end = ceilSeconds(r.now().Add(ttl))
		}
		values := item{":n": integer(n), ":zero": integer(0), ":end": integer(end), ":now": r.seconds()}
		total, err := r.update(ctx, k, "SET v = if_not_exists(v, :zero) + :n, t = if_not_exists(t, :end)", "attribute_not_exists(v) OR t > :now", values)
		if awsclient.Code(err) != conditionFailed {
			return total, awsclient.Err(err, "records: add")
		}
		delete(values, ":zero")
		total, err = r.update(ctx, k, "SET v = :n, t = :end", "t <= :now", values)
		if awsclient.Code(err) != conditionFailed {
			return total, awsclient.Err(err, "records: add")
		}
		// Somebody else has begun it anew.
	}
}

const conditionFailed = "ConditionalCheckFailedException"

func (r *Records) update(ctx context.Context, k records.Key, set, condition string, values item) (int64, error) {
	out, err := r.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &r.table,
		Key:                       item{"s": binary("c" + k.Space), "i": binary(k.ID)},
		UpdateExpression:          &set,
		ConditionExpression:       &condition,
		ExpressionAttributeValues: values,
		ReturnValues:              types.ReturnValueUpdatedNew,
	})
	if err != nil {
		return 0, err
	}
	return intOf(out.Attributes, "v")
}

// current is what a failed condition has met, nil when it isn't there or has expired.
func (r *Records) current(it item) (*records.Record, error) {
	if len(it) == 0 {
		return nil, nil
	}
	rec, err := recordOf(it)
	if err != nil || !rec.Expires.IsZero() && !rec.Expires.After(r.now()) {
		return nil, err
	}
	return &rec, nil
}

// lives is the condition that an item has not expired.
const lives = "(attribute_not_exists(t) OR t > :now)"

func (r *Records) seconds() types.AttributeValue { return integer(r.now().Unix()) }

func ceilSeconds(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }

func number(n uint64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatUint(n, 10)}
}

func integer(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func binary(s string) types.AttributeValue { return &types.AttributeValueMemberB{Value: []byte(s)} }

func check(k records.Key) error {
	if k.Space == "" || k.ID == "" || len(k.Space) > records.MaxKey || len(k.ID) > records.MaxKey {
		return kinds.Errorf(kinds.Invalid, "records: a key of %d and %d bytes", len(k.Space), len(k.ID))
	}
	return nil
}
