package sweep_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

const day = 24 * time.Hour

// objects are blobs in memory, as old as the clock says.
type objects struct {
	now   func() time.Time
	mu    sync.Mutex
	bytes map[string][]byte
	times map[string]time.Time
}

func (o *objects) Put(_ context.Context, name string, body io.ReaderAt, size int64) error {
	b := make([]byte, size)
	if _, err := body.ReadAt(b, 0); err != nil && err != io.EOF {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes[name], o.times[name] = b, o.now()
	return nil
}

func (o *objects) Open(_ context.Context, name string, off, n int64) (io.ReadCloser, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, ok := o.bytes[name]
	if !ok {
		return nil, kinds.Errorf(kinds.NotFound, "no %s", name)
	}
	b = b[min(off, int64(len(b))):]
	if n >= 0 {
		b = b[:min(n, int64(len(b)))]
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (o *objects) Stat(_ context.Context, name string) (blob.Info, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b, ok := o.bytes[name]
	if !ok {
		return blob.Info{}, kinds.Errorf(kinds.NotFound, "no %s", name)
	}
	return blob.Info{Name: name, Size: int64(len(b)), Modified: o.times[name]}, nil
}

func (o *objects) List(_ context.Context, prefix, after string, limit int) (list []blob.Info, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(o.bytes)) {
		if strings.HasPrefix(name, prefix) && name > after && len(list) < limit {
			list = append(list, blob.Info{Name: name, Size: int64(len(o.bytes[name])), Modified: o.times[name]})
		}
	}
	return list, nil
}

func (o *objects) Delete(_ context.Context, name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.bytes, name)
	return nil
}

// messages gives the names of all blobs of messages.
func (o *objects) messages() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	names := map[string]bool{}
	for name := range o.bytes {
		if strings.HasPrefix(name, blob.Messages) {
			names[name] = true
		}
	}
	return names
}

// place is a service whose accounts are written to directly.
type place struct {
	*portstest.World
	t       testing.TB
	objects *objects
	dir     *directory.Directory
	store   *account.Store
	spool   *spool.Spool
	log     bytes.Buffer
	n       int
}

var by = account.By{Actor: "tester"}

func newPlace(t testing.TB, tenants ...string) *place {
	p := &place{World: portstest.New(t), t: t}
	p.objects = &objects{now: p.Clock.Now, bytes: map[string][]byte{}, times: map[string]time.Time{}}
	p.Blobs = p.objects
	p.store = account.New(account.Config{Journal: p.Journal, Blobs: blob.Store{Driver: p.Blobs}, Now: p.Clock.Now})
	p.dir = directory.New(directory.Config{Records: p.Records, Accounts: directory.Journals(p.store), Now: p.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	p.spool = &spool.Spool{Records: p.Records, Queue: p.Queue, Now: p.Clock.Now}
	for _, tenant := range tenants {
		_, err := p.dir.CreateTenant(t.Context(), directory.ServiceScope("test"), tenant)
		ok(t, err)
		_, err = p.dir.CreateDomain(t.Context(), directory.ServiceScope("test"), tenant, tenant+".test")
		ok(t, err)
	}
	return p
}

func (p *place) account(address string) account.Ref {
	p.t.Helper()
	a, err := p.dir.CreateAccount(p.t.Context(), directory.ServiceScope("test"), directory.NewAccount{Address: address, Password: "correct horse"})
	ok(p.t, err)
	return a.Ref
}

// release is over the place's ports.
func (p *place) release() *sweep.Release { return p.releaseOn(p.store, p.Blobs) }

func (p *place) releaseOn(store *account.Store, blobs blob.Driver) *sweep.Release {
	return &sweep.Release{Accounts: store, Directory: p.dir, Blobs: blob.Store{Driver: blobs}, Spool: p.spool, Queue: p.Queue, Now: p.Clock.Now,
		Log: slog.New(slog.NewTextHandler(&p.log, nil))}
}

func (p *place) all() sweep.Released {
	p.t.Helper()
	done, err := p.release().All(p.t.Context())
	ok(p.t, err)
	return done
}

// accept writes a blob for accounts of a tenant and gives the job that would bring it.
func (p *place) accept(tenant string, to ...account.Ref) *delivery.Job {
	p.t.Helper()
	p.n++
	j := &delivery.Job{Transaction: fmt.Sprint(p.n), Tenant: tenant, Received: p.Clock.Now().UnixMilli()}
	owners := make([]string, len(to))
	for i, ref := range to {
		owners[i] = string(ref.ID)
		j.Recipients = append(j.Recipients, delivery.Recipient{Account: ref})
	}
	text := fmt.Sprintf("Subject: %d\r\n\r\nhello\r\n", p.n)
	var err error
	j.Blob, err = blob.Store{Driver: p.Blobs}.Put(p.t.Context(), blob.NewName(tenant, p.Clock.Now()), blob.Header{Owners: owners}, strings.NewReader(text), int64(len(text)))
	ok(p.t, err)
	return j
}

var summary = func() []byte { sum := message.NewScanner().Finish(); return sum.Encode() }()

// add gives an account a message of that blob.
func (p *place) add(ref account.Ref, b blob.Ref) {
	p.t.Helper()
	a, err := p.store.Open(context.Background(), ref)
	ok(p.t, err)
	defer a.Close()
	_, _, err = a.Append(context.Background(), by, "INBOX", []account.NewMessage{{Content: account.Content{Blob: b, Summary: summary}}}, account.Room{})
	ok(p.t, err)
}

func (p *place) deliver(j *delivery.Job) {
	p.t.Helper()
	for _, to := range j.Recipients {
		p.add(to.Account, j.Blob)
	}
}

// expunge removes messages of an account's INBOX.
func (p *place) expunge(ref account.Ref, first, last uint32) {
	p.t.Helper()
	a, err := p.store.Open(context.Background(), ref)
	ok(p.t, err)
	defer a.Close()
	_, err = a.ExpungeMessages(context.Background(), by, account.Inbox, []account.Range{{First: first, Last: last}}, false)
	ok(p.t, err)
}

func (p *place) park(j *delivery.Job) string {
	p.t.Helper()
	body, err := j.Encode()
	ok(p.t, err)
	id, err := p.spool.Park(p.t.Context(), j.Transaction, spool.Job{Queue: queue.Deliver, Tenant: j.Tenant, Reason: "no", Accepted: p.Clock.Now(), Body: body})
	ok(p.t, err)
	return id
}

func (p *place) there(j *delivery.Job) bool { return p.objects.messages()[j.Blob.Name] }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v (%v)", err, kinds.Of(err))
	}
}
