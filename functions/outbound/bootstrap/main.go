// Command bootstrap is functions/outbound as a Lambda, of the runtime provided.al2023. Its
// event sources are the queue of mail to other hosts and its dead letters, with
// ReportBatchItemFailures; a rule of EventBridge calls it each minute. Its settings are a
// gateway's as far as they say where things are in AWS (GODWIT_AWS_NAME, GODWIT_AWS_BUCKET,
// GODWIT_AWS_KEY), GODWIT_HOSTNAME, GODWIT_LOG_LEVEL, and those of outbound and dns.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/queue/sqs"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/signing"
	"github.com/godwit-mail/godwit/shared/spool"
)

func main() {
	st, _, err := settings.Load(settings.Gateway, "", os.Environ(), nil)
	if err != nil {
		fail(slog.New(slog.NewJSONHandler(os.Stderr, nil)), err)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: st.LogLevel}))
	handler, err := function(context.Background(), st, log)
	if err != nil {
		fail(log, err)
	}
	lambda.Start(handler)
}

type handler = func(ctx context.Context, event json.RawMessage) (any, error)

func function(ctx context.Context, st *settings.Settings, log *slog.Logger) (handler, error) {
	aws, err := cloud.Open(ctx, cloud.Config{Name: st.AWSName, Bucket: st.AWSBucket, Key: st.AWSKey, Now: wall, Log: log})
	if err != nil {
		return nil, err
	}
	password, err := cloud.Secret(ctx, st.OutboundPasswordSecret)
	if err != nil {
		return nil, kinds.Wrap(kinds.Of(err), err, "outbound.password-secret")
	}
	names := resolver.New(resolver.Config{Servers: st.DNSServers, Timeout: st.DNSTimeout, Cache: st.DNSCache, Validating: st.DNSValidating, Now: wall})
	dir := directory.New(directory.Config{Records: aws.Records, Now: wall, Log: log})
	router, err := outbound.NewRouter(st, outbound.Ways{Routes: dir, Records: aws.Records, Resolver: names, Password: password, Now: wall})
	if err != nil {
		return nil, err
	}
	return wire(aws.Set, st, router, names, log), nil
}

func wire(p ports.Set, st *settings.Settings, router *outbound.Router, names *resolver.Resolver, log *slog.Logger) handler {
	router.Direct = nil // a function has no port 25, and no address of its own
	step := &outbound.Step{
		Spool:     &spool.Spool{Records: p.Records, Queue: p.Queue, Wakes: cloud.SendQueue(st.OutboundWay), Now: wall},
		Blobs:     blob.Store{Driver: p.Blobs},
		Queue:     p.Queue,
		Router:    router,
		Signer:    &signing.Keys{Records: p.Records, Resolver: names, Now: wall},
		Host:      st.Hostname,
		Now:       wall,
		Log:       log,
		Elsewhere: map[string]string{directory.Direct: queue.Egress},
	}
	handle := func(ctx context.Context, batch []queue.Received) []error {
		// A connection must not wait for more while the function is frozen: the other side
		// would have ended it long before.
		defer router.Tidy(true)
		return step.Handle(ctx, batch)
	}
	jobs := &lambdaio.Jobs{Queue: p.Queue, Name: queue.Outbound, Handle: handle, HandleDead: step.HandleDead, Decode: sqs.Received, Log: log}
	return jobs.OrTick(step.Pump)
}

// wall is the time without the monotonic clock's, which stands still while the function is
// frozen between two calls: what is remembered for a time would seem younger than it is.
func wall() time.Time { return time.Now().Round(0) }

func fail(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err)
	os.Exit(1)
}
