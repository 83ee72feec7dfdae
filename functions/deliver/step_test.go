package deliver_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/deliver"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/quota"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/spool"
)

// boxes are accounts that know deliveries by their names.
type boxes struct {
	mu      sync.Mutex
	got     map[account.ID][]account.Add
	seen    []uint64
	entries int
	warned  []account.Add // what its owners were warned by, who all go from 0 to 1000 bytes
	fail    func(id account.ID, batch []account.Add) error
}

func (b *boxes) DeliverWarning(ctx context.Context, ref account.Ref, seen uint64, by account.By, batch []account.Add, warn account.Warn) (account.Outcome, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(ref.ID, batch); err != nil {
			return nil, err
		}
	}
	if warn != nil {
		if add := warn(ctx, account.Totals{}, account.Totals{Bytes: 1000}); add != nil {
			b.warned = append(b.warned, *add)
		}
	}
	b.seen = append(b.seen, seen)
	b.entries++
	out := make(account.Outcome, len(batch))
	for i, a := range batch {
		there := slices.ContainsFunc(b.got[ref.ID], func(o account.Add) bool { return string(o.Name) == string(a.Name) })
		if out[i].Duplicate = there; !there {
			b.got[ref.ID] = append(b.got[ref.ID], a)
		}
	}
	return out, nil
}

// lines is a queue that keeps what is sent; shelf keeps records.
type lines struct {
	queue.Driver
	mu   sync.Mutex
	sent []queue.Message
	err  error
}

func (l *lines) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.sent = append(l.sent, msgs...)
	}
	return l.err
}

type shelf struct {
	records.Driver
	mu   sync.Mutex
	kept map[string]records.Record
	err  error
}

func (s *shelf) Put(ctx context.Context, r records.Record, ifVersion uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.kept[r.ID]; ok && s.err == nil {
		return 0, &records.Changed{Key: r.Key}
	}
	if s.err == nil {
		s.kept[r.ID] = r
	}
	return 1, s.err
}

func (s *shelf) List(ctx context.Context, space, prefix, after string, limit int) (all []records.Record, err error) {
	for _, id := range slices.Sorted(maps.Keys(s.kept)) {
		all = append(all, s.kept[id])
	}
	return all, nil
}

type world struct {
	*deliver.Step
	boxes *boxes
	lines *lines
	shelf *shelf
}

func newWorld() *world {
	w := &world{boxes: &boxes{got: map[account.ID][]account.Add{}}, lines: &lines{}, shelf: &shelf{kept: map[string]records.Record{}}}
	w.Step = &deliver.Step{Accounts: w.boxes, Queue: w.lines, Spool: &spool.Spool{Records: w.shelf, Queue: w.lines, Now: time.Now},
		Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return w
}

// heap takes blobs.
type heap struct{ blob.Driver }

func (heap) Put(context.Context, string, io.ReaderAt, int64) error { return nil }

func TestOwnersAreWarnedOfTheQuotaThatTheJobKnows(t *testing.T) {
	w := newWorld()
	w.Warner = &quota.Warner{Blobs: blob.Store{Driver: heap{}}, Now: time.Now, Log: w.Log}
	j := newJob("1", "ann", "bob", "carol")
	j.Recipients[0].Limit = &delivery.Limit{Address: "ann@demo.test", Quota: account.Quota{Bytes: 1100}}
	j.Recipients[1].Limit = &delivery.Limit{Address: "bob@demo.test", Quota: account.Quota{Bytes: 5000}}
	// What is left for another time knows it, too.
	w.boxes.fail = func(id account.ID, _ []account.Add) error {
		if id == "ann" {
			return kinds.Errorf(kinds.Conflict, "busy")
		}
		return nil
	}
	if errs := w.Handle(t.Context(), []queue.Received{message(t, "m1", j)}); errs[0] != nil || len(w.boxes.warned) != 0 {
		t.Fatalf("%v, %d warnings", errs, len(w.boxes.warned))
	}
	left, _ := w.left(t)
	w.boxes.fail = nil
	if errs := w.Handle(t.Context(), []queue.Received{message(t, "m2", left)}); errs[0] != nil || len(w.boxes.warned) != 1 {
		t.Fatalf("%v, %d warnings", errs, len(w.boxes.warned))
	}
	if got := string(w.boxes.warned[0].Content.Head); got != "Return-Path: <>\r\n" {
		t.Errorf("%q", got)
	}
}

func (w *world) parked(t *testing.T) []spool.Job {
	t.Helper()
	jobs, err := w.Spool.List(t.Context(), "", "", spool.MaxPage)
	if err != nil {
		t.Fatal(err)
	}
	return jobs
}

func newJob(transaction string, accounts ...string) *delivery.Job {
	j := &delivery.Job{Transaction: transaction, Correlation: "m-" + transaction, Tenant: "demo", From: "a@example.net", Received: 1_700_000_000_000,
		Trace: []byte("Received: by mx\r\n"), Blob: blob.Ref{Name: "m/demo/x/" + transaction, Size: 10}, Summary: []byte("s"),
		Thread: []string{"<1@x>", "", "<1@x>"}, Protocol: "smtp"}
	for i, a := range accounts {
		j.Recipients = append(j.Recipients, delivery.Recipient{Account: account.Ref{ID: account.ID(a), Epoch: 1, Tenant: "demo"},
			Address: a + "@demo.test", Seen: uint64(10 * (i + 1))})
	}
	return j
}

func message(t *testing.T, id string, j *delivery.Job) queue.Received {
	t.Helper()
	body, err := j.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return queue.Received{ID: id, Group: "demo", Body: body, Sent: time.Unix(1_700_000_000, 0)}
}

// left decodes the only message in the queue.
func (w *world) left(t *testing.T) (*delivery.Job, queue.Message) {
	t.Helper()
	if len(w.lines.sent) != 1 {
		t.Fatalf("%d jobs were sent", len(w.lines.sent))
	}
	j, err := delivery.Decode(w.lines.sent[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	return j, w.lines.sent[0]
}

func done(t *testing.T, errs []error) {
	t.Helper()
	for i, err := range errs {
		if err != nil {
			t.Errorf("job %d: %v", i, err)
		}
	}
}

func TestAMessageHasItsHeadInEachAccount(t *testing.T) {
	w := newWorld()
	headless := newJob("2", "bob")
	headless.Headless, headless.From = true, ""
	done(t, w.Handle(t.Context(), []queue.Received{message(t, "1", newJob("1", "alice", "bob")), message(t, "2", headless)}))
	want := map[account.ID][]string{
		"alice": {"Return-Path: <a@example.net>\r\nDelivered-To: alice@demo.test\r\nReceived: by mx\r\n"},
		"bob": {"Return-Path: <a@example.net>\r\nDelivered-To: bob@demo.test\r\nReceived: by mx\r\n",
			"Return-Path: <>\r\nDelivered-To: bob@demo.test\r\nReceived: by mx\r\n\r\n"},
	}
	for id, heads := range want {
		var got []string
		for _, a := range w.boxes.got[id] {
			got = append(got, string(a.Content.Head))
			if a.Mailbox != account.Inbox || a.Date != 1_700_000_000_000 || a.EmailID == "" || a.Thread == "" || len(a.Name) != account.NameSize {
				t.Errorf("delivered %+v", a)
			}
		}
		if !slices.Equal(got, heads) {
			t.Errorf("%s has %q", id, got)
		}
	}
}

func TestJobsForOneAccountBecomeFewEntries(t *testing.T) {
	w := newWorld()
	var batch []queue.Received
	for i := range 10 {
		j := newJob(fmt.Sprint(i), "alice")
		j.Recipients[0].Seen = uint64(100 - i)
		batch = append(batch, message(t, fmt.Sprint(i), j))
	}
	done(t, w.Handle(t.Context(), batch))
	done(t, w.Handle(t.Context(), batch)) // again, as a queue may
	if len(w.boxes.got["alice"]) != 10 || w.boxes.entries != 2 || !slices.Equal(w.boxes.seen, []uint64{91, 91}) {
		t.Errorf("%d messages by %d entries, seen %d", len(w.boxes.got["alice"]), w.boxes.entries, w.boxes.seen)
	}
	if len(w.lines.sent)+len(w.parked(t)) > 0 {
		t.Error("something is left")
	}
}

func TestContentionIsNoFailure(t *testing.T) {
	for _, kind := range []kinds.Kind{kinds.Conflict, kinds.Throttled} {
		w := newWorld()
		w.boxes.fail = func(id account.ID, _ []account.Add) error {
			if id == "bob" {
				return kinds.Errorf(kind, "others were faster")
			}
			return nil
		}
		j := newJob("1", "alice", "bob")
		j.Failures = 4
		done(t, w.Handle(t.Context(), []queue.Received{message(t, "1", j)}))
		left, m := w.left(t)
		if left.Failures != 4 || left.Transaction != "1" || len(left.Recipients) != 1 || !reflect.DeepEqual(left.Recipients[0], j.Recipients[1]) ||
			m.Delay < time.Second || m.Delay > 2*time.Second || m.Group != "demo" {
			t.Errorf("%v: left is %+v after %v", kind, left, m.Delay)
		}
	}
}

func TestWhatReallyFailsIsTriedLaterAndLaterThenParked(t *testing.T) {
	w := newWorld()
	w.boxes.fail = func(id account.ID, _ []account.Add) error {
		if id == "bob" {
			return kinds.Errorf(kinds.Corrupt, "entry 7 does not decode")
		}
		return nil
	}
	job := newJob("1", "alice", "bob")
	var last time.Duration
	for n := 1; n < deliver.DefaultMaxFailures; n++ {
		done(t, w.Handle(t.Context(), []queue.Received{message(t, fmt.Sprint(n), job)}))
		left, m := w.left(t)
		if left.Failures != n || len(left.Recipients) != 1 || m.Delay <= last || m.Delay > queue.MaxDelay {
			t.Fatalf("after %d failures: %+v, delayed %v after %v", n, left, m.Delay, last)
		}
		job, last, w.lines.sent = left, m.Delay, nil
	}
	done(t, w.Handle(t.Context(), []queue.Received{message(t, "9", job), message(t, "10", newJob("2", "alice"))}))
	if len(w.lines.sent) > 0 || len(w.boxes.got["alice"]) != 2 {
		t.Errorf("%d jobs sent, alice has %d", len(w.lines.sent), len(w.boxes.got["alice"]))
	}
	parked := w.parked(t)
	if len(parked) != 1 {
		t.Fatalf("%d jobs are parked", len(parked))
	}
	p := parked[0]
	again, err := delivery.Decode(p.Body)
	if err != nil || again.Failures != 0 || len(again.Recipients) != 1 || again.Recipients[0].Account.ID != "bob" {
		t.Errorf("parked is %+v, %v", again, err)
	}
	if p.Tenant != "demo" || p.Correlation != "m-1" || p.Failures != 5 || p.Kind != "corrupt" || !strings.Contains(p.Reason, "entry 7") {
		t.Errorf("parked with %+v", p)
	}
}

func TestABadMessageKeepsNoOtherBack(t *testing.T) {
	w := newWorld()
	w.boxes.fail = func(_ account.ID, batch []account.Add) error {
		for _, a := range batch {
			if a.Content.Blob.Name == "m/demo/x/bad" {
				return kinds.Errorf(kinds.Limit, "too large")
			}
		}
		return nil
	}
	panics := func(id account.ID, batch []account.Add) error { panic("a defect") }
	errs := w.Handle(t.Context(), []queue.Received{message(t, "1", newJob("good", "alice")), message(t, "2", newJob("bad", "alice")),
		{ID: "3", Group: "demo", Body: []byte("no job")}, message(t, "4", newJob("fine", "alice"))})
	done(t, errs)
	if len(w.boxes.got["alice"]) != 2 {
		t.Errorf("alice has %d", len(w.boxes.got["alice"]))
	}
	if left, _ := w.left(t); left.Transaction != "bad" || left.Failures != 1 {
		t.Errorf("left is %+v", left)
	}
	if p := w.parked(t); len(p) != 1 || string(p[0].Body) != "no job" || p[0].Kind != "corrupt" {
		t.Errorf("parked %+v", p)
	}
	w.lines.sent, w.boxes.fail = nil, panics
	done(t, w.Handle(t.Context(), []queue.Received{message(t, "5", newJob("5", "alice"))}))
	if left, _ := w.left(t); left.Failures != 1 {
		t.Errorf("after a panic: %+v", left)
	}
}

func TestAnAccountThatIsGoneParksItsPartAtOnce(t *testing.T) {
	w := newWorld()
	w.boxes.fail = func(id account.ID, _ []account.Add) error {
		switch id {
		case "bob":
			return kinds.Errorf(kinds.Closed, "deleted")
		case "carol":
			return kinds.Errorf(kinds.NotFound, "no such account")
		}
		return nil
	}
	done(t, w.Handle(t.Context(), []queue.Received{message(t, "1", newJob("1", "alice", "bob", "carol"))}))
	p := w.parked(t)
	if len(p) != 1 || len(w.lines.sent) != 0 || len(w.boxes.got["alice"]) != 1 {
		t.Fatalf("parked %+v, sent %d", p, len(w.lines.sent))
	}
	if j, err := delivery.Decode(p[0].Body); err != nil || len(j.Recipients) != 2 {
		t.Errorf("parked %+v, %v", j, err)
	}
}

func TestAJobComesAgainWhenItsRestCantBeKept(t *testing.T) {
	w := newWorld()
	w.boxes.fail = func(account.ID, []account.Add) error { return kinds.Errorf(kinds.Conflict, "") }
	w.lines.err, w.shelf.err = kinds.Errorf(kinds.Unavailable, "no queue"), kinds.Errorf(kinds.Unavailable, "no records")
	errs := w.Handle(t.Context(), []queue.Received{message(t, "1", newJob("1", "alice")), {ID: "2", Body: []byte("x")}})
	if errs[0] == nil || errs[1] == nil {
		t.Errorf("got %v", errs)
	}
}

func TestAShutdownIsNoFailure(t *testing.T) {
	w := newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	w.boxes.fail = func(account.ID, []account.Add) error {
		cancel()
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "")
	}
	errs := w.Handle(ctx, []queue.Received{message(t, "1", newJob("1", "alice"))})
	if errs[0] == nil || len(w.lines.sent) > 0 {
		t.Errorf("error %v, %d jobs sent", errs[0], len(w.lines.sent))
	}
}

func TestDeadLettersAreParked(t *testing.T) {
	w := newWorld()
	j := newJob("1", "alice")
	j.Failures = 3
	done(t, w.HandleDead(t.Context(), []queue.Received{message(t, "1", j), {ID: "2", Group: "demo", Body: []byte("junk")}}))
	p := w.parked(t)
	if len(p) != 2 {
		t.Fatalf("%d are parked", len(p))
	}
	for _, job := range p {
		if d, err := delivery.Decode(job.Body); err == nil && d.Failures != 0 || err != nil && string(job.Body) != "junk" {
			t.Errorf("parked %+v", job)
		}
	}
}
