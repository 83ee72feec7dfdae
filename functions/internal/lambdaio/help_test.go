package lambdaio_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/queue/sqs"
)

const (
	visibility = 3 * time.Minute // of the service's queue
	timeout    = time.Minute     // of its function
)

// service does what the Lambda service does with a function and a queue.
type service struct {
	t *testing.T
	*portstest.World
	calls *observe.Counter // of the queue by the function
	jobs  *lambdaio.Jobs
	log   *bytes.Buffer
	done  []string // bodies that the step was given and didn't fail with
	dead  []string
}

// newService has a step that does what each job's body says: "panic", "fail", "kill", or
// is done.
func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, World: portstest.New(t), calls: new(observe.Counter), log: new(bytes.Buffer)}
	s.jobs = &lambdaio.Jobs{Queue: observe.Queue(s.Queue, s.calls.Hook), Name: "jobs", Handle: s.step, HandleDead: s.park,
		Decode: sqs.Received, Log: slog.New(slog.NewJSONHandler(s.log, nil))}
	return s
}

func (s *service) step(ctx context.Context, batch []queue.Received) []error {
	errs := make([]error, len(batch))
	for i, m := range batch {
		switch what, _, _ := strings.Cut(string(m.Body), " "); what {
		case "panic":
			panic("a defect")
		case "fail":
			errs[i] = fmt.Errorf("it failed")
		case "kill":
			goexit()
		}
	}
	for i, m := range batch {
		if errs[i] == nil {
			s.done = append(s.done, string(m.Body))
		}
	}
	return errs
}

func (s *service) park(ctx context.Context, batch []queue.Received) []error {
	for _, m := range batch {
		s.dead = append(s.dead, string(m.Body))
	}
	return make([]error, len(batch))
}

func (s *service) send(bodies ...string) {
	s.t.Helper()
	for _, b := range bodies {
		ok(s.t, s.Queue.Send(s.t.Context(), "jobs", queue.Message{Group: "demo", Body: []byte(b)}))
	}
}

// receive gives the event of what the queue hands out.
func (s *service) receive(name string) events.SQSEvent {
	s.t.Helper()
	got, err := s.Queue.Receive(s.t.Context(), name, queue.MaxBatch, 0, visibility)
	ok(s.t, err)
	var e events.SQSEvent
	for _, m := range got {
		e.Records = append(e.Records, record(name, m))
	}
	return e
}

func record(name string, m queue.Received) events.SQSMessage {
	return events.SQSMessage{MessageId: m.ID, ReceiptHandle: m.Receipt, Body: base64.StdEncoding.EncodeToString(m.Body),
		EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:godwit-" + name, EventSource: "aws:sqs",
		Attributes: map[string]string{"ApproximateReceiveCount": fmt.Sprint(m.Count), "MessageGroupId": m.Group, "SentTimestamp": fmt.Sprint(m.Sent.UnixMilli())}}
}

// round receives and has the function invoked, until nothing is handed out any more.
// killed tells how often the function died.
func (s *service) round(name string) (killed int) {
	s.t.Helper()
	for {
		e := s.receive(name)
		if len(e.Records) == 0 {
			return killed
		}
		out, lived := s.invoke(e)
		if !lived {
			killed++
			continue
		}
		for _, m := range e.Records {
			if !slices.Contains(out, m.MessageId) {
				ok(s.t, s.Queue.Delete(s.t.Context(), name, m.ReceiptHandle))
			}
		}
	}
}

// invoke gives the ids of those jobs that the function says it has not done, or false
// when it died.
func (s *service) invoke(e events.SQSEvent) (failed []string, lived bool) {
	ctx, cancel := context.WithTimeout(s.t.Context(), timeout)
	defer cancel()
	done := make(chan struct{})
	go func() { // a function that is killed ends this goroutine
		defer close(done)
		out, err := s.jobs.Event(ctx, e)
		if err != nil {
			s.t.Error(err)
		}
		for _, f := range out.BatchItemFailures {
			failed = append(failed, f.ItemIdentifier)
		}
		lived = true
	}()
	<-done
	return failed, lived
}

func newLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

var decodeAll = sqs.Received

// lockedStub is a queue that takes anything.
type lockedStub struct{ queue.Driver }

func (lockedStub) Extend(context.Context, string, string, time.Duration) error { return nil }
func (lockedStub) Delete(context.Context, string, string) error                { return nil }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
