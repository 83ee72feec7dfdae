package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/emersion/go-smtp"
	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// relay is a smarthost that keeps what it is given.
type relay struct{ got chan string }

func (r *relay) Mail(string, *smtp.MailOptions) error { return nil }
func (r *relay) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (r *relay) Reset()                               {}
func (r *relay) Logout() error                        { return nil }

func (r *relay) Data(in io.Reader) error {
	b, err := io.ReadAll(in)
	r.got <- string(b)
	return err
}

func startRelay(t *testing.T) (addr string, got chan string) {
	t.Helper()
	r := &relay{make(chan string, 10)}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return r, nil }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l.Addr().String(), r.got
}

// event has all jobs that wait in a queue.
func event(t *testing.T, w *portstest.World, name string) (event []byte, mails []string) {
	t.Helper()
	batch, err := w.Queue.Receive(t.Context(), name, queue.MaxBatch, 0, time.Minute)
	ok(t, err)
	var e events.SQSEvent
	for _, m := range batch {
		var wake spool.Wake
		ok(t, cbor.Unmarshal(m.Body, &wake))
		mails = append(mails, wake.ID)
		e.Records = append(e.Records, events.SQSMessage{MessageId: m.ID, Body: base64.StdEncoding.EncodeToString(m.Body), ReceiptHandle: m.Receipt,
			EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:godwit-" + name,
			Attributes:     map[string]string{"ApproximateReceiveCount": fmt.Sprint(m.Count), "SentTimestamp": "1700000000000", "MessageGroupId": "demo"}})
	}
	b, err := json.Marshal(e)
	ok(t, err)
	return b, mails
}

// A function sends to a smarthost; what is to go directly it leaves to an egress. What is
// due is woken by the rule.
func TestTheFunctionSendsWhatItCanAndLeavesTheRestToAnEgress(t *testing.T) {
	w := portstest.New(t)
	addr, got := startRelay(t)
	_, port, _ := net.SplitHostPort(addr)
	zone := resolvertest.Start(t, "relay.test. 300 IN A 127.0.0.1")
	st, _, err := settings.Load(settings.Gateway, "", nil, map[string]string{"aws-bucket": "b", "hostname": "mail.demo.test", "outbound-way": "smarthost",
		"outbound-smarthost": "relay.test:" + port, "outbound-smarthost-tls": "opportunistic"})
	ok(t, err)
	log := slog.New(slog.DiscardHandler)
	router, err := outbound.NewRouter(st, outbound.Ways{Routes: direct{}, Records: w.Records, Resolver: zone.Resolver(t), Now: wall})
	ok(t, err)
	f := lambda.NewHandler(wire(w.Set, st, router, zone.Resolver(t), log))

	const text = "Subject: hi\r\n\r\nhello\r\n"
	ref, err := blob.Store{Driver: w.Blobs}.Put(t.Context(), blob.NewName("demo", time.Now()), blob.Header{}, strings.NewReader(text), int64(len(text)))
	ok(t, err)
	mails := &spool.Spool{Records: w.Records, Queue: w.Queue, Now: time.Now}
	m := &spool.Mail{Tenant: "demo", Kind: spool.Submission, From: "a@demo.test", Blob: ref, AcceptedMS: time.Now().UnixMilli(),
		ExpiresMS: time.Now().Add(time.Hour).UnixMilli(), To: []spool.Recipient{{Address: "x@far.test"}, {Address: "y@near.test"}}}
	ok(t, mails.Send(t.Context(), "name", m))

	jobs, woken := event(t, w, queue.Outbound)
	if len(woken) != 1 {
		t.Fatalf("%d jobs", len(woken))
	}
	if b, err := f.Invoke(t.Context(), jobs); err != nil || string(b) != `{"batchItemFailures":[]}` {
		t.Fatalf("%s, %v", b, err)
	}
	if sent := <-got; sent != text {
		t.Errorf("sent is %q", sent)
	}
	if _, woken := event(t, w, queue.Egress); len(woken) != 1 || woken[0] != m.ID {
		t.Errorf("the egress is woken for %v", woken)
	}
	left, err := mails.Outgoing(t.Context(), m.ID)
	if err != nil || left.To[0].State != spool.Sent || left.To[1].State != spool.Open || left.To[1].Tries != 0 {
		t.Errorf("%+v, %v", left, err)
	}
	// Whoever asks for it has its time come.
	ok(t, mails.Change(t.Context(), m.ID, func(*spool.Mail) error { return nil }))
	_, err = f.Invoke(t.Context(), []byte(`{"source":"aws.events","detail-type":"Scheduled Event"}`))
	ok(t, err)
	if _, woken := event(t, w, queue.Outbound); len(woken) != 1 || woken[0] != m.ID {
		t.Errorf("the rule has woken %v", woken)
	}
}

// direct has mail for near.test go directly.
type direct struct{}

func (direct) FindRoute(_ context.Context, _, _, to, _ string) (directory.Route, bool, error) {
	return directory.Route{Way: directory.Way{Name: directory.Direct}}, to == "near.test", nil
}

func (direct) RouteFor(context.Context, string, string) (directory.Route, bool, error) {
	return directory.Route{}, false, nil
}
