// Command bootstrap is functions/deliver as a Lambda, of the runtime provided.al2023. Its
// event sources are the queue of deliveries and its dead letters, with batches of up to
// queue.MaxBatch and ReportBatchItemFailures. Its settings are a gateway's as far as
// they say where things are in AWS: GODWIT_AWS_NAME, GODWIT_AWS_BUCKET, GODWIT_AWS_KEY; and
// GODWIT_DELIVER_FAILURES and GODWIT_LOG_LEVEL.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/functions/deliver"
	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/compaction"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/queue/sqs"
	"github.com/godwit-mail/godwit/shared/quota"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

func main() {
	st, _, err := settings.Load(settings.Gateway, "", os.Environ(), nil)
	if err != nil {
		fail(slog.New(slog.NewJSONHandler(os.Stderr, nil)), err)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: st.LogLevel}))
	aws, err := cloud.Open(context.Background(), cloud.Config{Name: st.AWSName, Bucket: st.AWSBucket, Key: st.AWSKey, Log: log})
	if err != nil {
		fail(log, err)
	}
	lambda.Start(function(aws.Set, st.DeliverFailures, log).Event)
}

func function(p ports.Set, failures int, log *slog.Logger) *lambdaio.Jobs {
	step := &deliver.Step{
		Accounts: account.New(account.Config{Journal: p.Journal, Notify: p.Notify, Blobs: blob.Store{Driver: p.Blobs}, Log: log,
			Compact: compaction.Asker(p.Queue)}),
		Queue:       p.Queue,
		Spool:       &spool.Spool{Records: p.Records, Queue: p.Queue, Now: time.Now},
		Blobs:       blob.Store{Driver: p.Blobs},
		Warner:      &quota.Warner{Blobs: blob.Store{Driver: p.Blobs}, Now: time.Now, Log: log},
		MaxFailures: failures,
		Now:         time.Now,
		Log:         log,
	}
	return &lambdaio.Jobs{Queue: p.Queue, Name: queue.Deliver, Handle: step.Handle, HandleDead: step.HandleDead, Decode: sqs.Received, Log: log}
}

func fail(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err)
	os.Exit(1)
}
