package sqs

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
)

type listener struct {
	n      *Notify
	name   string
	url    string
	events chan notify.Event
	stop   context.CancelFunc
	done   chan struct{} // closed when run has ended

	closing sync.Once
	err     error // of the removal
}

func (l *listener) Name() string                { return l.name }
func (l *listener) Events() <-chan notify.Event { return l.events }

// Close removes the queue and ends the events. Closing twice is fine.
func (l *listener) Close() error {
	l.closing.Do(func() {
		l.stop()
		<-l.done
		ctx, cancel := context.WithTimeout(context.Background(), ending)
		defer cancel()
		if _, err := l.n.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &l.url}); !absent(err) {
			l.err = awsclient.Err(err, "notify: remove a queue")
		}
	})
	return l.err
}

// run receives until the listener is closed, or its queue is gone: swept, because this
// process stood still for long. It is not made again, since SQS gives a name again only
// after a minute, and since writers that have found it gone tell it of nothing any more.
func (l *listener) run(ctx context.Context) {
	defer close(l.done)
	defer close(l.events)
	seen, failed := l.n.now(), 0
	for ctx.Err() == nil {
		err := l.receive(ctx)
		if absent(err) && failed >= patience {
			l.n.log.Warn("the queue of events is gone", "queue", l.name)
			return
		}
		if err == nil && l.n.now().Sub(seen) > seenEvery {
			if err = l.sign(ctx); err == nil {
				seen = l.n.now()
			}
		}
		if err == nil {
			failed = 0
			continue
		}
		failed++
		if ctx.Err() == nil {
			l.n.log.Warn("no events come", "error", err, "kind", kinds.Of(err), "times", failed)
		}
		_ = awsclient.Wait(ctx, failed)
	}
}

func (l *listener) receive(ctx context.Context) error {
	out, err := l.n.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &l.url,
		MaxNumberOfMessages: batch, WaitTimeSeconds: int32(poll / time.Second)}, l.n.poll)
	if err != nil {
		return failure(err, "notify: receive")
	}
	for _, m := range out.Messages {
		e, ok := decode(aws.ToString(m.Body))
		if !ok {
			continue
		}
		select {
		case l.events <- e:
		default: // the reader is slow
		}
	}
	return nil
}

// sign says that the listener lives.
func (l *listener) sign(ctx context.Context) error {
	_, err := l.n.client.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &l.url, Tags: map[string]string{seenTag: l.n.stamp()}})
	return failure(err, "notify: tag a queue")
}

// Sweep removes the queues of listeners that have died without removing them, and tells
// how many. It is to be called about once an hour, by anybody.
func (n *Notify) Sweep(ctx context.Context) (removed int, err error) {
	pages := sqs.NewListQueuesPaginator(n.client, &sqs.ListQueuesInput{QueueNamePrefix: &n.prefix, MaxResults: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return removed, awsclient.Err(err, "notify: list queues")
		}
		for _, url := range page.QueueUrls {
			tags, err := n.client.ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: &url})
			if absent(err) {
				continue
			}
			if err != nil {
				return removed, awsclient.Err(err, "notify: read tags")
			}
			seen, err := strconv.ParseInt(tags.Tags[seenTag], 10, 64)
			if err != nil || n.now().Sub(time.Unix(seen, 0)) < orphaned {
				continue // alive, or no listener's
			}
			if _, err := n.client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil && !absent(err) {
				return removed, awsclient.Err(err, "notify: remove a queue")
			}
			removed++
		}
	}
	return removed, nil
}
