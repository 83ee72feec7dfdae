package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

var silent = slog.New(slog.DiscardHandler)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mail is a job for accounts.
func mail(t *testing.T, transaction string, accounts ...account.Ref) []byte {
	t.Helper()
	j := delivery.Job{Transaction: transaction, Correlation: "m-" + transaction, Tenant: "demo", From: "a@example.net", Received: time.Now().UnixMilli(),
		Blob: blob.Ref{Name: "m/demo/x/" + transaction, Size: 10}, Summary: (&message.Summary{}).Encode(), Protocol: "smtp"}
	for _, a := range accounts {
		j.Recipients = append(j.Recipients, delivery.Recipient{Account: a, Address: string(a.ID) + "@demo.test"})
	}
	b, err := j.Encode()
	ok(t, err)
	return b
}

// event has jobs of a queue, for the count-th time.
func event(queueName string, count int, bodies ...[]byte) []byte {
	var e events.SQSEvent
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{MessageId: fmt.Sprint(i), Body: base64.StdEncoding.EncodeToString(body), ReceiptHandle: "r",
			EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:godwit-" + queueName,
			Attributes:     map[string]string{"ApproximateReceiveCount": fmt.Sprint(count), "SentTimestamp": "1700000000000", "MessageGroupId": "demo"}})
	}
	b, _ := json.Marshal(e)
	return b
}

func failed(t *testing.T, response []byte, err error) (ids string) {
	t.Helper()
	ok(t, err)
	var out events.SQSEventResponse
	ok(t, json.Unmarshal(response, &out))
	for _, f := range out.BatchItemFailures {
		ids += f.ItemIdentifier
	}
	return ids
}

// messages is how many an account has.
func messages(t *testing.T, accounts *account.Store, ref account.Ref) int64 {
	t.Helper()
	h, err := accounts.Head(t.Context(), ref)
	ok(t, err)
	return h.Standing.Totals.Messages
}

func TestJobsOfAnEventAreDelivered(t *testing.T) {
	w, calls := portstest.New(t), new(observe.Counter)
	owner := account.New(account.Config{Journal: w.Journal, HeadAge: 1})
	ann, bob := account.NewRef("demo"), account.NewRef("demo")
	for _, ref := range []account.Ref{ann, bob} {
		ok(t, owner.Create(t.Context(), ref, account.By{}))
	}
	f := lambda.NewHandler(function(w.Observed(ports.Decorators{}, calls.Hook), 5, silent).Event)
	first := event("deliver", 1, mail(t, "1", ann, bob), mail(t, "2", ann))
	b, err := f.Invoke(t.Context(), first)
	if ids := failed(t, b, err); ids != "" {
		t.Errorf("not done: %s", ids)
	}
	// Two messages of one account are one entry.
	if got, want := calls.Calls(), map[string]int{"journal.Last": 2, "journal.Append": 2, "journal.Watchers": 2}; !maps.Equal(got, want) {
		t.Errorf("called %v", got)
	}
	// A queue may hand it out to another environment, too.
	other := lambda.NewHandler(function(w.Set, 5, silent).Event)
	b, err = other.Invoke(t.Context(), first)
	if ids := failed(t, b, err); ids != "" || messages(t, owner, ann) != 2 || messages(t, owner, bob) != 1 {
		t.Errorf("not done: %s; they have %d and %d", ids, messages(t, owner, ann), messages(t, owner, bob))
	}
}

func TestDeadLettersAreParked(t *testing.T) {
	w := portstest.New(t)
	f := lambda.NewHandler(function(w.Set, 5, silent).Event)
	b, err := f.Invoke(t.Context(), event("deliver-dead", 6, mail(t, "1", account.NewRef("demo")), []byte("junk")))
	if ids := failed(t, b, err); ids != "" {
		t.Errorf("not done: %s", ids)
	}
	jobs, err := (&spool.Spool{Records: w.Records}).List(t.Context(), "demo", "", 10)
	if err != nil || len(jobs) != 2 || jobs[0].Queue != queue.Deliver {
		t.Errorf("parked %v, %v", jobs, err)
	}
}

// mute is a journal that doesn't answer.
type mute struct{ journal.Driver }

func (mute) Last(ctx context.Context, _ journal.Partition) (journal.Entry, error) {
	<-ctx.Done()
	return journal.Entry{}, kinds.Wrap(kinds.Unavailable, ctx.Err(), "")
}

func TestWhatHasNoTimeComesAgain(t *testing.T) {
	w := portstest.New(t)
	set := w.Set
	set.Journal = mute{w.Journal}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	b, err := lambda.NewHandler(function(set, 1, silent).Event).Invoke(ctx, event("deliver", 1, mail(t, "1", account.NewRef("demo")), []byte("junk")))
	if ids := failed(t, b, err); ids != "0" {
		t.Errorf("not done: %q", ids)
	}
	// It was nobody's failure, so it is not parked as the other one is.
	if jobs, err := (&spool.Spool{Records: w.Records}).List(t.Context(), "", "", 10); err != nil || len(jobs) != 1 || string(jobs[0].Body) != "junk" {
		t.Errorf("parked %v, %v", jobs, err)
	}
}
