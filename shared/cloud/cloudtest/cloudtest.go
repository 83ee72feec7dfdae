// Package cloudtest gives tests an empty service in the emulated cloud, as infra/ would
// make it but for rights and encryption, and what counts its calls or makes them fail.
package cloudtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/queue"
)

type (
	// Meter counts what AWS would charge for; its Attach is a cloud.Client.
	Meter = awsclient.Meter
	// Cost is what the calls of one operation have used.
	Cost = awsclient.Cost
	// Fault is what happens to a call on its way.
	Fault = awstest.Fault
	// Call is a call as a proxy sees it.
	Call = awstest.Call
)

// Redrive is after how many receives a job goes to the dead letters, unless Options say
// another number.
const Redrive = 5

// Options are what a test may want otherwise than infra/ makes it. The zero value is that.
type Options struct {
	Redrive    int           // receives, after which a job goes to the dead letters
	Visibility time.Duration // for which the queue hides a job that a function is given
}

// Faults are all that may happen to any call; None is none.
func Faults() []Fault { return awstest.Faults() }

// None lets a call pass; Dropped isn't carried out, Lost is, but for its reply.
const (
	None    = awstest.None
	Dropped = awstest.Dropped
	Lost    = awstest.Lost
)

// Seed gives a seed of what a test does at random, and tells of it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	return awstest.Seed(t)
}

// OneIn makes about one call in n fail.
func OneIn(t testing.TB, n int) func(Call) Fault {
	t.Helper()
	return awstest.OneIn(n, awstest.Seed(t), awstest.Faults()...)
}

// Failing gives a client whose calls go through a proxy, which asks decide about each: one
// at a time, however many processes the client is given to.
func Failing(t testing.TB, decide func(Call) Fault) cloud.Client {
	var mu sync.Mutex
	return func(cfg aws.Config) aws.Config {
		return awstest.Proxy(t, cfg, func(c Call) Fault {
			mu.Lock()
			defer mu.Unlock()
			return decide(c)
		})
	}
}

// Impatient gives a client that makes each call so often at most, so that what a proxy
// does to it is an operation's failure.
func Impatient(client cloud.Client, attempts int) cloud.Client {
	return func(cfg aws.Config) aws.Config {
		cfg = client(cfg)
		patient := cfg.Retryer
		cfg.Retryer = func() aws.Retryer { return retry.AddWithMaxAttempts(patient(), attempts) }
		return cfg
	}
}

// Make makes tables, a bucket and queues under a random name, for as long as the test
// lasts.
func Make(t testing.TB) cloud.Config {
	t.Helper()
	return MakeWith(t, Options{})
}

// MakeWith is Make with something that is otherwise.
func MakeWith(t testing.TB, o Options) cloud.Config {
	t.Helper()
	if o.Redrive == 0 {
		o.Redrive = Redrive
	}
	cfg := awstest.Config(t)
	c := cloud.Config{Name: awstest.Name("godwit"), Bucket: awstest.Name("mail")}
	tables(t, cfg, c.Name)
	bucket(t, cfg, c.Bucket)
	queues(t, cfg, c.Name, o)
	return c
}

func tables(t testing.TB, cfg aws.Config, name string) {
	client := dynamodb.NewFromConfig(cfg)
	attribute := func(name string, kind types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: kind}
	}
	keys := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
	}
	const s, n, b = types.ScalarAttributeTypeS, types.ScalarAttributeTypeN, types.ScalarAttributeTypeB
	for _, in := range []*dynamodb.CreateTableInput{
		{TableName: aws.String(name + "-journal"), KeySchema: keys("p", "n"),
			AttributeDefinitions: []types.AttributeDefinition{attribute("p", s), attribute("n", n)}},
		{TableName: aws.String(name + "-records"), KeySchema: keys("s", "i"),
			AttributeDefinitions: []types.AttributeDefinition{attribute("s", b), attribute("i", b), attribute("x", b), attribute("d", n)},
			GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("due"), KeySchema: keys("x", "d"),
				Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}}}},
	} {
		in.BillingMode = types.BillingModePayPerRequest
		_, err := client.CreateTable(t.Context(), in)
		porttest.OK(t, err)
		awstest.Cleanup(t, func(ctx context.Context) error {
			_, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: in.TableName})
			return err
		})
	}
}

// Bucket makes a bucket for as long as the test lasts.
func Bucket(t testing.TB) (name string) {
	t.Helper()
	name = awstest.Name("backup")
	bucket(t, awstest.Config(t), name)
	return name
}

func bucket(t testing.TB, cfg aws.Config, name string) {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	porttest.OK(t, err)
	awstest.Cleanup(t, func(ctx context.Context) error {
		pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			var ids []s3types.ObjectIdentifier
			for _, o := range page.Contents {
				ids = append(ids, s3types.ObjectIdentifier{Key: o.Key})
			}
			if len(ids) == 0 {
				continue
			}
			if _, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &name, Delete: &s3types.Delete{Objects: ids}}); err != nil {
				return err
			}
		}
		_, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
		return err
	})
}

func queues(t testing.TB, cfg aws.Config, name string, o Options) {
	client := sqs.NewFromConfig(cfg)
	make := func(name string, attributes map[string]string) {
		attributes["MaximumMessageSize"] = "262144"
		out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
		porttest.OK(t, err)
		awstest.Cleanup(t, func(ctx context.Context) error {
			_, err := client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
			var gone *sqstypes.QueueDoesNotExist
			if errors.As(err, &gone) { // by a call whose reply came too late
				return nil
			}
			return err
		})
	}
	for _, jobs := range []string{queue.Deliver, queue.Compact, queue.Outbound, queue.Egress} {
		jobs = name + "-" + jobs
		make(queue.Dead(jobs), map[string]string{})
		attributes := map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`,
			queueARN(cfg, queue.Dead(jobs)), o.Redrive)}
		if o.Visibility > 0 {
			attributes["VisibilityTimeout"] = strconv.Itoa(int(o.Visibility.Seconds()))
		}
		make(jobs, attributes)
	}
}

// RemoveQueue takes a queue away under whoever uses it.
func RemoveQueue(t testing.TB, name string) {
	t.Helper()
	client := sqs.NewFromConfig(awstest.Config(t))
	out, err := client.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	porttest.OK(t, err)
	_, err = client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
	porttest.OK(t, err)
}

func queueARN(cfg aws.Config, name string) string {
	return "arn:aws:sqs:" + cfg.Region + ":000000000000:" + name
}
