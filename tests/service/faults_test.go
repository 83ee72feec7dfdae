//go:build !localstack

package service_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/tests/world"
)

// faulty is a service in which a chosen call of a delivery meets a fault: of all five
// ports, from MAIL to the mailbox. Its clock is the test's, so that nothing that was read
// for one mail is still known for the next one, and what is to be tried again in a minute
// is tried at once.
type faulty struct {
	*world.World
	plan    *faults.Plan
	queue   queue.Driver // as it is without faults
	elapsed atomic.Int64 // that the clock is ahead
	others  []string     // gateways that watch all accounts, too

	mu     sync.Mutex
	armed  bool
	target target
	seen   map[string]int // calls since it was armed
	calls  []target
	hit    bool
	wake   chan struct{} // closed to end the receives that wait
}

// forgetful is the age from which on nothing that was read before is relied on.
const forgetful = 16 * time.Minute

// target is the n-th call of that name, with more of them after it, and what happens to them.
type target struct {
	call    string
	n, more int
	mode    faults.Mode
}

func (g target) String() string { return fmt.Sprintf("%s %d+%d %v", g.call, g.n, g.more, g.mode) }

func startFaulty(t *testing.T) *faulty {
	t.Helper()
	f := &faulty{wake: make(chan struct{})}
	f.plan = faults.New(f.decide)
	f.World = world.Start(t, world.Config{
		Settings: map[string]string{"deliver-workers": "1"},
		Options: serve.Options{
			Now: func() time.Time { return time.Now().Add(time.Duration(f.elapsed.Load())) },
			Decorators: ports.Decorators{
				Journal: func(d journal.Driver) journal.Driver { return faults.Journal(watched{d, f}, f.plan) },
				Blobs:   func(d blob.Driver) blob.Driver { return faults.Blob(d, f.plan) },
				Records: func(d records.Driver) records.Driver { return faults.Records(d, f.plan) },
				Notify: func(d notify.Driver) notify.Driver {
					other, err := d.Listen(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { other.Close() })
					f.others = []string{other.Name(), "one that has died"}
					return faults.Notify(d, f.plan)
				},
				Queue: func(d queue.Driver) queue.Driver {
					f.queue = d
					woken := wakeable{d, f}
					return byName{woken, faults.Queue(woken, f.plan)}
				},
			},
		},
	})
	return f
}

// watched lets other gateways watch every account.
type watched struct {
	journal.Driver
	f *faulty
}

func (w watched) Watchers(ctx context.Context, p journal.Partition) ([]string, error) {
	names, err := w.Driver.Watchers(ctx, p)
	return append(names, w.f.others...), err
}

// wakeable is a queue whose receives can be ended, so that the next one is called.
type wakeable struct {
	queue.Driver
	f *faulty
}

func (w wakeable) Receive(ctx context.Context, name string, n int, wait, visibility time.Duration) ([]queue.Received, error) {
	w.f.mu.Lock()
	wake := w.f.wake
	w.f.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-wake:
			cancel()
		case <-ctx.Done():
		}
	}()
	// No longer than that, as a receive that comes late holds up another.
	got, err := w.Driver.Receive(ctx, name, n, min(wait, time.Second), visibility)
	if err != nil && ctx.Err() != nil {
		return nil, nil
	}
	if len(got) > 0 {
		w.f.elapsed.Add(int64(forgetful)) // who delivers is another process than who accepted
	}
	return got, err
}

// byName keeps the dead letters out of the count.
type byName struct{ plain, faulty queue.Driver }

func (b byName) of(name string) queue.Driver {
	if name == queue.Deliver {
		return b.faulty
	}
	return b.plain
}

func (b byName) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	return b.of(name).Send(ctx, name, msgs...)
}
func (b byName) Receive(ctx context.Context, name string, n int, wait, visibility time.Duration) ([]queue.Received, error) {
	return b.of(name).Receive(ctx, name, n, wait, visibility)
}
func (b byName) Extend(ctx context.Context, name, receipt string, visibility time.Duration) error {
	return b.of(name).Extend(ctx, name, receipt, visibility)
}
func (b byName) Delete(ctx context.Context, name, receipt string) error {
	return b.of(name).Delete(ctx, name, receipt)
}
func (b byName) Depth(ctx context.Context, name string) (queue.Depth, error) {
	return b.plain.Depth(ctx, name)
}

// decide is the plan's.
func (f *faulty) decide(_ int, call string) faults.Mode {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.armed {
		return faults.None
	}
	f.seen[call]++
	f.calls = append(f.calls, target{call: call, n: f.seen[call]})
	if n := f.seen[call] - f.target.n; call == f.target.call && n >= 0 && n <= f.target.more {
		f.hit = true
		return f.target.mode
	}
	return faults.None
}

// arm lets the plan meet the target from now on, in a service that knows nothing any more.
func (f *faulty) arm(g target) {
	f.elapsed.Add(int64(forgetful))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed, f.target, f.seen, f.calls, f.hit = true, g, map[string]int{}, nil, false
	close(f.wake)
	f.wake = make(chan struct{})
}

// disarm tells which calls there were, and whether the target was met.
func (f *faulty) disarm() (calls []target, hit bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.armed = false
	return f.calls, f.hit
}

// pass lets a minute pass, for jobs that are to be tried again later.
func (f *faulty) pass() {
	f.elapsed.Add(int64(time.Minute))
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.wake)
	f.wake = make(chan struct{})
}

// drained waits until no job is left, and lets time pass when nothing goes on.
func (f *faulty) drained(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for looks := 1; ; looks++ {
		left := 0
		for _, name := range []string{queue.Deliver, queue.Dead(queue.Deliver)} {
			d, err := f.queue.Depth(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			left += d.Visible + d.InFlight + d.Delayed
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d jobs are left", left)
		}
		if looks%50 == 0 {
			f.pass()
		}
		<-time.After(2 * time.Millisecond) // between two looks
	}
}

// attempt is one mail as it was sent, and whether it was told 250.
type attempt struct {
	name, text string
	told       bool
}

// send is one transaction, to bob twice and to alice: directly, and through a group.
// It ends where the server says no.
func (f *faulty) send(t *testing.T, name string) *attempt {
	t.Helper()
	c, err := f.Dial(t.Context(), "smtp")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	say := func(want, text string) bool {
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(line) > 3 && line[3] == '-' {
				continue
			}
			if !strings.HasPrefix(line, want) && line[0] != '4' {
				t.Fatalf("%s: to %.30q the server says %q", name, text, line)
			}
			return strings.HasPrefix(line, want)
		}
	}
	a := &attempt{name: name, text: "From: a@example.net\r\nSubject: " + name + "\r\n\r\n.dots\r\n" +
		strings.Repeat("many lines of "+name+"\r\n", 1+len(name)%7) + ".\tand an end\r\n"}
	stuffed := strings.ReplaceAll("\r\n"+a.text, "\r\n.", "\r\n..")[2:]
	a.told = say("220", "") && say("250", "EHLO client.test\r\n") && say("250", "MAIL FROM:<a@example.net>\r\n") &&
		say("250", "RCPT TO:<bob+new@demo.test>\r\n") && say("250", "RCPT TO:<team@demo.test>\r\n") &&
		say("354", "DATA\r\n") && say("250", stuffed+".\r\n")
	return a
}

// Whichever call of a delivery fails, is done though its reply is lost, is done twice or
// late: a mail that was told 250 is in each mailbox once, with its bytes; any other one at
// most once; and nothing is left behind.
func TestAFaultAtAnyCallOfADeliveryLosesAndDoublesNothing(t *testing.T) {
	f := startFaulty(t)
	f.Admin("POST", "/v1/groups", fmt.Sprintf(`{"address":"team@demo.test","members":[%q,%q]}`, world.Alice, world.Bob))
	var sent []*attempt
	run := func(g target) (calls []target, hit bool) {
		f.arm(g)
		for try := 1; ; try++ {
			a := f.send(t, strings.ReplaceAll(fmt.Sprintf("%d: %v", len(sent), g), " ", "-"))
			sent = append(sent, a)
			if a.told {
				break
			}
			if try > 2+g.more { // the first one, and one for each fault
				t.Fatalf("%v: refused again and again", g)
			}
			f.plan.Settle()
		}
		f.plan.Settle()
		f.drained(t)
		return f.disarm()
	}
	run(target{}) // fills caches that time does not empty
	calls, _ := run(target{})
	// The receive after the one that brings the job waits for the next mail.
	calls = slices.DeleteFunc(calls, func(g target) bool { return g.call == "queue.Receive" && g.n > 1 })
	for _, port := range []string{"records.Get", "journal.Last", "blob.Put", "queue.Send", "queue.Receive", "journal.Append",
		"journal.Watchers", "notify.Tell", "queue.Delete"} {
		if !slices.ContainsFunc(calls, func(g target) bool { return g.call == port }) {
			t.Errorf("a delivery without %s: %v", port, calls)
		}
	}
	t.Logf("%d calls: %v", len(calls), calls)
	for _, g := range calls {
		modes := faults.Modes()
		if g.n == 1 && g.call != "queue.Receive" {
			modes = append(modes, modes...)
		}
		for i, mode := range modes {
			g.mode = mode
			if g.more = 0; i >= len(faults.Modes()) {
				g.more = 9 // both accounts have given up, so that the job comes again
				switch g.call {
				case "queue.Send":
					g.more = 4 // the gateway has given up, and its next mail meets one, too
				case "queue.Delete":
					g.more = 3 // one more makes it a dead letter
				}
			}
			began := time.Now()
			if _, hit := run(g); !hit {
				t.Errorf("%v was not met", g)
			}
			if d := time.Since(began); d > 300*time.Millisecond {
				t.Logf("%v took %v", g, d)
			}
		}
	}
	for _, who := range []string{world.Alice, world.Bob} {
		there := mailbox(t, f.World, who)
		for _, a := range sent {
			n := 0
			for _, m := range there {
				head, whole := strings.CutSuffix(m, a.text)
				if whole && strings.HasPrefix(head, "Return-Path: <a@example.net>\r\n") && !strings.Contains(head, "\r\n\r\n") {
					n++
				} else if strings.Contains(m, "Subject: "+a.name+"\r\n") {
					t.Errorf("%s has a mail that is not as it was sent: %q", who, m)
				}
			}
			if n > 1 || n == 0 && a.told {
				t.Errorf("%s has %q %d times; it was told 250: %v", who, a.name, n, a.told)
			}
		}
	}
	if parked := f.Admin("GET", "/v1/queue", "")["items"].([]any); len(parked) > 0 {
		t.Errorf("jobs are parked: %v", parked)
	}
	f.Stop()
	for _, dir := range []string{"tmp", "blobs/unfinished"} {
		if left, err := os.ReadDir(filepath.Join(f.Data, dir)); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v, %v", dir, left, err)
		}
	}
	if _, err := serve.Check(t.Context(), f.Data); err != nil {
		t.Error(err)
	}
}
