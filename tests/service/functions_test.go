//go:build localstack

package service_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/tests/world"
)

const day = 24 * time.Hour

// aged writes to a world as if it were long ago.
type aged struct {
	t     *testing.T
	w     *world.World
	now   time.Time
	store *account.Store
	ref   account.Ref
}

func newAged(t *testing.T, w *world.World, ago time.Duration) *aged {
	a := &aged{t: t, w: w, now: time.Now().Add(-ago)}
	a.store = account.New(account.Config{Journal: w.Ports.Journal, Blobs: blob.Store{Driver: w.Ports.Blobs}, Now: func() time.Time { return a.now }})
	dir := directory.New(directory.Config{Records: w.Ports.Records, Accounts: directory.Journals(a.store), Now: func() time.Time { return a.now }, Log: slog.New(slog.DiscardHandler)})
	made, err := dir.CreateAccount(t.Context(), directory.ServiceScope("tests"), directory.NewAccount{Address: "old@demo.test", Password: world.Password})
	ok(t, err)
	a.ref = made.Ref
	return a
}

// accept writes a blob of a message.
func (a *aged) accept(text string) blob.Ref {
	a.t.Helper()
	b, err := blob.Store{Driver: a.w.Ports.Blobs}.Put(a.t.Context(), blob.NewName(a.ref.Tenant, a.now), blob.Header{Owners: []string{string(a.ref.ID)}}, strings.NewReader(text), int64(len(text)))
	ok(a.t, err)
	return b
}

// deliver brings it, under a name.
func (a *aged) deliver(name string, b blob.Ref, text string) {
	a.t.Helper()
	scanner := message.NewScanner()
	_, _ = scanner.Write([]byte(text))
	sum := scanner.Finish()
	_, err := a.store.Deliver(a.t.Context(), a.ref, account.DontSearch, account.By{Actor: "tests"}, []account.Add{{Mailbox: account.Inbox, Date: a.now.UnixMilli(),
		EmailID: account.EmailID(), Thread: account.ThreadID(a.ref, name, "", nil), Name: account.DeliveryName(name), Content: account.Content{Blob: b, Summary: sum.Encode()}}})
	ok(a.t, err)
}

// The sweep as it is deployed: what is below the window's start is trimmed, what nobody can
// reach any more is removed, and all else stays and reads as before.
func TestTheFunctionTrimsAndReleases(t *testing.T) {
	w := world.New(t)
	a := newAged(t, w, 60*day)
	const text = "Subject: kept\r\n\r\nkept\r\n"
	kept, gone, orphan := a.accept(text), a.accept("Subject: gone\r\n\r\ngone\r\n"), a.accept("Subject: lost\r\n\r\nlost\r\n")
	a.deliver("gone", gone, text)
	const mails = 1100 // the last 1,024 entries are never trimmed
	for n := range mails {
		a.deliver(fmt.Sprint(n), kept, text)
	}
	a.now = a.now.Add(10 * day)
	open, err := a.store.Open(t.Context(), a.ref)
	ok(t, err)
	defer open.Close()
	_, err = open.ExpungeMessages(t.Context(), account.By{Actor: "tests"}, account.Inbox, []account.Range{{First: 1, Last: 1}}, false)
	ok(t, err)
	a.now = a.now.Add(10 * day)
	_, err = a.store.Compact(t.Context(), a.ref, true)
	ok(t, err)

	// As if it had not been called for a week: it makes up for all of its rounds, in which each
	// account and each tenant has its turn once.
	value, err := cbor.Marshal(sweep.Progress{Round: uint64(time.Now().Add(-7*day).Unix() / int64(day/time.Second)), Done: true})
	ok(t, err)
	_, err = w.Ports.Records.Put(t.Context(), records.Record{Key: records.Key{Space: "sweep", ID: "progress"}, Value: value}, 0)
	ok(t, err)
	cloudtest.Reroute(t, w.Function("sweep"), cloudtest.Aged(t, 60*day))
	var all sweep.Result
	for range 8 { // the last one finds nothing to do
		var r sweep.Result
		cloudtest.Invoke(t, w.Function("sweep"), &r)
		all.Accounts, all.Failed, all.Trimmed, all.Blobs = all.Accounts+r.Accounts, all.Failed+r.Failed, all.Trimmed+r.Trimmed, all.Blobs+r.Blobs
	}
	if all.Failed > 0 || all.Accounts != 3 || all.Trimmed != 1 || all.Blobs != 2 {
		t.Errorf("%+v", all)
	}
	first, _, err := w.Ports.Journal.Read(t.Context(), a.ref.Partition(), 0, 1)
	if err != nil || len(first) != 1 || first[0].Seq < 50 {
		t.Errorf("the first entry is %+v, %v", first, err)
	}
	for _, b := range []blob.Ref{gone, orphan} {
		if _, err := w.Ports.Blobs.Stat(t.Context(), b.Name); !kinds.Is(err, kinds.NotFound) {
			t.Errorf("%s is there: %v", b.Name, err)
		}
	}
	if got := mailbox(t, w, "old@demo.test"); len(got) != mails || got[0] != text || got[mails-1] != text {
		t.Errorf("%d messages are left", len(got))
	}
}

// The rule that is deployed calls it, here more often.
func TestTheFunctionIsCalledByItsSchedule(t *testing.T) {
	w := world.New(t)
	cloudtest.EachMinute(t, w.Function("sweep"))
	within(t, 3*time.Minute, "a round of the sweep", func() bool {
		found, err := w.Ports.Records.Get(t.Context(), records.Key{Space: "sweep", ID: "progress"})
		ok(t, err)
		var p sweep.Progress
		return len(found) == 1 && cbor.Unmarshal(found[0].Value, &p) == nil && p.Done
	})
}

// The function that delivers writes the 64th entry, and asks for a compaction through the
// queue; the function that compacts does it.
func TestAnAccountIsCompactedByItsFunction(t *testing.T) {
	w := world.New(t)
	id, _ := w.Admin("GET", "/v1/accounts/"+world.Alice, "")["id"].(string)
	alice := account.Ref{ID: account.ID(id), Epoch: 1, Tenant: "demo"}
	store := account.New(account.Config{Journal: w.Ports.Journal, Blobs: blob.Store{Driver: w.Ports.Blobs}, HeadAge: 1})
	head := func() account.Head {
		h, err := store.Head(t.Context(), alice)
		ok(t, err)
		return h
	}
	c := loginIMAP(t, w, world.Alice)
	const text = "Subject: mail\r\n\r\nbody\r\n"
	appended := 0
	for ; head().Seq < 63; appended++ {
		put := c.Append("INBOX", int64(len(text)), nil)
		_, err := put.Write([]byte(text))
		ok(t, err)
		ok(t, put.Close())
		_, err = put.Wait()
		ok(t, err)
	}
	ok(t, w.Ports.Queue.Send(t.Context(), queue.Deliver, queue.Message{Group: "demo", Body: job(t, "alice", alice)}))
	until(t, "the account has a snapshot", func() bool { return head().Standing.Snapshot != "" })
	a, err := store.Open(t.Context(), alice)
	ok(t, err)
	defer a.Close()
	state, err := a.Load(t.Context(), account.Inbox)
	ok(t, err)
	if got := state.Mailbox("INBOX").Len(); got != appended+1 {
		t.Errorf("%d messages", got)
	}
	if list, err := w.Ports.Blobs.List(t.Context(), "s/demo/"+id, "", blob.MaxPage); err != nil || len(list) != 1 {
		t.Errorf("snapshots %v, %v", list, err)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
