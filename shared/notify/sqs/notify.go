// Package sqs is notify's twin in AWS: each listener has a queue of its own, which it
// makes when it begins and removes at its end, and which writers send to.
//
// A message is kept for 60 seconds and hidden for longer once it was received. So nobody
// needs to delete it, which is a third of the calls: it ends before it can come again.
package sqs

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
)

const (
	retention = 60 * time.Second
	hidden    = 10 * time.Minute // longer than retention
	poll      = 20 * time.Second // SQS's longest
	batch     = 10               // SQS's largest
	buffered  = 1024             // events that a listener holds before it loses some
	ending    = 10 * time.Second // for the removal of a queue
	patience  = 6                // failures, over about two seconds, in which a new queue may not be there yet
	seenEvery = 10 * time.Minute // how often a listener says that it lives
	orphaned  = time.Hour        // after so long without it is dead
	seenTag   = "godwit-seen"    // Unix seconds

	// SQS says that a queue may not be there for all until a second after it was made.
	// Whoever tells a watcher before would take it for dead.
	settling = time.Second
)

// Notify carries events over SQS.
type Notify struct {
	client *sqs.Client
	poll   func(*sqs.Options)
	prefix string
	settle time.Duration // before a new queue is used
	now    func() time.Time
	log    *slog.Logger

	mu   sync.Mutex
	base string // of the addresses of all queues
}

var _ notify.Driver = (*Notify)(nil)

// New makes a Notify whose queues' names begin with prefix, which no other queue's does.
// now is the clock by which dead listeners are known.
func New(cfg aws.Config, prefix string, now func() time.Time, log *slog.Logger) *Notify {
	patient := awsclient.HTTPClient(poll + 10*time.Second)
	n := &Notify{client: sqs.NewFromConfig(cfg), poll: func(o *sqs.Options) { o.HTTPClient = patient }, prefix: prefix, now: now, log: log}
	if cfg.BaseEndpoint == nil { // an endpoint that isn't AWS's has its queues at once
		n.settle = settling
	}
	return n
}

// Listen opens a listener with a new name.
func (n *Notify) Listen(ctx context.Context) (notify.Listener, error) {
	l := &listener{n: n, name: strings.ToLower(rand.Text()), events: make(chan notify.Event, buffered), done: make(chan struct{})}
	var err error
	if l.url, err = n.create(ctx, l.name); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.Background()) // until Close
	l.stop = stop
	select {
	case <-time.After(n.settle):
	case <-ctx.Done():
	}
	go l.run(run)
	return l, nil
}

func (n *Notify) create(ctx context.Context, name string) (url string, err error) {
	out, err := n.client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String(n.prefix + name),
		Attributes: map[string]string{
			string(types.QueueAttributeNameMessageRetentionPeriod): strconv.Itoa(int(retention.Seconds())),
			string(types.QueueAttributeNameVisibilityTimeout):      strconv.Itoa(int(hidden.Seconds())),
			string(types.QueueAttributeNameSqsManagedSseEnabled):   "true",
		},
		Tags: map[string]string{seenTag: n.stamp()},
	})
	if err != nil {
		return "", awsclient.Err(err, "notify: make a queue")
	}
	return aws.ToString(out.QueueUrl), nil
}

func (n *Notify) stamp() string { return strconv.FormatInt(n.now().Unix(), 10) }

// Tell sends the event to the watcher's queue.
func (n *Notify) Tell(ctx context.Context, watcher string, e notify.Event) error {
	gone := kinds.Errorf(kinds.NotFound, "notify: the watcher is gone")
	url, err := n.url(ctx, watcher)
	if err == nil {
		_, err = n.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(encode(e))})
		err = failure(err, "notify: tell")
	}
	if absent(err) {
		return gone
	}
	return err
}

// url gives the address of a watcher's queue. All queues of an account and a region lie
// in the same place, so it is asked for once.
func (n *Notify) url(ctx context.Context, watcher string) (string, error) {
	n.mu.Lock()
	base := n.base
	n.mu.Unlock()
	if base != "" {
		return base + watcher, nil
	}
	out, err := n.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(n.prefix + watcher)})
	if err != nil {
		return "", failure(err, "notify: find a queue")
	}
	url := aws.ToString(out.QueueUrl)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.base, _ = strings.CutSuffix(url, watcher)
	return url, nil
}

// failure is awsclient.Err that keeps the word that a queue isn't there.
func failure(err error, doing string) error {
	if absent(err) {
		return err
	}
	return awsclient.Err(err, doing)
}

func absent(err error) bool {
	var absent *types.QueueDoesNotExist
	return errors.As(err, &absent)
}

// encode makes a message of an event: its number, a blank, its partition.
func encode(e notify.Event) string {
	return strconv.FormatUint(e.Seq, 10) + " " + string(e.Partition)
}

func decode(body string) (notify.Event, bool) {
	seq, partition, ok := strings.Cut(body, " ")
	n, err := strconv.ParseUint(seq, 10, 64)
	return notify.Event{Partition: journal.Partition(partition), Seq: n}, ok && err == nil && partition != ""
}
