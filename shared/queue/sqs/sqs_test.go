//go:build localstack

package sqs_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/internal/awsclient/awstest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/queue/queuetest"
	twin "github.com/godwit-mail/godwit/shared/queue/sqs"
)

const redrive = 3

func TestContract(t *testing.T) {
	cfg := awstest.Config(t)
	queuetest.Run(t, func(t *testing.T) queuetest.World {
		t.Parallel() // most of the time passes in waiting for SQS's clock
		return queuetest.World{Driver: twin.New(cfg, queues(t, cfg)), Redrive: redrive, Strict: true, Advance: awstest.Pass}
	})
}

func TestContractOverAFailingNetwork(t *testing.T) {
	cfg := awstest.Config(t)
	decide := awstest.OneIn(8, awstest.Seed(t), awstest.Faults()...)
	failing := awstest.Proxy(t, cfg, func(c awstest.Call) awstest.Fault {
		fault := decide(c)
		once := strings.HasSuffix(c.Operation, ".SendMessageBatch") || strings.HasSuffix(c.Operation, ".ReceiveMessage")
		if once && (fault == awstest.Lost || fault == awstest.Truncated) {
			return awstest.None // sent twice, or hidden from all: so it may be, but not in most subtests
		}
		return fault
	})
	queuetest.Run(t, func(t *testing.T) queuetest.World {
		t.Parallel()
		return queuetest.World{Driver: twin.New(failing, queues(t, cfg)), Redrive: redrive, Strict: true, Advance: awstest.Pass}
	})
}

func TestWhatItCosts(t *testing.T) {
	t.Parallel()
	var m awsclient.Meter
	cfg := awstest.Config(t)
	d, ctx := twin.New(m.Attach(cfg), queues(t, cfg)), t.Context()
	_, err := d.Depth(ctx, "jobs") // it now knows the address
	porttest.OK(t, err)
	var got []queue.Received
	for _, test := range []struct {
		what string
		do   func() error
		want string
	}{
		{"send of a job for 100 accounts", func() error { return d.Send(ctx, "jobs", queue.Message{Group: "g", Body: make([]byte, 20_000)}) }, "map[SQS.SendMessageBatch:{1 1 0}]"},
		{"send of a large job", func() error { return d.Send(ctx, "jobs", queue.Message{Group: "g", Body: make([]byte, 50_000)}) }, "map[SQS.SendMessageBatch:{1 2 0}]"},
		{"receive", func() (err error) { got, err = d.Receive(ctx, "jobs", 10, time.Second, time.Minute); return err }, "map[SQS.ReceiveMessage:{1 1 0}]"},
		{"extend", func() error { return d.Extend(ctx, "jobs", got[0].Receipt, time.Minute) }, "map[SQS.ChangeMessageVisibility:{1 1 0}]"},
		{"delete", func() error { return d.Delete(ctx, "jobs", got[0].Receipt) }, "map[SQS.DeleteMessage:{1 1 0}]"},
		{"delete again", func() error { return d.Delete(ctx, "jobs", got[0].Receipt) }, "map[]"},
	} {
		m.Reset()
		porttest.OK(t, test.do())
		if got := fmt.Sprint(m.Costs()); got != test.want {
			t.Errorf("%s: %s, want %s", test.what, got, test.want)
		}
	}
}

// queues makes the queues that the contract speaks of and gives their prefix.
func queues(t *testing.T, cfg aws.Config) string {
	t.Helper()
	c, prefix := sqs.NewFromConfig(cfg), awstest.Name("test")+"-"
	create := func(name string, attributes map[string]string) {
		attributes["MaximumMessageSize"] = "262144" // as deployed
		out, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(prefix + name), Attributes: attributes})
		porttest.OK(t, err)
		awstest.Cleanup(t, func(ctx context.Context) error {
			_, err := c.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
			return err
		})
	}
	create(queue.Dead("jobs"), map[string]string{})
	create("other", map[string]string{})
	create("jobs", map[string]string{"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":"arn:aws:sqs:%s:000000000000:%s","maxReceiveCount":%d}`,
		cfg.Region, prefix+queue.Dead("jobs"), redrive)})
	return prefix
}

func TestASendOfTheLargestBodiesIsMoreThanOneCall(t *testing.T) {
	t.Parallel()
	cfg := awstest.Config(t)
	d := twin.New(cfg, queues(t, cfg))
	groups := []string{"a tenant", "tenant/é", "100%", "", strings.Repeat("g", 128)}
	var msgs []queue.Message
	for i := range queue.MaxBatch {
		body := bytes.Repeat([]byte{byte(i)}, queue.MaxBody)
		msgs = append(msgs, queue.Message{Group: groups[i%len(groups)], Body: body})
	}
	porttest.OK(t, d.Send(t.Context(), "jobs", msgs...))
	found := map[byte]bool{}
	for range queue.MaxBatch {
		got, err := d.Receive(t.Context(), "jobs", 1, time.Second, time.Minute)
		porttest.OK(t, err)
		if len(got) != 1 || len(got[0].Body) != queue.MaxBody {
			t.Fatalf("received %d messages", len(got))
		}
		i := got[0].Body[0]
		if found[i] = true; got[0].Group != groups[int(i)%len(groups)] {
			t.Errorf("message %d is of group %q", i, got[0].Group)
		}
	}
	if len(found) != queue.MaxBatch {
		t.Errorf("%d of %d messages came", len(found), queue.MaxBatch)
	}
	porttest.Kind(t, d.Send(t.Context(), "jobs", queue.Message{Group: strings.Repeat("g", 129)}), kinds.Invalid)
	porttest.Kind(t, d.Send(t.Context(), "absent", queue.Message{}), kinds.Internal)
}

func TestReceiptsOfEventsAreTakenAsTheyAre(t *testing.T) {
	t.Parallel()
	cfg := awstest.Config(t)
	prefix := queues(t, cfg)
	d, c := twin.New(cfg, prefix), sqs.NewFromConfig(cfg)
	porttest.OK(t, d.Send(t.Context(), "jobs", queue.Message{Group: "g", Body: []byte("\x00x")}))
	address, err := c.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(prefix + "jobs")})
	porttest.OK(t, err)
	out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: address.QueueUrl, WaitTimeSeconds: 5,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	porttest.OK(t, err)
	m := out.Messages[0] // as an event of a function tells of it
	r, err := twin.Received(*m.MessageId, *m.Body, *m.ReceiptHandle, m.Attributes)
	porttest.OK(t, err)
	if string(r.Body) != "\x00x" || r.Group != "g" || r.Count != 1 {
		t.Errorf("received %+v", r)
	}
	porttest.OK(t, d.Extend(t.Context(), "jobs", r.Receipt, time.Minute))
	porttest.OK(t, d.Delete(t.Context(), "jobs", r.Receipt))
	if depth, err := d.Depth(t.Context(), "jobs"); err != nil || depth != (queue.Depth{}) {
		t.Errorf("after the delete: %+v, %v", depth, err)
	}
}
