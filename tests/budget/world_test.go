//go:build localstack

package budget_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/functions/deliver"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

const (
	domain   = "budget.test"
	password = "correct horse battery"
)

// world is a service in the emulated cloud: two gateways, the function that delivers, the
// API. Each has a meter of its own. Their clock stands still, so that nothing expires
// before a test says so.
type world struct {
	t       *testing.T
	cloud   cloud.Config
	elapsed atomic.Int64
	begun   time.Time

	admin    *directory.Directory
	api      http.Handler
	key      string // of the API
	one, two *gateway
	function *function

	apiMeter *cloudtest.Meter
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cloud: cloudtest.Make(t), begun: time.Now(), apiMeter: &cloudtest.Meter{}}
	p := w.ports(w.apiMeter)
	w.admin = directory.New(directory.Config{Records: p.Records, Now: w.now, Log: slog.New(slog.DiscardHandler),
		Accounts: directory.Journals(account.New(account.Config{Journal: p.Journal, Blobs: blob.Store{Driver: p.Blobs}, Now: w.now}))})
	w.api = api.New(api.Config{Directory: w.admin, Records: p.Records, Now: w.now, Log: slog.New(slog.DiscardHandler)})
	scope := directory.ServiceScope("budget")
	_, err := w.admin.CreateTenant(t.Context(), scope, "budget")
	w.ok(err)
	_, err = w.admin.CreateDomain(t.Context(), scope, "budget", domain)
	w.ok(err)
	_, w.key, err = w.admin.CreateKey(t.Context(), scope, "budget", "", "budget")
	w.ok(err)
	w.one, w.two, w.function = w.gateway("one"), w.gateway("two"), w.newFunction()
	return w
}

func (w *world) now() time.Time { return w.begun.Add(time.Duration(w.elapsed.Load())) }

func (w *world) advance(d time.Duration) { w.elapsed.Add(int64(d)) }

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// ports are those of one process, whose calls the meter counts.
func (w *world) ports(m *cloudtest.Meter) *cloud.Ports {
	c := w.cloud
	c.Now, c.Client = w.now, m.Attach
	p, err := cloud.Open(w.t.Context(), c)
	w.ok(err)
	return p
}

// account makes an account.
func (w *world) account(name string) directory.Account {
	w.t.Helper()
	a, err := w.admin.CreateAccount(w.t.Context(), directory.ServiceScope("budget"),
		directory.NewAccount{Address: name + "@" + domain, Password: password})
	w.ok(err)
	return a
}

// crowd makes so many accounts.
func (w *world) crowd(n int) []directory.Account {
	w.t.Helper()
	all := make([]directory.Account, n)
	var g errgroup.Group
	g.SetLimit(8)
	for i := range all {
		g.Go(func() (err error) {
			all[i], err = w.admin.CreateAccount(w.t.Context(), directory.ServiceScope("budget"),
				directory.NewAccount{Address: fmt.Sprintf("crowd-%03d@%s", i, domain), Password: password})
			return err
		})
	}
	w.ok(g.Wait())
	return all
}

// group makes a group of accounts.
func (w *world) group(name string, of []directory.Account) {
	w.t.Helper()
	var members []string
	for _, a := range of {
		members = append(members, a.Address)
	}
	_, err := w.admin.CreateGroup(w.t.Context(), directory.ServiceScope("budget"), name+"@"+domain, members)
	w.ok(err)
}

// gateway is 'godwit gateway smtp,imap' in this process.
type gateway struct {
	*serve.Service
	meter cloudtest.Meter
	logs  atomic.Int64 // bytes
	tls   *tls.Config
	t     *testing.T
}

func (g *gateway) Write(p []byte) (int, error) {
	g.logs.Add(int64(len(p)))
	return len(p), nil
}

func (w *world) gateway(name string) *gateway {
	w.t.Helper()
	return w.gatewayWith(name, nil)
}

// gatewayWith is gateway with settings, by flag.
func (w *world) gatewayWith(name string, with map[string]string) *gateway {
	w.t.Helper()
	g := &gateway{t: w.t}
	data := filepath.Join(w.t.TempDir(), name)
	flags := map[string]string{"data": data, "aws-name": w.cloud.Name, "aws-bucket": w.cloud.Bucket, "health-address": "", "drain": "5s"}
	for _, l := range []string{"smtp", "submission", "submissions", "imap", "imaps"} {
		flags[l+"-address"] = "127.0.0.1:0"
	}
	maps.Copy(flags, with)
	st, _, err := settings.Load(settings.Gateway, "", nil, flags)
	w.ok(err)
	g.Service, err = serve.OpenGateway(w.t.Context(), st, []string{"smtp", "imap"},
		serve.Options{Now: w.now, Client: g.meter.Attach, Log: slog.New(slog.NewJSONHandler(g, nil))})
	w.ok(err)
	pem, err := os.ReadFile(filepath.Join(data, "tls", "cert.pem"))
	w.ok(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	g.tls = &tls.Config{RootCAs: pool, ServerName: "localhost", Time: w.now}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	})
	return g
}

func (g *gateway) dial(listener string, secure bool) net.Conn {
	g.t.Helper()
	c, err := (&net.Dialer{}).DialContext(g.t.Context(), "tcp", g.Address(listener))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		g.t.Fatal(err)
	}
	if secure {
		return tls.Client(c, g.tls)
	}
	return c
}

// function is the function that delivers, and the event source that hands it its jobs.
type function struct {
	w      *world
	meter  cloudtest.Meter // of the function itself
	source cloudtest.Meter
	logs   atomic.Int64
	ports  *cloud.Ports
	queue  queue.Driver
	step   *deliver.Step
}

func (f *function) Write(p []byte) (int, error) {
	f.logs.Add(int64(len(p)))
	return len(p), nil
}

func (w *world) newFunction() *function {
	f := &function{w: w}
	f.ports, f.queue = w.ports(&f.meter), w.ports(&f.source).Queue
	f.start()
	// Each finds the queue's address once.
	_, err := f.queue.Depth(w.t.Context(), queue.Deliver)
	w.ok(err)
	return f
}

// start starts a copy of the function, which knows nothing yet.
func (f *function) start() {
	log := slog.New(slog.NewJSONHandler(f, nil))
	f.step = &deliver.Step{
		Accounts: account.New(account.Config{Journal: f.ports.Journal, Notify: f.ports.Notify, Blobs: blob.Store{Driver: f.ports.Blobs}, Now: f.w.now, Log: log}),
		Queue:    f.ports.Queue,
		Spool:    &spool.Spool{Records: f.ports.Records, Queue: f.ports.Queue, Now: f.w.now},
		Now:      f.w.now,
		Log:      log,
	}
}

// handle takes jobs from the queue until it has had so many, and does them as one batch.
func (f *function) handle(jobs int) {
	f.w.t.Helper()
	ctx, cancel := context.WithTimeout(f.w.t.Context(), time.Minute)
	defer cancel()
	var batch []queue.Received
	for len(batch) < jobs {
		got, err := f.queue.Receive(ctx, queue.Deliver, jobs-len(batch), time.Second, time.Minute)
		f.w.ok(err)
		batch = append(batch, got...)
	}
	for _, err := range f.step.Handle(ctx, batch) {
		f.w.ok(err)
	}
	for _, m := range batch {
		f.w.ok(f.queue.Delete(ctx, queue.Deliver, m.Receipt))
	}
}
