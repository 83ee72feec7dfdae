//go:build localstack

package main

import (
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// The whole way: SQS hands a job to the program, which runs as a Lambda and writes to the
// journal; what is no job, or a dead letter, is parked.
func TestAsALambdaItDeliversAndParks(t *testing.T) {
	c := cloudtest.Make(t)
	cloudtest.MakeFunction(t, c, cloudtest.FunctionConfig{Package: "github.com/godwit-mail/godwit/functions/deliver/bootstrap", Timeout: 20 * time.Second})
	aws, err := cloud.Open(t.Context(), c)
	ok(t, err)
	accounts := account.New(account.Config{Journal: aws.Journal, HeadAge: 1})
	ann, bob := account.NewRef("demo"), account.NewRef("demo")
	for _, ref := range []account.Ref{ann, bob} {
		ok(t, accounts.Create(t.Context(), ref, account.By{}))
	}
	job := mail(t, "1", ann, bob)
	ok(t, aws.Queue.Send(t.Context(), queue.Deliver, queue.Message{Group: "demo", Body: job}, queue.Message{Group: "demo", Body: []byte("junk")}))
	ok(t, aws.Queue.Send(t.Context(), queue.Dead(queue.Deliver), queue.Message{Group: "demo", Body: job}))
	parked := &spool.Spool{Records: aws.Records}
	eventually(t, func() bool {
		jobs, err := parked.List(t.Context(), "demo", "", 10)
		ok(t, err)
		return messages(t, accounts, ann) == 1 && messages(t, accounts, bob) == 1 && len(jobs) == 2
	})
	eventually(t, func() bool {
		d, err := aws.Queue.Depth(t.Context(), queue.Deliver)
		ok(t, err)
		return d == queue.Depth{}
	})
}

// eventually waits until something is so.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	end := time.After(time.Minute)
	for !is() {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-end:
			t.Fatal("it didn't come about within a minute")
		}
	}
}
