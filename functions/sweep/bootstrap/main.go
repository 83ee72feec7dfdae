// Command bootstrap is functions/sweep as a Lambda, of the runtime provided.al2023. A rule of
// EventBridge calls it each hour; what it is called with does not matter. Its settings are a
// gateway's as far as they say where things are in AWS: GODWIT_AWS_NAME, GODWIT_AWS_BUCKET,
// GODWIT_AWS_KEY; GODWIT_HISTORY_WINDOW and GODWIT_LOG_LEVEL.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

const (
	// together is how many accounts are asked at once: they wait for the stores more than they work.
	together = 16
	// every is in how many days an account has its turn: a week later, nobody misses what is gone,
	// and a call less is a call less.
	every = 7
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
	blobs := blob.Store{Driver: aws.Blobs}
	accounts := account.New(account.Config{Journal: aws.Journal, Blobs: blobs, Log: log, Window: st.HistoryWindow})
	dir := directory.New(directory.Config{Records: aws.Records, Accounts: directory.Journals(accounts), Grace: st.HistoryWindow, Now: time.Now, Log: log})
	step := &sweep.Step{
		Accounts: accounts, Directory: dir, Every: every, Notes: aws.Records, Now: time.Now, Log: log,
		Release: &sweep.Release{Accounts: accounts, Directory: dir, Blobs: blobs, Spool: &spool.Spool{Records: aws.Records, Queue: aws.Queue, Now: time.Now},
			Queue: aws.Queue, Together: together, Window: st.HistoryWindow, Now: time.Now, Log: log},
	}
	lambda.Start(step.Turn)
}

func fail(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err)
	os.Exit(1)
}
