// Command bootstrap is functions/api as a Lambda, of the runtime provided.al2023, behind
// an API gateway of the REST kind (v1) that passes requests on as they are. Its settings are
// a gateway's as far as they say where things are in AWS: GODWIT_AWS_NAME,
// GODWIT_AWS_BUCKET, GODWIT_AWS_KEY; GODWIT_HISTORY_WINDOW, GODWIT_LOG_LEVEL, GODWIT_HOSTNAME,
// GODWIT_OUTBOUND_WAY and those of dns.
package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/compaction"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/quota"
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
	aws, err := cloud.Open(context.Background(), cloud.Config{Name: st.AWSName, Bucket: st.AWSBucket, Key: st.AWSKey, Log: log})
	if err != nil {
		fail(log, err)
	}
	lambda.Start(lambdaio.Proxy(handler(aws.Set, st, log), log))
}

func handler(p ports.Set, st *settings.Settings, log *slog.Logger) http.Handler {
	window := st.HistoryWindow
	accounts := account.New(account.Config{Journal: p.Journal, Notify: p.Notify, Blobs: blob.Store{Driver: p.Blobs}, Log: log,
		Compact: compaction.Asker(p.Queue), Window: window})
	names := resolver.New(resolver.Config{Servers: st.DNSServers, Timeout: st.DNSTimeout, Cache: st.DNSCache, Validating: st.DNSValidating, Now: wall})
	mux := http.NewServeMux()
	dir := directory.New(directory.Config{Records: p.Records, Accounts: directory.Journals(accounts), Grace: window, Now: wall, Log: log,
		LookupTXT: resolver.Net{Resolver: names}.LookupTXT, Forward: st.OutboundWay != settings.OutboundOff})
	mails := &spool.Spool{Records: p.Records, Queue: p.Queue, Wakes: cloud.SendQueue(st.OutboundWay), Now: wall}
	var outgoing *spool.Spool
	if st.OutboundWay != settings.OutboundOff {
		outgoing = mails
	}
	mux.Handle("/", api.New(api.Config{
		Directory: dir,
		Records:   p.Records,
		Spool:     api.Parked(mails, window),
		Outgoing:  outgoing,
		DNS:       &api.DNS{Keys: &signing.Keys{Records: p.Records, Resolver: names, Now: wall}, Resolver: names, Host: st.Hostname, MTASTS: st.MTASTS},
		Quota:     quota.New(quota.Config{Directory: dir, Records: p.Records, Blobs: blob.Store{Driver: p.Blobs}, Now: wall, Log: log}),
		Mail:      &api.Mail{Accounts: accounts, Blobs: blob.Store{Driver: p.Blobs}},
		Now:       wall,
		Log:       log,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return mux
}

// wall is the time without the monotonic clock's, which stands still while the function is
// frozen between two requests: what is remembered for a time would seem younger than it is.
func wall() time.Time { return time.Now().Round(0) }

func fail(log *slog.Logger, err error) {
	log.Error("the function can't start", "error", err)
	os.Exit(1)
}
