package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/gatewaytest"
	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/quota"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/tests/dialog"
)

const password = "correct horse battery"

// town is a directory with a few addresses. What each is tells the name.
type town struct {
	gatewaytest.Nobody
	addresses map[string]*directory.Resolution
	errors    map[string]error
	heads     map[account.ID]account.Head
	unknown   map[account.ID]account.Head // heads that have to be read first
	unread    map[account.ID]bool         // and that can't be

	mu    sync.Mutex
	grown []string // what was counted
}

func newTown() *town {
	d := &town{addresses: map[string]*directory.Resolution{}, errors: map[string]error{}, heads: map[account.ID]account.Head{}}
	for _, a := range []string{"alice@demo.test", "bob@demo.test", "full@demo.test", "carol@other.test", "dörte@demo.test"} {
		d.put(a, 0, a)
	}
	d.put("full@demo.test", 1000, "full@demo.test")
	d.heads["full@demo.test"] = account.Head{Seq: 7, Standing: account.Standing{Totals: account.Totals{Bytes: 900}}}
	d.put("anybody@full.test", 0, "anybody@full.test")
	d.put("sales@demo.test", 0, "alice@demo.test")
	d.put("team@demo.test", 0, "alice@demo.test", "bob@demo.test", "full@demo.test")
	d.put("postmaster", 0, "alice@demo.test")
	d.put("postmaster@demo.test", 0, "alice@demo.test")
	d.put("catch@all.test", 0, "bob@demo.test")
	many := make([]string, 250)
	for i := range many {
		many[i] = "member" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "@demo.test"
	}
	d.put("everybody@demo.test", 0, many...)
	d.errors["suspended@demo.test"] = kinds.Errorf(kinds.Suspended, "suspended")
	d.errors["broken@demo.test"] = kinds.Errorf(kinds.Unavailable, "no disk")
	d.errors["bomb@demo.test"] = kinds.Errorf(kinds.Limit, "too many")
	return d
}

func tenantOf(domain string) string {
	if domain == "other.test" {
		return "other"
	}
	return "demo"
}

func (d *town) put(addr string, quota int64, accounts ...string) {
	_, domain, _ := strings.Cut(addr, "@")
	r := &directory.Resolution{Tenant: tenantOf(domain), Domain: domain}
	for _, a := range accounts {
		r.Recipients = append(r.Recipients, directory.Recipient{Address: a, Limits: directory.Limits{Domain: domain, Account: account.Quota{Bytes: quota}, Warnings: true},
			Account: account.Ref{ID: account.ID(a), Epoch: 1, Tenant: r.Tenant}})
	}
	d.addresses[addr] = r
}

func (d *town) Resolve(ctx context.Context, a address.Address) (*directory.Resolution, error) {
	base, _, _ := a.Subaddress()
	for _, key := range []string{a.Key(), base.Key()} {
		if err := d.errors[key]; err != nil {
			return nil, err
		}
		if r := d.addresses[key]; r != nil {
			return r, nil
		}
	}
	switch a.Domain {
	case "demo.test", "other.test":
		return nil, kinds.Errorf(kinds.NotFound, "no such user")
	case "all.test":
		return d.addresses["catch@all.test"], nil
	}
	return nil, kinds.Errorf(kinds.Denied, "not our domain")
}

func (d *town) MaySendAs(ctx context.Context, id *directory.Identity, a address.Address) (bool, error) {
	return a.Key() == id.Address || a.Key() == "sales@demo.test", nil
}

func (d *town) Sender(context.Context, *directory.Identity) (directory.Sender, error) {
	return directory.Sender{FromCheck: true}, nil
}

func (d *town) ReversePath(_ context.Context, from address.Address, _ string) (address.Address, error) {
	return from, nil
}

func (d *town) Authenticate(ctx context.Context, username, pass, protocol string) (*directory.Identity, error) {
	if pass != password || d.addresses[username] == nil && username != "suspended@demo.test" {
		return nil, kinds.Errorf(kinds.Unauthenticated, "wrong")
	}
	if username == "suspended@demo.test" {
		return nil, kinds.Errorf(kinds.Suspended, "suspended")
	}
	return &directory.Identity{Account: d.addresses[username].Recipients[0].Account, Tenant: "demo", Domain: "demo.test", Address: username}, nil
}

// Check finds nothing full but the domain that is.
func (d *town) Check(_ context.Context, _ string, l directory.Limits, _, _ int64) error {
	if l.Domain == "full.test" {
		return kinds.Wrap(kinds.Quota, quota.ErrShared, "")
	}
	return nil
}

func (d *town) Grow(_, domain string, messages, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grown = append(d.grown, fmt.Sprint(domain, " ", messages, " ", bytes))
}

func (d *town) AnyoneMay(context.Context, account.Ref, account.Rights) (bool, error) {
	return false, nil
}

func (d *town) Known(ref account.Ref) (account.Head, bool) {
	h, ok := d.heads[ref.ID]
	return h, ok
}

func (d *town) Head(ctx context.Context, ref account.Ref) (account.Head, error) {
	if d.unread[ref.ID] {
		return account.Head{}, kinds.Errorf(kinds.Unavailable, "no disk")
	}
	if h, ok := d.unknown[ref.ID]; ok {
		return h, nil
	}
	h, _ := d.Known(ref)
	return h, nil
}

// counter counts failed logins.
type counter struct {
	records.Driver
	mu sync.Mutex
	n  map[records.Key]int64
}

func (c *counter) Add(ctx context.Context, k records.Key, n int64, ttl time.Duration) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[k] += n
	return c.n[k], nil
}

// heap keeps blobs and jobs, in the order in which they came.
type heap struct {
	mu     sync.Mutex
	events []string // "blob NAME" and "job NAME"
	blobs  map[string][]byte
	jobs   []*delivery.Job
	came   chan *delivery.Job
	fail   func(what string) error // may be nil
	big    bool                    // keep no bytes
}

type (
	heapBlobs struct {
		blob.Driver
		*heap
	}
	heapQueue struct {
		queue.Driver
		*heap
	}
)

func newHeap() *heap { return &heap{blobs: map[string][]byte{}, came: make(chan *delivery.Job, 1000)} }

func (h heapBlobs) Put(ctx context.Context, name string, body io.ReaderAt, size int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		if err := h.fail("blob"); err != nil {
			return err
		}
	}
	if h.big {
		var buf [32 << 10]byte
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.NewSectionReader(body, 0, size), buf[:])
		return err
	}
	b := make([]byte, size)
	if n, err := body.ReadAt(b, 0); int64(n) < size {
		return err
	}
	h.blobs[name] = b
	h.events = append(h.events, "blob "+name)
	return nil
}

func (h heapQueue) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail != nil {
		if err := h.fail("job"); err != nil {
			return err
		}
	}
	for _, m := range msgs {
		j, err := delivery.Decode(m.Body)
		if err != nil {
			return err
		}
		h.jobs = append(h.jobs, j)
		h.events = append(h.events, "job "+j.Blob.Name)
		h.came <- j
	}
	return nil
}

func (h heapBlobs) Open(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(h.blobs[name]), off, n)), nil
}

// content is the message of a job as it was stored, or what is wrong with it.
func (h *heap) content(j *delivery.Job) string {
	r, err := blob.Store{Driver: heapBlobs{heap: h}}.Open(context.Background(), j.Blob, 0, j.Blob.Size)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// world is a gateway on ports of its own.
type world struct {
	*town
	heap    *heap
	budget  *intake.Budget
	gateway *Gateway
	servers map[string]*listen.Server
	client  *tls.Config
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldWith(t, func(*Config) {})
}

// newWorldWith lets change the gateway's configuration.
func newWorldWith(t testing.TB, change func(*Config)) *world {
	t.Helper()
	w := &world{town: newTown(), heap: newHeap(), budget: intake.NewBudget(1 << 30), servers: map[string]*listen.Server{}}
	server, client := gatewaytest.Certificate(t)
	w.client = client
	log := slog.New(slog.DiscardHandler)
	config := Config{Hostname: "mx.demo.test", Directory: w.town, Accounts: w.town, Quota: w.town, Blobs: blob.Store{Driver: heapBlobs{heap: w.heap}}, Queue: heapQueue{heap: w.heap},
		Login: login.New(login.Config{Directory: w.town, Records: &counter{n: map[records.Key]int64{}}, Now: time.Now, Log: log,
			Wait: func(context.Context, time.Duration) error { return nil }}),
		TLS: server, Budget: w.budget, TempDir: t.TempDir(), Log: log}
	change(&config)
	w.budget, w.gateway = config.Budget, New(config)
	for name, s := range map[string]*listen.Server{
		"smtp":        {Handler: w.gateway.MX},
		"submission":  {Handler: w.gateway.Submission},
		"submissions": {Handler: w.gateway.Submission, TLS: server, Implicit: true},
	} {
		gatewaytest.Serve(t, name, s)
		w.servers[name] = s
	}
	return w
}

func (w *world) dial(ctx context.Context, listener string) (net.Conn, error) {
	return gatewaytest.Dial(ctx, w.servers[listener])
}

func (w *world) dialog() dialog.World {
	return dialog.World{Dial: w.dial, TLS: w.client, Vars: map[string]string{"user": "alice@demo.test", "alice": "alice@demo.test",
		"bob": "bob@demo.test", "password": password, "domain": "demo.test"}}
}

func TestDialogues(t *testing.T) {
	for _, folder := range []string{"", "directory/"} {
		dialog.RunAll(t, "../../tests/scripts/smtp/"+folder+"*.txt", func(t *testing.T) dialog.World {
			w := newWorld(t)
			t.Cleanup(func() { w.leavesNothing(t) })
			return w.dialog()
		})
	}
}

// leavesNothing checks that no temporary disk is held when the sessions have ended.
func (w *world) leavesNothing(t *testing.T) {
	for _, s := range w.servers {
		if err := gatewaytest.Shutdown(s); err != nil {
			t.Error(err)
		}
	}
	if n := w.budget.Used(); n != 0 {
		t.Errorf("%d octets of temporary disk are still held", n)
	}
}

// login opens a session on submissions and logs alice in.
func (w *world) login(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := tls.Dial("tcp", w.servers["submissions"].Address().String(), w.client)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "EHLO x\r\nAUTH PLAIN %s\r\n", base64.StdEncoding.EncodeToString([]byte("\x00alice@demo.test\x00"+password)))
	r := bufio.NewReader(c)
	for {
		s, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(s, "235") {
			return c, r
		}
	}
}
