// Package lambdaio is a function's edge to AWS Lambda: jobs of an event are handed to the
// function's step, and what is not done comes again; requests of an API gateway are
// handed to an http.Handler.
package lambdaio

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

const (
	// A step's context ends before its function is stopped, by a tenth of the time it has
	// but at most by maxMargin, so that the outcome can still be told.
	maxMargin = 2 * time.Second

	// DefaultRetry is after how long a job that failed is handed out again when it was
	// received once; with each further receive it takes four times as long, up to maxRetry.
	DefaultRetry = 5 * time.Second
	maxRetry     = 5 * time.Minute
)

// Jobs makes a function of a step that takes jobs from a queue. The queue's largest number
// of receives should be at least 5, see maxTogether.
type Jobs struct {
	Queue queue.Driver
	Name  string // of the queue
	// Handle does a batch and gives one error each; nil: done, to be deleted.
	Handle func(ctx context.Context, batch []queue.Received) []error
	// HandleDead is Handle for the queue's dead letters, which the function gets events of
	// as well.
	HandleDead func(ctx context.Context, batch []queue.Received) []error
	// Decode makes a job of what an event holds of it: the queue's twin knows how.
	Decode func(id, body, receipt string, attributes map[string]string) (queue.Received, error)
	Retry  time.Duration // 0: DefaultRetry
	Log    *slog.Logger
}

// Event handles one event, all of whose jobs are of the queue or of its dead letters. What
// it gives is what is not done, and it gives no error: the event source must be told to
// expect that (ReportBatchItemFailures). Jobs not in it are deleted by the Lambda service.
func (j *Jobs) Event(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	if len(e.Records) == 0 {
		return out, nil
	}
	r := run{Jobs: j, name: j.Name, handle: j.Handle}
	if strings.HasSuffix(e.Records[0].EventSourceARN, queue.Dead("")) {
		r.name, r.handle, r.dead = queue.Dead(j.Name), j.HandleDead, true
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.request = lc.AwsRequestID
	}
	all := r.decode(e.Records)
	r.all(ctx, all)
	for _, job := range all {
		if job.err != nil {
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: job.msg.ID})
		}
	}
	return out, nil
}

// decode reads an event's jobs. What nobody of us has sent fails until it is a dead letter;
// as such it is handed on as it is, so that it is shown to somebody.
func (r *run) decode(records []events.SQSMessage) []*job {
	all := make([]*job, len(records))
	for i := range records {
		m := &records[i]
		all[i] = new(job)
		if all[i].msg, all[i].err = r.Decode(m.MessageId, m.Body, m.ReceiptHandle, m.Attributes); all[i].err == nil {
			continue
		}
		all[i].msg = queue.Received{ID: m.MessageId, Body: []byte(m.Body), Receipt: m.ReceiptHandle, Count: 1, Sent: time.Now()}
		all[i].foreign = !r.dead
	}
	return all
}

// before gives a context that ends a margin before ctx.
func before(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(maxMargin, time.Until(deadline)/10)))
}

// OrTick makes a function that takes events of the queue, and does tick when it is called
// with anything else, which is what a rule of EventBridge calls it with. What tick gives is
// the invocation's error.
func (j *Jobs) OrTick(tick func(ctx context.Context) error) func(ctx context.Context, event json.RawMessage) (any, error) {
	return func(ctx context.Context, event json.RawMessage) (any, error) {
		var e events.SQSEvent
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, kinds.Wrap(kinds.Invalid, err, "lambdaio: an event")
		}
		if len(e.Records) > 0 {
			return j.Event(ctx, e)
		}
		work, cancel := before(ctx)
		defer cancel()
		return nil, tick(work)
	}
}
