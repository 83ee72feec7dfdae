// Package cloud gives a process that runs in AWS its ports. Region, credentials and
// endpoint are looked for where the SDK does: the environment, the shared files, the
// role of the task or the function.
package cloud

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/s3"
	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	journaldynamodb "github.com/godwit-mail/godwit/shared/journal/dynamodb"
	"github.com/godwit-mail/godwit/shared/kinds"
	notifysqs "github.com/godwit-mail/godwit/shared/notify/sqs"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	queuesqs "github.com/godwit-mail/godwit/shared/queue/sqs"
	recordsdynamodb "github.com/godwit-mail/godwit/shared/records/dynamodb"
	"github.com/godwit-mail/godwit/shared/settings"
)

// Config says which of the account's resources are this service's. infra/ makes them
// under these names.
type Config struct {
	Name   string           // of the service: begins the name of each table and queue
	Bucket string           // for blobs
	Key    string           // id or ARN of the KMS key of blobs; "": what the bucket does by default
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: silent
	Client Client           // nil: the SDK's configuration as it is
}

// Client changes the SDK's configuration, for who counts calls or makes them fail.
type Client func(aws.Config) aws.Config

// Ports are the drivers over AWS.
type Ports struct {
	ports.Set
	notify *notifysqs.Notify
}

// Open makes the drivers. It calls nothing: what is missing shows at the first use.
func Open(ctx context.Context, c Config) (*Ports, error) {
	if c.Name == "" || c.Bucket == "" {
		return nil, kinds.Errorf(kinds.Invalid, "aws.name (GODWIT_AWS_NAME) and aws.bucket (GODWIT_AWS_BUCKET) must be set; 'godwit deploy output' tells them")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	cfg, err := awsclient.Load(ctx)
	if err != nil {
		return nil, err
	}
	if c.Client != nil {
		cfg = c.Client(cfg)
	}
	tables := dynamodb.NewFromConfig(cfg)
	watchers := notifysqs.New(cfg, c.Name+"-notify-", c.Now, c.Log)
	return &Ports{notify: watchers, Set: ports.Set{
		Journal: journaldynamodb.New(tables, c.Name+"-journal", c.Now),
		Records: recordsdynamodb.New(tables, c.Name+"-records", c.Now),
		Blobs:   s3.New(cfg, s3.Options{Bucket: c.Bucket, Key: c.Key}),
		Queue:   queuesqs.New(cfg, c.Name+"-"),
		Notify:  watchers,
	}}, nil
}

// OpenBucket gives a bucket of anybody's as a blob store, encrypted as it does by default.
func OpenBucket(ctx context.Context, bucket string) (blob.Driver, error) {
	cfg, err := awsclient.Load(ctx)
	if err != nil {
		return nil, err
	}
	return s3.New(cfg, s3.Options{Bucket: bucket}), nil
}

// SendQueue is the queue by which mail to other hosts is woken, for the way that most of it
// goes: a function has no port 25 and no address of its own, so it does not send directly.
func SendQueue(way string) string {
	if way == settings.OutboundDirect {
		return queue.Egress
	}
	return queue.Outbound
}

// OpenQueues gives all queues of the account in a region ("": the environment's), by their
// whole names, of whomever.
func OpenQueues(ctx context.Context, region string) (queue.Driver, error) {
	cfg, err := awsclient.LoadIn(ctx, region)
	if err != nil {
		return nil, err
	}
	return queuesqs.New(cfg, ""), nil
}

// Sweep removes the queues of gateways that have died without removing them, and tells
// how many. It is to be called about once an hour, by any gateway.
func (p *Ports) Sweep(ctx context.Context) (removed int, err error) { return p.notify.Sweep(ctx) }
