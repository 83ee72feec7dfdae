// Command bootstrap is functions/compact as a Lambda, of the runtime provided.al2023. Its
// event sources are the queue of compactions and its dead letters, with batches of up to
// queue.MaxBatch and ReportBatchItemFailures. Its settings are a gateway's as far as
// they say where things are in AWS: GODWIT_AWS_NAME, GODWIT_AWS_BUCKET, GODWIT_AWS_KEY;
// GODWIT_HISTORY_WINDOW and GODWIT_LOG_LEVEL.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/functions/compact"
	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/queue/sqs"
	"github.com/godwit-mail/godwit/shared/settings"
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
	step := &compact.Step{
		Accounts: account.New(account.Config{Journal: aws.Journal, Blobs: blob.Store{Driver: aws.Blobs}, Log: log, Window: st.HistoryWindow}),
		Log:      log,
	}
	jobs := &lambdaio.Jobs{Queue: aws.Queue, Name: queue.Compact, Handle: step.Handle, HandleDead: step.HandleDead, Decode: sqs.Received, Log: log}
	lambda.Start(jobs.Event)
}

func fail(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err)
	os.Exit(1)
}
