package outbound_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/spool"
)

// far is all other hosts: what it answers is told for each recipient, the last answer goes
// on for ever.
type far struct {
	mu      sync.Mutex
	answers map[string][]error
	got     map[string]int    // mails, by recipient
	text    map[string]string // what the last one was
	from    map[string]string // and its reverse-path
	tries   []string
	dsn     string // the domain whose host tells senders what they ask for
}

var (
	later  = relay.Reply{Code: 451, Enhanced: "4.7.1", Text: "come again"}
	nobody = relay.Reply{Code: 550, Enhanced: "5.1.1", Text: "nobody"}
)

func (f *far) Send(_ context.Context, domain string, e relay.Envelope, open func() (io.ReadCloser, error)) []relay.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	results := make([]relay.Result, len(e.To))
	for i, to := range e.To {
		f.tries = append(f.tries, to.Address)
		f.from[to.Address] = e.From
		if list := f.answers[to.Address]; len(list) > 0 {
			results[i] = relay.Result{Err: list[0], Host: "mx." + domain}
			if len(list) > 1 {
				f.answers[to.Address] = list[1:]
			}
		}
		results[i].DSN = domain == f.dsn
		if results[i].Err == nil {
			r, err := open()
			if err != nil {
				results[i].Err = err
				continue
			}
			b, _ := io.ReadAll(r)
			r.Close()
			f.got[to.Address]++
			f.text[to.Address] = string(b)
		}
	}
	return results
}

func (f *far) count(to string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got[to]
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type world struct {
	*portstest.World
	far     *far
	name    string         // of the mail that is sent next
	tenants map[string]int // of whom somebody was told
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{World: portstest.New(t), far: &far{answers: map[string][]error{}, got: map[string]int{}, text: map[string]string{}, from: map[string]string{}},
		tenants: map[string]int{}}
}

// step is a process of its own; plan may be nil.
func (w *world) step(plan *faults.Plan) *outbound.Step {
	r, q, b := w.Records, w.Queue, w.Blobs
	if plan != nil {
		r, q, b = faults.Records(r, plan), faults.Queue(q, plan), faults.Blob(b, plan)
	}
	return &outbound.Step{Spool: &spool.Spool{Records: r, Queue: q, Now: w.Clock.Now}, Blobs: blob.Store{Driver: b}, Queue: q, Router: outbound.Only(w.far),
		Host: "us.test", Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)}
}

const text = "Subject: hi\r\n\r\nhello\r\n"

func (w *world) send(t *testing.T, from string, to ...string) *spool.Mail {
	t.Helper()
	return w.mail(t, "name", from, to...)
}

func (w *world) mail(t *testing.T, name, from string, to ...string) *spool.Mail {
	t.Helper()
	ref, err := blob.Store{Driver: w.Blobs}.Put(t.Context(), blob.NewName("acme", w.Clock.Now()), blob.Header{}, strings.NewReader(text), int64(len(text)))
	ok(t, err)
	m := &spool.Mail{Tenant: "acme", Correlation: "c", Kind: spool.Submission, From: from, Sender: account.Ref{ID: "joe", Epoch: 1, Tenant: "acme"}, Seen: 7,
		Head: []byte("Received: x\r\n"), Blob: ref, HeaderLen: int64(strings.Index(text, "\r\n\r\n") + 4),
		AcceptedMS: w.Clock.Now().UnixMilli(), ExpiresMS: w.Clock.Now().Add(5 * 24 * time.Hour).UnixMilli()}
	for _, a := range to {
		m.To = append(m.To, spool.Recipient{Address: a})
	}
	ok(t, (&spool.Spool{Records: w.Records, Queue: w.Queue, Now: w.Clock.Now}).Send(t.Context(), cmp.Or(w.name, name), m))
	return m
}

// work does all jobs that wait.
func (w *world) work(t *testing.T, s *outbound.Step) (failed bool) {
	t.Helper()
	for {
		batch, err := w.Queue.Receive(t.Context(), queue.Outbound, 10, 0, time.Minute)
		ok(t, err)
		if len(batch) == 0 {
			return failed
		}
		for i, err := range s.Handle(t.Context(), batch) {
			failed = failed || err != nil
			ok(t, w.Queue.Delete(t.Context(), queue.Outbound, batch[i].Receipt)) // as if it were lost
		}
	}
}

// days lets time go by, and what is due be done.
func (w *world) days(t *testing.T, s *outbound.Step, n int) {
	t.Helper()
	for range n * 24 * 6 {
		w.Clock.Advance(10 * time.Minute)
		ok(t, s.Pump(t.Context()))
		w.work(t, s)
	}
}

// told gives the notifications that are on their way to the sender, each once.
func (w *world) told(t *testing.T) (list []string) {
	t.Helper()
	seen := map[string]bool{}
	for {
		batch, err := w.Queue.Receive(t.Context(), queue.Deliver, 10, 0, time.Hour)
		ok(t, err)
		if len(batch) == 0 {
			return list
		}
		for _, msg := range batch {
			j, err := delivery.Decode(msg.Body)
			ok(t, err)
			if j.From != "" || len(j.Recipients) != 1 || j.Recipients[0].Account.ID != "joe" || j.Recipients[0].Seen != 7 {
				t.Errorf("a notification of %q for %+v", j.From, j.Recipients)
			}
			w.tenants[j.Tenant]++
			r, err := blob.Store{Driver: w.Blobs}.Open(t.Context(), j.Blob, 0, j.Blob.Size)
			ok(t, err)
			b, err := io.ReadAll(r)
			ok(t, err)
			r.Close()
			ok(t, w.Queue.Delete(t.Context(), queue.Deliver, msg.Receipt))
			if !seen[j.Transaction] { // delivery does each once
				seen[j.Transaction] = true
				list = append(list, string(b))
			}
		}
	}
}

func (w *world) left(t *testing.T) int {
	t.Helper()
	list, err := w.step(nil).Spool.ListOutgoing(t.Context(), "acme", "", 100)
	ok(t, err)
	return len(list)
}

func TestEachGetsItAndTheSenderHearsOfWhoDoesNot(t *testing.T) {
	w := newWorld(t)
	w.far.answers = map[string][]error{"slow@a.test": {later, later, nil}, "no@b.test": {nobody}, "dead@c.test": {errors.New("nobody answers")}}
	w.send(t, "joe@acme.test", "fine@a.test", "slow@a.test", "no@b.test", "dead@c.test")
	s := w.step(nil)
	w.work(t, s)
	if got := fmt.Sprint(w.far.got); got != "map[fine@a.test:1]" || w.far.text["fine@a.test"] != "Received: x\r\n"+text {
		t.Errorf("at once: %s, %q", got, w.far.text["fine@a.test"])
	}
	told := w.told(t)
	if len(told) != 1 || !strings.Contains(told[0], "Final-Recipient: rfc822; no@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.b.test\r\n") ||
		strings.Count(told[0], "Final-Recipient") != 1 || !strings.Contains(told[0], "\r\nSubject: hi\r\n") {
		t.Fatalf("at once: %q", told)
	}
	w.days(t, s, 1)
	if got := fmt.Sprint(w.far.got); got != "map[fine@a.test:1 slow@a.test:1]" {
		t.Errorf("after a day: %s", got)
	}
	if told = w.told(t); len(told) != 1 || !strings.Contains(told[0], "rfc822; dead@c.test\r\nAction: delayed\r\nStatus: 4.4.1\r\n") {
		t.Fatalf("after a day: %q", told)
	}
	w.days(t, s, 6)
	if told = w.told(t); len(told) != 1 || !strings.Contains(told[0], "rfc822; dead@c.test\r\nAction: failed\r\nStatus: 5.4.1\r\n") {
		t.Fatalf("after a week: %q", told)
	}
	if w.left(t) != 0 {
		t.Error("the mail is still there")
	}
	n := 0
	for _, a := range w.far.tries {
		if a == "dead@c.test" {
			n++
		}
	}
	if n < 20 || n > 60 {
		t.Errorf("who can't be reached was tried %d times in five days", n)
	}
}

func TestOfANotificationNobodyIsNotified(t *testing.T) {
	w := newWorld(t)
	w.far.answers = map[string][]error{"no@b.test": {nobody}}
	w.send(t, "", "no@b.test")
	w.work(t, w.step(nil))
	if told := w.told(t); len(told) != 0 || w.left(t) != 0 {
		t.Errorf("%q, %d left", told, w.left(t))
	}
}

// Two that look at the same mail at once send it once.
func TestAMailIsSentByOne(t *testing.T) {
	w := newWorld(t)
	m := w.send(t, "joe@acme.test", "fine@a.test")
	s := w.step(nil)
	for range 5 {
		ok(t, s.Spool.Wake(t.Context(), m.ID))
	}
	w.work(t, s)
	if w.far.got["fine@a.test"] != 1 {
		t.Errorf("it was sent %d times", w.far.got["fine@a.test"])
	}
}

// Whatever call it dies at: each gets it, nobody is forgotten, and the sender hears of
// each failure once. Twice only gets it who got it right before the call that would have
// noted it.
func TestItMayDieAtEachCall(t *testing.T) {
	again := 0
	for n := 1; n <= 14; n++ {
		for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
			w := newWorld(t)
			w.far.answers = map[string][]error{"slow@a.test": {later, nil}, "no@b.test": {nobody}, "gone@b.test": {later, nobody}}
			w.send(t, "joe@acme.test", "fine@a.test", "slow@a.test", "no@b.test", "gone@b.test", "well@c.test")
			plan := faults.Nth(n, mode)
			w.work(t, w.step(plan))
			plan.Settle()
			w.days(t, w.step(nil), 1)
			for _, a := range []string{"fine@a.test", "slow@a.test", "well@c.test"} {
				if got := w.far.got[a]; got < 1 || got > 2 {
					t.Errorf("call %d %v: %s got it %d times", n, mode, a, got)
				} else if got == 2 {
					again++
				}
			}
			told := strings.Join(w.told(t), "\n")
			for _, a := range []string{"no@b.test", "gone@b.test"} {
				if c := strings.Count(told, "Final-Recipient: rfc822; "+a); c != 1 {
					t.Errorf("call %d %v: of %s the sender heard %d times", n, mode, a, c)
				}
			}
			if w.left(t) != 0 {
				t.Errorf("call %d %v: the mail is still there", n, mode)
			}
		}
	}
	if again > 2*14*3/4 {
		t.Errorf("%d were sent twice", again)
	}
}
