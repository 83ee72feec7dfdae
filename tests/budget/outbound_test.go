//go:build localstack

package budget_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/cloud/price"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/signing"
	"github.com/godwit-mail/godwit/shared/spool"
)

// sendSeconds is how long a function waits for a smarthost that takes a mail; while it waits
// it is paid for.
const sendSeconds = 1.0

// far is another host, which takes everything.
type far struct{}

func (far) Mail(string, *smtp.MailOptions) error { return nil }
func (far) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (far) Reset()                               {}
func (far) Logout() error                        { return nil }
func (far) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func startFar(t *testing.T) (port string) {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return far{}, nil }))
	server.MaxMessageBytes = 1 << 20
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// sender is who sends mail to other hosts: a function or an egress.
type sender struct {
	w     *world
	meter cloudtest.Meter
	step  *outbound.Step
}

// start starts one that knows nothing yet.
func (s *sender) start(flags map[string]string, zone *resolvertest.Server) {
	w := s.w
	st, _, err := settings.Load(settings.Gateway, "", nil, flags)
	w.ok(err)
	p, log := w.ports(&s.meter), slog.New(slog.DiscardHandler)
	router, err := outbound.NewRouter(st, outbound.Ways{Records: p.Records, Resolver: zone.Resolver(w.t), Now: w.now,
		Routes: directory.New(directory.Config{Records: p.Records, Now: w.now, Log: log})})
	w.ok(err)
	s.step = &outbound.Step{Spool: &spool.Spool{Records: p.Records, Queue: p.Queue, Now: w.now}, Blobs: blob.Store{Driver: p.Blobs}, Queue: p.Queue, Router: router,
		Signer: &signing.Keys{Records: p.Records, Resolver: zone.Resolver(w.t), Now: w.now}, Host: st.Hostname, Now: w.now, Log: log}
}

// send takes the one job that waits, and does it.
func (s *sender) send() {
	s.w.t.Helper()
	batch, err := s.w.function.queue.Receive(s.w.t.Context(), queue.Outbound, 1, 10*time.Second, time.Minute)
	s.w.ok(err)
	if len(batch) != 1 {
		s.w.t.Fatal("no job came")
	}
	for _, err := range s.step.Handle(s.w.t.Context(), batch) {
		s.w.ok(err)
	}
	s.w.ok(s.w.function.queue.Delete(s.w.t.Context(), queue.Outbound, batch[0].Receipt))
}

// sending is a submission of 75 KB to one recipient elsewhere, until it is there.
func sending(t *testing.T, w *world, b *table) {
	w.account("writer")
	zone, port := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.1"), startFar(t)
	flags := map[string]string{"aws-bucket": w.cloud.Bucket, "hostname": "mail.budget.test", "outbound-way": "smarthost", "outbound-port": port, "outbound-allow": "127.0.0.0/8",
		"outbound-smarthost": "mx.far.test:" + port, "outbound-smarthost-tls": "opportunistic", "dns-servers": zone.Addr.String()}
	g := w.gatewayWith("sender", flags)
	c := g.client("submissions", true)
	c.until("220 ")
	c.say("EHLO client.test", "250")
	c.say("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00writer@"+domain+"\x00"+password)), "235")
	text := fmt.Sprintf("From: writer@%s\r\nSubject: far away\r\n\r\n%s", domain, strings.Repeat(noise("far", 70)+"\r\n", 75_000/72))
	submit := func() {
		c.say("MAIL FROM:<writer@"+domain+">", "250")
		c.say("RCPT TO:<x@far.test>", "250")
		c.data(text)
	}
	submit() // the queue's address is asked for once
	s := &sender{w: w}
	s.start(flags, zone)
	s.send()

	sum := price.Usage{}
	sum.Add(b.counts(t, "submission of 75 KB to one recipient elsewhere", &g.meter, "BatchGetItem 1 (2), PutItem 1 (2), PutObject 1, SendMessageBatch 1", submit), 1)
	sent := b.counts(t, "send it to a smarthost, by a copy of the function that knows the domain", &s.meter, "DeleteItem 1 (2), GetItem 2 (2), PutItem 1 (3), GetObject 2", s.send)
	sum.Add(sent, 1)
	submit()
	s.start(flags, zone)
	b.counts(t, "send it to a smarthost, by a copy that knows nothing", &s.meter, "DeleteItem 1 (2), GetItem 3 (3), PutItem 1 (3), Query 2 (2), GetObject 2", s.send)
	flags["outbound-way"] = "direct"
	submit()
	s.start(flags, zone)
	b.counts(t, "send it to the host of its domain, by an egress that knows nothing", &s.meter, "DeleteItem 1 (2), GetItem 4 (4), PutItem 1 (3), Query 2 (2), GetObject 2", s.send)
	submit()
	b.counts(t, "send it to the host of its domain, by an egress that knows it", &s.meter, "DeleteItem 1 (2), GetItem 2 (2), PutItem 1 (3), GetObject 2", s.send)
	waited := price.Usage{price.Queue: 2, price.FairQueue: 2, price.Invocation: 1, price.Compute: functionGB * sendSeconds}
	sum.Add(waited, 1)
	b.rows = append(b.rows, row{"the event source and the function, for one job", "receive, delete, invocation of 0.5 GB for 1 s", waited})
	logs := price.Usage{price.LogBytes: 1000}
	sum.Add(logs, 1)
	b.rows = append(b.rows, row{"**sent: 75 KB, one recipient elsewhere**", "submission, a smarthost, and a kilobyte of log", sum})
}
