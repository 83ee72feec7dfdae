package dynamodb

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Watch registers a watcher until ttl has passed.
func (j *Journal) Watch(ctx context.Context, p journal.Partition, watcher string, ttl time.Duration) error {
	if p == "" || watcher == "" || ttl <= 0 {
		return kinds.Errorf(kinds.Invalid, "journal: a watch needs a partition, a watcher and a time")
	}
	until := number(uint64(j.now().Add(ttl).UnixMilli()))
	out, err := j.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                 &j.table,
		Key:                       key(p, 0),
		UpdateExpression:          aws.String("SET #w = :until"),
		ExpressionAttributeNames:  map[string]string{"#w": "w" + watcher},
		ExpressionAttributeValues: item{":until": until},
		ReturnValues:              types.ReturnValueAllNew,
	})
	if err != nil {
		return awsclient.Err(err, "journal: watch")
	}
	return j.forget(ctx, p, out.Attributes)
}

// forget removes registrations that have ended, which gateways that died have left. One
// that was renewed since it was read stays.
func (j *Journal) forget(ctx context.Context, p journal.Partition, seen item) error {
	now := j.now()
	for name, until := range seen {
		if !strings.HasPrefix(name, "w") || millis(until).After(now) {
			continue
		}
		_, err := j.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName:                 &j.table,
			Key:                       key(p, 0),
			UpdateExpression:          aws.String("REMOVE #w"),
			ConditionExpression:       aws.String("#w = :until"),
			ExpressionAttributeNames:  map[string]string{"#w": name},
			ExpressionAttributeValues: item{":until": until},
		})
		if err != nil && awsclient.Code(err) != "ConditionalCheckFailedException" {
			return awsclient.Err(err, "journal: forget watchers")
		}
	}
	return nil
}

// Unwatch removes a registration.
func (j *Journal) Unwatch(ctx context.Context, p journal.Partition, watcher string) error {
	_, err := j.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &j.table,
		Key:                      key(p, 0),
		UpdateExpression:         aws.String("REMOVE #w"),
		ConditionExpression:      aws.String("attribute_exists(#w)"), // or it would make an item
		ExpressionAttributeNames: map[string]string{"#w": "w" + watcher},
	})
	if awsclient.Code(err) == "ConditionalCheckFailedException" {
		return nil
	}
	return awsclient.Err(err, "journal: unwatch")
}

// Watchers lists who watches the partition, in byte order.
func (j *Journal) Watchers(ctx context.Context, p journal.Partition) ([]string, error) {
	out, err := j.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &j.table, Key: key(p, 0), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, awsclient.Err(err, "journal: watchers")
	}
	now := j.now()
	var names []string
	for name, until := range out.Item {
		if w, ok := strings.CutPrefix(name, "w"); ok && millis(until).After(now) {
			names = append(names, w)
		}
	}
	slices.Sort(names)
	return names, nil
}

// millis is the time of an attribute, long ago when it has none.
func millis(v types.AttributeValue) time.Time {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(n.Value, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
