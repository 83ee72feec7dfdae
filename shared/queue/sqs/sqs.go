// Package sqs is the queue's twin in AWS. A queue and its dead letters are standard
// queues of SQS, named with a prefix of the deployment, whose redrive policy sets after how
// many receives a message is a dead letter, and whose largest message is 256 KiB: SQS
// takes text only, and a body goes as base64. The group is the message group, which makes
// the queue a fair one.
package sqs

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

const (
	maxSend  = 1_000_000 // bytes of encoded bodies in one call, of SQS's 1 MiB
	maxGroup = 128       // bytes of a message group, SQS's limit
)

// Queue hands messages over SQS.
type Queue struct {
	client *sqs.Client
	poll   func(*sqs.Options) // for calls that wait for long
	prefix string

	mu   sync.Mutex
	urls map[string]string

	receipts receipts
}

var _ queue.Driver = (*Queue)(nil)

// New makes a Queue of which queue "deliver" is SQS's queue prefix + "deliver".
func New(cfg aws.Config, prefix string) *Queue {
	patient := awsclient.HTTPClient(queue.MaxWait + 10*time.Second)
	return &Queue{
		client: sqs.NewFromConfig(cfg),
		poll:   func(o *sqs.Options) { o.HTTPClient = patient },
		prefix: prefix,
		urls:   map[string]string{},
	}
}

// Send stores all messages durably.
func (q *Queue) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	if name == "" || len(msgs) < 1 || len(msgs) > queue.MaxBatch {
		return kinds.Errorf(kinds.Invalid, "queue: a send of %d messages", len(msgs))
	}
	entries := make([]types.SendMessageBatchRequestEntry, len(msgs))
	for i, m := range msgs {
		group := url.PathEscape(m.Group)
		switch {
		case len(m.Body) > queue.MaxBody:
			return kinds.Errorf(kinds.Limit, "queue: a body of %d bytes", len(m.Body))
		case m.Delay < 0 || m.Delay > queue.MaxDelay:
			return kinds.Errorf(kinds.Invalid, "queue: a delay of %v", m.Delay)
		case len(group) > maxGroup:
			return kinds.Errorf(kinds.Invalid, "queue: a group of %d bytes", len(group))
		}
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(encode(m.Body)), DelaySeconds: seconds(m.Delay)}
		if group != "" {
			entries[i].MessageGroupId = &group
		}
	}
	address, err := q.url(ctx, name)
	if err != nil {
		return err
	}
	for attempt := 1; len(entries) > 0; attempt++ {
		n, size := 0, 0
		for n < len(entries) && (n == 0 || size+len(*entries[n].MessageBody) <= maxSend) {
			size += len(*entries[n].MessageBody)
			n++
		}
		out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &address, Entries: entries[:n]})
		if err != nil {
			return awsclient.Err(err, "queue: send")
		}
		failed := map[string]bool{}
		for _, f := range out.Failed {
			if f.SenderFault {
				return kinds.Errorf(kinds.Internal, "queue: send: %s: %s", aws.ToString(f.Code), aws.ToString(f.Message))
			}
			failed[aws.ToString(f.Id)] = true
		}
		var left []types.SendMessageBatchRequestEntry
		for i, e := range entries {
			if i >= n || failed[*e.Id] {
				left = append(left, e)
			}
		}
		entries = left
		if len(failed) > 0 {
			if err := awsclient.Wait(ctx, attempt); err != nil {
				return err
			}
		}
	}
	return nil
}

// Receive waits for messages. SQS knows whole seconds only: shorter waits and visibilities
// are made longer.
func (q *Queue) Receive(ctx context.Context, name string, max int, wait, visibility time.Duration) ([]queue.Received, error) {
	if name == "" || max < 1 || max > queue.MaxBatch || wait < 0 || wait > queue.MaxWait || visibility < 0 || visibility > queue.MaxVisibility {
		return nil, kinds.Errorf(kinds.Invalid, "queue: a receive of %d, waiting %v, hidden for %v", max, wait, visibility)
	}
	address, err := q.url(ctx, name)
	if err != nil {
		return nil, err
	}
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &address, MaxNumberOfMessages: int32(max), WaitTimeSeconds: seconds(wait), VisibilityTimeout: seconds(visibility),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameSentTimestamp, types.MessageSystemAttributeNameMessageGroupId},
	}, q.poll)
	if err != nil {
		return nil, awsclient.Err(err, "queue: receive")
	}
	until := time.Now().Add(time.Duration(seconds(visibility)) * time.Second)
	var got []queue.Received
	for _, m := range out.Messages {
		r, err := Received(aws.ToString(m.MessageId), aws.ToString(m.Body), aws.ToString(m.ReceiptHandle), m.Attributes)
		if err != nil {
			// Nobody of us has sent it. It becomes a dead letter in the end, and must
			// not keep the others from being worked on.
			continue
		}
		r.Receipt = stamp(r.Receipt, until)
		got = append(got, r)
	}
	if len(got) == 0 && len(out.Messages) > 0 {
		return nil, kinds.Errorf(kinds.Corrupt, "queue: message %s of %s is none of ours", aws.ToString(out.Messages[0].MessageId), name)
	}
	return got, nil
}

// Received makes a message of what SQS hands out, here or in an event that a function is
// given: a receipt of an event is good for as long as SQS says so.
func Received(id, body, receipt string, attributes map[string]string) (queue.Received, error) {
	b, err := decode(body)
	if err != nil {
		return queue.Received{}, kinds.Errorf(kinds.Corrupt, "queue: message %s: %w", id, err)
	}
	group, err := url.PathUnescape(attributes["MessageGroupId"])
	if err != nil {
		return queue.Received{}, kinds.Errorf(kinds.Corrupt, "queue: message %s: %w", id, err)
	}
	count, err := strconv.Atoi(attributes["ApproximateReceiveCount"])
	sent, err2 := strconv.ParseInt(attributes["SentTimestamp"], 10, 64)
	if err != nil || err2 != nil {
		return queue.Received{}, kinds.Errorf(kinds.Corrupt, "queue: message %s: no count or time", id)
	}
	return queue.Received{ID: id, Group: group, Body: b, Receipt: receipt, Count: count, Sent: time.UnixMilli(sent)}, nil
}

// Depth tells roughly how much waits.
func (q *Queue) Depth(ctx context.Context, name string) (queue.Depth, error) {
	address, err := q.url(ctx, name)
	if err != nil {
		return queue.Depth{}, err
	}
	visible, hidden, delayed := types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameApproximateNumberOfMessagesDelayed
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &address,
		AttributeNames: []types.QueueAttributeName{visible, hidden, delayed}})
	if err != nil {
		return queue.Depth{}, awsclient.Err(err, "queue: depth")
	}
	n := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(out.Attributes[string(name)])
		return n
	}
	return queue.Depth{Visible: n(visible), InFlight: n(hidden), Delayed: n(delayed)}, nil
}

// url gives a queue's address, which is asked for once.
func (q *Queue) url(ctx context.Context, name string) (string, error) {
	q.mu.Lock()
	known := q.urls[name]
	q.mu.Unlock()
	if known != "" {
		return known, nil
	}
	out, err := q.client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(q.prefix + name)})
	var absent *types.QueueDoesNotExist
	if errors.As(err, &absent) {
		return "", kinds.Errorf(kinds.Internal, "queue: there is no queue %s", q.prefix+name)
	}
	if err != nil {
		return "", awsclient.Err(err, "queue: address")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.urls[name] = aws.ToString(out.QueueUrl)
	return q.urls[name], nil
}

// encode makes text of a body. SQS takes no empty one: that is a lone "=".
func encode(body []byte) string {
	if len(body) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(body)
}

// decode reads a body. JSON, which is no base64, is what others put into a queue, such as
// SNS the events of SES.
func decode(body string) ([]byte, error) {
	if body == "=" {
		return nil, nil
	}
	if strings.HasPrefix(body, "{") {
		return []byte(body), nil
	}
	return base64.StdEncoding.DecodeString(body)
}

// seconds rounds up.
func seconds(d time.Duration) int32 { return int32((d + time.Second - 1) / time.Second) }
