// Package dynamodb is the journal's twin in AWS: a table with one item an entry.
//
// The table's partition key is p (a string), its sort key n (a number). Item n of a
// partition is entry n: o is its operation id, d its data. Item 0 holds the watchers:
// an attribute for each, w and its name, that says until when it is registered.
package dynamodb

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const maxSeq = 1<<40 - 1 // MODSEQ holds no more

// Journal keeps entries in a DynamoDB table.
type Journal struct {
	client *dynamodb.Client
	table  string
	now    func() time.Time
}

var _ journal.Driver = (*Journal)(nil)

// New makes a Journal over the table, which must be there. now is the clock of watchers'
// registrations.
func New(client *dynamodb.Client, table string, now func() time.Time) *Journal {
	return &Journal{client: client, table: table, now: now}
}

type item = map[string]types.AttributeValue

// Append stores e durably if no entry e.Seq is there. It finds itself when it is tried
// again after a lost reply, here or by the SDK.
func (j *Journal) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	if p == "" || e.Seq == 0 || e.Seq > maxSeq || e.Op == "" {
		return kinds.Errorf(kinds.Invalid, "journal: an append needs a partition, an operation id and a number from 1 to %d", uint64(maxSeq))
	}
	if len(e.Data)+len(e.Op) > journal.MaxEntry {
		return kinds.Errorf(kinds.Limit, "journal: an entry of %d bytes", len(e.Data)+len(e.Op))
	}
	it := key(p, e.Seq)
	it["o"], it["d"] = text(e.Op), &types.AttributeValueMemberB{Value: []byte{}}
	if e.Data != nil { // nil would be no value at all
		it["d"] = &types.AttributeValueMemberB{Value: e.Data}
	}
	_, err := j.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &j.table,
		Item:                                it,
		ConditionExpression:                 aws.String("attribute_not_exists(n)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		return awsclient.Err(err, "journal: append")
	}
	old, err := entry(failed.Item)
	if err != nil {
		return err
	}
	if old.Op == e.Op {
		return nil
	}
	return &journal.Taken{Existing: old}
}

// Read returns entries after a number, in order.
func (j *Journal) Read(ctx context.Context, p journal.Partition, after uint64, limit int) (entries []journal.Entry, more bool, err error) {
	if limit < 1 || limit > 1000 {
		return nil, false, kinds.Errorf(kinds.Invalid, "journal: a limit of %d", limit)
	}
	if after >= maxSeq {
		return nil, false, nil
	}
	out, err := j.client.Query(ctx, j.query(p, "p = :p AND n > :n", after, int32(limit)))
	if err != nil {
		return nil, false, awsclient.Err(err, "journal: read")
	}
	size := 0
	for _, it := range out.Items {
		e, err := entry(it)
		if err != nil {
			return nil, false, err
		}
		if size += len(e.Data); len(entries) > 0 && size > journal.MaxPage {
			return entries, true, nil
		}
		entries = append(entries, e)
	}
	return entries, out.LastEvaluatedKey != nil, nil
}

// Last returns the entry with the highest number.
func (j *Journal) Last(ctx context.Context, p journal.Partition) (journal.Entry, error) {
	q := j.query(p, "p = :p AND n > :n", 0, 1)
	q.ScanIndexForward = aws.Bool(false)
	out, err := j.client.Query(ctx, q)
	if err != nil {
		return journal.Entry{}, awsclient.Err(err, "journal: last")
	}
	if len(out.Items) == 0 {
		return journal.Entry{}, kinds.Errorf(kinds.NotFound, "journal: the partition is empty")
	}
	return entry(out.Items[0])
}

// Tail returns the entries with the highest numbers, in order.
func (j *Journal) Tail(ctx context.Context, p journal.Partition, limit int) (tail []journal.Entry, err error) {
	if limit < 1 || limit > 1000 {
		return nil, kinds.Errorf(kinds.Invalid, "journal: a limit of %d", limit)
	}
	q := j.query(p, "p = :p AND n > :n", 0, int32(limit))
	q.ScanIndexForward = aws.Bool(false)
	out, err := j.client.Query(ctx, q)
	if err != nil {
		return nil, awsclient.Err(err, "journal: tail")
	}
	size := 0
	for _, it := range out.Items {
		e, err := entry(it)
		if err != nil {
			return nil, err
		}
		if size += len(e.Data); len(tail) > 0 && size > journal.MaxPage {
			break
		}
		tail = append(tail, e)
	}
	if len(tail) == 0 {
		return nil, kinds.Errorf(kinds.NotFound, "journal: the partition is empty")
	}
	slices.Reverse(tail)
	return tail, nil
}

// Trim deletes entries up to a number, but never the last one. One by one: a batch has
// no order, and one that failed in part would leave a hole.
func (j *Journal) Trim(ctx context.Context, p journal.Partition, through uint64) error {
	last, err := j.Last(ctx, p)
	if kinds.Is(err, kinds.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	through = min(through, last.Seq-1)
	for after := uint64(0); after < through; {
		q := j.query(p, "p = :p AND n BETWEEN :n AND :through", after+1, 1000)
		q.ExpressionAttributeValues[":through"] = number(through)
		q.ProjectionExpression = aws.String("n")
		out, err := j.client.Query(ctx, q)
		if err != nil {
			return awsclient.Err(err, "journal: trim")
		}
		for _, it := range out.Items {
			if after, err = seq(it); err != nil {
				return err
			}
			if _, err := j.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &j.table, Key: key(p, after)}); err != nil {
				return awsclient.Err(err, "journal: trim")
			}
		}
		if out.LastEvaluatedKey == nil {
			break
		}
	}
	return nil
}

func (j *Journal) query(p journal.Partition, condition string, n uint64, limit int32) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName:                 &j.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    &condition,
		ExpressionAttributeValues: item{":p": text(string(p)), ":n": number(n)},
		Limit:                     &limit,
	}
}

func key(p journal.Partition, n uint64) item { return item{"p": text(string(p)), "n": number(n)} }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n uint64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatUint(n, 10)}
}

func seq(it item) (uint64, error) {
	if n, ok := it["n"].(*types.AttributeValueMemberN); ok {
		if n, err := strconv.ParseUint(n.Value, 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, kinds.Errorf(kinds.Corrupt, "journal: an item without a number")
}

func entry(it item) (journal.Entry, error) {
	n, err := seq(it)
	op, okOp := it["o"].(*types.AttributeValueMemberS)
	data, okData := it["d"].(*types.AttributeValueMemberB)
	if err != nil || !okOp || !okData {
		return journal.Entry{}, kinds.Errorf(kinds.Corrupt, "journal: item %d is no entry", n)
	}
	return journal.Entry{Seq: n, Op: op.Value, Data: data.Value}, nil
}
