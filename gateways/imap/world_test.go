package imap

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/godwit-mail/godwit/gateways/internal/gatewaytest"
	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
	"github.com/godwit-mail/godwit/shared/quota"
	"github.com/godwit-mail/godwit/shared/sharing"
	"github.com/godwit-mail/godwit/tests/dialog"
)

const testPassword = "open sesame"

// world is the gateway over a real store, with one account.
type world struct {
	gatewaytest.Nobody
	t               testing.TB
	store           *account.Store
	blobs           blob.Store
	reads           *reads
	appends         *appends
	id              directory.Identity
	quota, messages atomic.Int64
	full            atomic.Bool // the domain is
	tls             *tls.Config
	trust           *tls.Config // of clients
	servers         map[string]*listen.Server
	gateway         *Gateway
	budget          *intake.Budget
	log             *syncBuffer
}

// reads counts how often a blob is read, and may hold that up.
type reads struct {
	blob.Driver
	n    atomic.Int64
	hold atomic.Pointer[func(context.Context) error]
}

func (r *reads) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	r.n.Add(1)
	if hold := r.hold.Load(); hold != nil {
		if err := (*hold)(ctx); err != nil {
			return nil, err
		}
	}
	return r.Driver.Open(ctx, name, off, n)
}

// appends may hold up what is written to journals.
type appends struct {
	journal.Driver
	hold atomic.Pointer[chan struct{}]
}

func (a *appends) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	if hold := a.hold.Load(); hold != nil {
		<-*hold
	}
	return a.Driver.Append(ctx, p, e)
}

// syncBuffer keeps what is logged.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Authenticate lets the one account in.
func (w *world) Authenticate(_ context.Context, username, password, _ string) (*directory.Identity, error) {
	if username != w.id.Address || password != testPassword {
		return nil, kinds.Errorf(kinds.Unauthenticated, "wrong")
	}
	id := w.id
	return &id, nil
}

// Room gives the one account's quota.
func (w *world) Room(_ context.Context, _ *directory.Identity, messages, bytes int64) (account.Room, error) {
	if w.full.Load() {
		return account.Room{}, kinds.Wrap(kinds.Quota, quota.ErrShared, "")
	}
	return account.Room{Quota: account.Quota{Bytes: w.quota.Load(), Messages: w.messages.Load()}}, nil
}

// Limits gives the same.
func (w *world) Limits(context.Context, *directory.Identity) (directory.Limits, error) {
	return directory.Limits{Account: account.Quota{Bytes: w.quota.Load(), Messages: w.messages.Load()}}, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dt := directorytest.New(t)
	driver, err := files.New(filepath.Join(t.TempDir(), "blobs"), files.OS{})
	if err != nil {
		t.Fatal(err)
	}
	reads := &reads{Driver: driver}
	w := &world{t: t, reads: reads, appends: &appends{Driver: dt.Journal}, blobs: blob.Store{Driver: reads}, servers: map[string]*listen.Server{}, log: &syncBuffer{},
		id: directory.Identity{Account: account.NewRef("demo"), Tenant: "demo", Domain: "demo.test", Address: "user@demo.test"}, budget: intake.NewBudget(1 << 30)}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.store = account.New(account.Config{Journal: w.appends, Notify: inprocess.New(), Blobs: w.blobs, Log: log})
	if err := w.store.Create(t.Context(), w.id.Account, account.By{}); err != nil {
		t.Fatal(err)
	}
	w.tls, w.trust = gatewaytest.Certificate(t)
	w.gateway = New(Config{Accounts: w.store, Blobs: w.blobs, Budget: w.budget, TempDir: t.TempDir(), TLS: w.tls, Now: time.Now, Log: log,
		Login:   login.New(login.Config{Directory: w, Records: dt.Records, Now: time.Now, Log: log}),
		Quota:   w,
		Sharing: sharing.New(sharing.Config{Accounts: w.store, Directory: dt.Directory, Records: dt.Records, Now: time.Now})})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := w.store.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	w.serve("imap", &listen.Server{Handler: w.gateway.Serve})
	w.serve("imaps", &listen.Server{Handler: w.gateway.Serve, TLS: w.tls, Implicit: true})
	w.serve("smtp", &listen.Server{Handler: func(_ context.Context, c net.Conn) { gatewaytest.TakeMail(c, w.deliver) }})
	t.Cleanup(func() {
		if strings.Contains(w.log.String(), "session panicked") {
			t.Error("a session panicked")
		}
		if t.Failed() {
			t.Logf("the log:\n%s", w.log)
		}
	})
	return w
}

func (w *world) serve(name string, s *listen.Server) {
	w.t.Helper()
	gatewaytest.Serve(w.t, name, s)
	w.servers[name] = s
}

func (w *world) shutdown(name string) error { return gatewaytest.Shutdown(w.servers[name]) }

// deliver delivers a message to INBOX, as functions/deliver does.
func (w *world) deliver(head, body string) {
	w.t.Helper()
	ref, err := w.blobs.Put(w.t.Context(), blob.NewName("demo", time.Now()), blob.Header{}, strings.NewReader(body), int64(len(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	sc := message.NewScanner()
	if _, err := sc.Write([]byte(body)); err != nil {
		w.t.Fatal(err)
	}
	sum := sc.Finish()
	if sum.HeaderLen == 0 && head != "" {
		head += "\r\n"
	}
	add := account.Add{Mailbox: account.Inbox, Content: account.Content{Head: []byte(head), Blob: ref, Summary: sum.Encode()},
		Date: time.Now().UnixMilli(), EmailID: account.EmailID(), Thread: account.ThreadID(w.id.Account, sum.Thread.Root, "", nil),
		Name: account.DeliveryName(rand.Text())}
	if _, err := w.store.Deliver(w.t.Context(), w.id.Account, 0, account.By{}, []account.Add{add}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() *account.Account {
	w.t.Helper()
	a, err := w.store.Open(w.t.Context(), w.id.Account)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(a.Close)
	return a
}

// client is logged in.
func (w *world) client(options *imapclient.Options) *imapclient.Client {
	w.t.Helper()
	if options == nil {
		options = &imapclient.Options{}
	}
	options.TLSConfig = w.trust
	c, err := imapclient.DialTLS(w.servers["imaps"].Address().String(), options)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if err := c.Login(w.id.Address, testPassword).Wait(); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// in is client with a mailbox selected.
func (w *world) in(mailbox string, options *imapclient.Options) *imapclient.Client {
	w.t.Helper()
	c := w.client(options)
	if _, err := c.Select(mailbox, nil).Wait(); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func appendTo(t testing.TB, c *imapclient.Client, mailbox, text string, flags ...imap.Flag) *imap.AppendData {
	t.Helper()
	cmd := c.Append(mailbox, int64(len(text)), &imap.AppendOptions{Flags: flags})
	if _, err := cmd.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := cmd.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// dialog opens the world's ports for a script.
func (w *world) dialog() dialog.World {
	return dialog.World{
		TLS:  w.trust,
		Vars: map[string]string{"user": w.id.Address, "password": testPassword},
		Dial: func(ctx context.Context, name string) (net.Conn, error) {
			return gatewaytest.Dial(ctx, w.servers[name])
		},
	}
}

func TestDialogues(t *testing.T) {
	dialog.RunAll(t, "../../tests/scripts/imap/*.txt", func(t *testing.T) dialog.World { return newWorld(t).dialog() })
}
