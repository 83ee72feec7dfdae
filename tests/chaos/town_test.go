//go:build localstack

// Package chaos_test lets things go wrong in the emulated cloud: functions die, jobs come
// five times, calls fail, many write one account. Every mail that was told 250 must be there
// once, whatever happens.
package chaos_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions"
	"github.com/godwit-mail/godwit/functions/deliver"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
	"github.com/godwit-mail/godwit/tests/world"
)

const (
	tenant   = "demo"
	domain   = "demo.test"
	alice    = "alice@demo.test"
	bob      = "bob@demo.test"
	password = "correct horse battery"
)

// town is a service in the emulated cloud: its tables, its accounts, and a way to them
// that never fails.
type town struct {
	t      *testing.T
	config cloud.Config
	*cloud.Ports
	accounts  *account.Store
	directory *directory.Directory
	refs      map[string]account.Ref
	log       *world.Log // of everything that runs in it
}

func newTown(t *testing.T, o cloudtest.Options, addresses ...string) *town {
	t.Helper()
	w := &town{t: t, config: cloudtest.MakeWith(t, o), refs: map[string]account.Ref{}, log: &world.Log{}}
	w.Ports = w.open(nil)
	w.accounts = w.store(w.Ports, false)
	w.directory = directory.New(directory.Config{Records: w.Records, Accounts: directory.Journals(w.accounts), Now: time.Now, Log: w.logger()})
	scope := directory.ServiceScope("test")
	if _, err := w.directory.CreateTenant(t.Context(), scope, tenant); err != nil {
		t.Fatal(err)
	}
	if _, err := w.directory.CreateDomain(t.Context(), scope, tenant, domain); err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		w.account(a)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log, its end:\n%s", tail(w.log.String(), 4_000))
		}
	})
	return w
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (w *town) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (w *town) account(address string) {
	w.t.Helper()
	a, err := w.directory.CreateAccount(w.t.Context(), directory.ServiceScope("test"), directory.NewAccount{Address: address, Password: password})
	if err != nil {
		w.t.Fatal(err)
	}
	w.refs[address] = a.Ref
}

// open gives ports over the client's calls.
func (w *town) open(client cloud.Client) *cloud.Ports {
	w.t.Helper()
	c := w.config
	c.Log, c.Client = w.logger(), client
	p, err := cloud.Open(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// store is a process' store of accounts; one that listens ends with the test.
func (w *town) store(p *cloud.Ports, listens bool) *account.Store {
	s := account.New(account.Config{Journal: p.Journal, Notify: p.Notify, Blobs: blob.Store{Driver: p.Blobs}, Log: w.logger()})
	if listens {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.Run(ctx)
		}()
		w.t.Cleanup(func() {
			stop()
			<-done
		})
	}
	return s
}

// function is a process of functions/deliver that has just started and knows nothing.
func (w *town) function(client cloud.Client) *deliver.Step {
	w.t.Helper()
	p := w.open(client)
	return &deliver.Step{Accounts: w.store(p, false), Queue: p.Queue, Spool: &spool.Spool{Records: p.Records, Queue: p.Queue, Now: time.Now},
		Now: time.Now, Log: w.logger()}
}

// functions has n of them take jobs, each by calls of its own, until stop is called.
func (w *town) functions(n int, client cloud.Client) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for range n {
		step := w.function(client)
		worker := &functions.Worker{Queue: step.Queue, Name: queue.Deliver, Handle: step.Handle, Receivers: 1, Visibility: 10 * time.Second,
			Retry: time.Second, Log: w.logger()}
		all.Go(func() { worker.Run(ctx) })
	}
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			all.Wait()
		})
	}
	w.t.Cleanup(stop)
	return stop
}

// gateway is a process of SMTP, IMAP and POP3.
type gateway struct {
	*serve.Service
	t *testing.T
}

func (w *town) gateway(client cloud.Client, d ports.Decorators) *gateway {
	w.t.Helper()
	flags := map[string]string{"data": w.t.TempDir(), "aws-name": w.config.Name, "aws-bucket": w.config.Bucket, "drain": "2s"}
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "health"} {
		flags[name+"-address"] = "127.0.0.1:0"
	}
	st, _, err := settings.Load(settings.Gateway, "", nil, flags)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s, err := serve.OpenGateway(ctx, st, []string{"smtp", "imap", "pop3"}, serve.Options{Log: w.logger(), Client: client, Decorators: d})
	if err != nil {
		stop()
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	return &gateway{Service: s, t: w.t}
}

// poll waits until ok says so, looking now and then.
func poll(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", within, what)
		}
		<-time.After(20 * time.Millisecond) // between two looks
	}
}

// drained waits until neither the queue nor its dead letters hold a job.
func (w *town) drained(within time.Duration) {
	w.t.Helper()
	poll(w.t, within, "the queue is empty", func() bool { return w.waiting() == 0 })
}

func (w *town) waiting() (jobs int) {
	w.t.Helper()
	for _, name := range []string{queue.Deliver, queue.Dead(queue.Deliver)} {
		d, err := w.Queue.Depth(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		jobs += d.Visible + d.InFlight + d.Delayed
	}
	return jobs
}

// parked gives the jobs in the spool.
func (w *town) parked() []spool.Job {
	w.t.Helper()
	jobs, err := (&spool.Spool{Records: w.Records, Queue: w.Queue, Now: time.Now}).List(w.t.Context(), "", "", spool.MaxPage)
	if err != nil {
		w.t.Fatal(err)
	}
	return jobs
}
