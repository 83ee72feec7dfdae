package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/audit"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
)

var by = account.By{Actor: "tester"}

// town is a service with a tenant of two accounts.
type town struct {
	*portstest.World
	dir   *directory.Directory
	store *account.Store
	refs  map[string]account.Ref
	names []string // of blobs
}

const joe, ann = "joe@one.test", "ann@one.test"

func newTown(t *testing.T) *town {
	w := &town{World: portstest.New(t), refs: map[string]account.Ref{}}
	w.restart()
	service := directory.ServiceScope("setup")
	_, err := w.dir.CreateTenant(t.Context(), service, "one")
	porttest.OK(t, err)
	_, err = w.dir.CreateDomain(t.Context(), service, "one", "one.test")
	porttest.OK(t, err)
	for _, address := range []string{joe, ann} {
		a, err := w.dir.CreateAccount(t.Context(), service, directory.NewAccount{Address: address, Password: "correct horse"})
		porttest.OK(t, err)
		w.refs[address] = a.Ref
		w.fill(t, address, 20)
	}
	return w
}

// restart forgets what the process knows.
func (w *town) restart() {
	w.store = account.New(account.Config{Journal: w.Journal, Blobs: blob.Store{Driver: w.Blobs}, Now: w.Clock.Now})
	w.dir = directory.New(directory.Config{Records: w.Records, Accounts: directory.Journals(w.store), Now: w.Clock.Now,
		Log: slog.New(slog.DiscardHandler)})
}

func (w *town) blob(t *testing.T, owners ...string) blob.Ref {
	text := fmt.Sprintf("Subject: %d\r\n\r\nhello\r\n", len(w.names))
	b, err := blob.Store{Driver: w.Blobs}.Put(t.Context(), blob.NewName("one", w.Clock.Now()), blob.Header{Owners: owners}, strings.NewReader(text), int64(len(text)))
	porttest.OK(t, err)
	w.names = append(w.names, b.Name)
	return b
}

func (w *town) fill(t *testing.T, address string, n int) {
	sum := message.NewScanner().Finish()
	a, err := w.store.Open(t.Context(), w.refs[address])
	porttest.OK(t, err)
	defer a.Close()
	for n > 0 {
		batch := make([]account.NewMessage, min(n, 10))
		for i := range batch {
			batch[i].Content = account.Content{Blob: w.blob(t, address), Summary: sum.Encode()}
		}
		_, _, err := a.Append(t.Context(), by, "INBOX", batch, account.Room{})
		porttest.OK(t, err)
		n -= len(batch)
	}
}

func (w *town) audit() *audit.Audit {
	w.restart()
	return &audit.Audit{Accounts: w.store, Directory: w.dir, Blobs: blob.Store{Driver: w.Blobs}, Now: w.Clock.Now}
}

func (w *town) all(t *testing.T, a *audit.Audit) audit.Report {
	t.Helper()
	r, err := a.All(t.Context())
	porttest.OK(t, err)
	return r
}

// spoil puts other bytes in the place of an object.
func (w *town) spoil(t *testing.T, name string, fn func(b []byte) []byte) {
	t.Helper()
	info, err := w.Blobs.Stat(t.Context(), name)
	porttest.OK(t, err)
	r, err := w.Blobs.Open(t.Context(), name, 0, -1)
	porttest.OK(t, err)
	b := make([]byte, info.Size)
	_, err = r.Read(b)
	porttest.OK(t, err)
	porttest.OK(t, r.Close())
	porttest.OK(t, w.Blobs.Delete(t.Context(), name))
	if b = fn(b); b != nil {
		porttest.OK(t, w.Blobs.Put(t.Context(), name, strings.NewReader(string(b)), int64(len(b))))
	}
}

func TestAllThatIsSoundIsFoundSo(t *testing.T) {
	w := newTown(t)
	_, err := w.store.Compact(t.Context(), w.refs[joe], true)
	porttest.OK(t, err)
	w.fill(t, joe, 5)
	w.blob(t, "joe")
	a := w.audit()
	a.Deep = true
	told := 0
	a.Progress = func(audit.Report) { told++ }
	r := w.all(t, a)
	if r.Accounts != 2 || r.Messages != 45 || r.Blobs != 45 || r.Bytes == 0 || r.Unheld != 1 || r.UnheldBytes == 0 || r.Failed != 0 || told < 45 {
		t.Errorf("%+v, told %d times", r, told)
	}
	r, err = a.One(t.Context(), ann)
	if err != nil || r.Accounts != 1 || r.Blobs != 20 || r.Unheld != 0 || r.Failed != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = a.One(t.Context(), "nobody@one.test")
	porttest.Kind(t, err, kinds.NotFound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.All(ctx)
	porttest.Kind(t, err, kinds.Unavailable)
}

func TestBlobsThatAreMissingOrBrokenAreNamed(t *testing.T) {
	w := newTown(t)
	w.spoil(t, w.names[3], func([]byte) []byte { return nil })
	w.spoil(t, w.names[30], func(b []byte) []byte { return b[:len(b)-1] })
	w.spoil(t, w.names[35], func(b []byte) []byte { b[len(b)-6] ^= 1; return b })
	for deep, want := range map[bool]int{false: 2, true: 3} {
		a := w.audit()
		a.Deep = deep
		r := w.all(t, a)
		if r.Failed != want || len(r.Problems) != want || r.Blobs != 40-want {
			t.Fatalf("deep %v: %+v", deep, r)
		}
		named := fmt.Sprint(r.Problems)
		if p := r.Problems; p[0].Account != ann || p[want-1].Account != joe || !strings.Contains(named, w.names[3]) ||
			!strings.Contains(named, w.names[30]) || strings.Contains(named, w.names[35]) != deep {
			t.Errorf("deep %v: %s", deep, named)
		}
	}
}

// What was expunged can be asked for again within the window.
func TestBlobsOfThePastAreLookedForWithinTheWindow(t *testing.T) {
	w := newTown(t)
	a, err := w.store.Open(t.Context(), w.refs[joe])
	porttest.OK(t, err)
	_, err = a.ExpungeMessages(t.Context(), by, account.Inbox, []account.Range{{First: 1, Last: 1}}, false)
	porttest.OK(t, err)
	a.Close()
	w.spoil(t, w.names[0], func([]byte) []byte { return nil })
	if r := w.all(t, w.audit()); r.Failed != 1 || r.Messages != 39 {
		t.Errorf("%+v", r)
	}
	w.Clock.Advance(31 * 24 * time.Hour)
	if r := w.all(t, w.audit()); r.Failed != 0 {
		t.Errorf("%+v", r)
	}
}

func TestABrokenSnapshotIsRepairedFromTheJournal(t *testing.T) {
	w := newTown(t)
	_, err := w.store.Compact(t.Context(), w.refs[joe], true)
	porttest.OK(t, err)
	list, err := w.Blobs.List(t.Context(), "s/", "", 10)
	porttest.OK(t, err)
	w.spoil(t, list[0].Name, func(b []byte) []byte { b[len(b)-30] ^= 1; return b })
	if r := w.all(t, w.audit()); r.Failed != 1 || r.Problems[0].Account != joe || r.Repaired != 0 {
		t.Errorf("%+v", r)
	}
	a := w.audit()
	a.Repair = true
	if r := w.all(t, a); r.Failed != 0 || r.Repaired != 1 || r.Messages != 40 || r.Blobs != 40 || len(r.Problems) != 1 {
		t.Errorf("%+v", r)
	}
	if r := w.all(t, w.audit()); r.Failed != 0 || r.Messages != 40 {
		t.Errorf("%+v", r)
	}
}
