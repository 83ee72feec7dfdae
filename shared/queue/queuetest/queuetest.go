// Package queuetest is the contract of the queue port: every twin runs it. It holds for
// a queue that hands out twice and in any order; what only a well-behaved one does is
// asked of a strict one.
package queuetest

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/queue"
)

// World is a queue driver to be tested, without messages.
type World struct {
	Driver  queue.Driver
	Redrive int                             // after so many receives a message is a dead letter; 3 to 5
	Strict  bool                            // hands a message out once while it is hidden
	Fair    bool                            // a group with many messages doesn't hold up another
	Advance func(time.Duration)             // passes time
	Reopen  func(t *testing.T) queue.Driver // closes and opens again; nil where nothing can be closed
}

const (
	jobs   = "jobs"
	hidden = 2 * time.Second // visibility in tests; Advance(later) passes it
	later  = 3 * time.Second
)

// Run tests what open gives; each subtest opens a world of its own.
func Run(t *testing.T, open func(t *testing.T) World) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w World)
	}{
		{"every message is handed out, as it was sent", everyMessage},
		{"queues do not see each other", apart},
		{"a receive without messages ends with its wait", none},
		{"a receive gives no more than it was asked for", atMost},
		{"what is out of limits is refused", limits},
		{"a message that was received is hidden, and comes again when it was not deleted", comesAgain},
		{"a message that was deleted does not come again", deleted},
		{"a receipt is stale once the message was handed out again", stale},
		{"extending keeps a message hidden for longer", extend},
		{"extending by nothing hands the message out again at once", giveBack},
		{"a delayed message is not handed out before its time", delay},
		{"a waiting receive is woken by a send", woken},
		{"after too many receives a message is a dead letter", redrive},
		{"dead letters do not die", deadLetters},
		{"a group with many messages does not hold up another", fair},
		{"many receivers get every message", concurrent},
		{"a send whose reply was lost and its retry give the message once at least", lostReply},
		{"a receive whose reply was lost hands the message out later", lostReceive},
		{"what was sent and not deleted is there after a restart", reopen},
		{"depth counts what waits, what is handed out and what is delayed", depth},
		{"a receive that is cancelled ends", cancelled},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func send(t *testing.T, d queue.Driver, name string, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		porttest.OK(t, d.Send(t.Context(), name, queue.Message{Group: "tenant", Body: []byte(b)}))
	}
}

// one receives the only message of the queue, which must be there.
func one(t *testing.T, d queue.Driver, name string) queue.Received {
	t.Helper()
	got := receive(t, d, name, 1)
	if len(got) != 1 {
		t.Fatal("no message, want one")
	}
	return got[0]
}

func receive(t *testing.T, d queue.Driver, name string, max int) []queue.Received {
	t.Helper()
	got, err := d.Receive(t.Context(), name, max, 0, hidden)
	porttest.OK(t, err)
	return got
}

// nothing fails the test when a message is to be had now.
func nothing(t *testing.T, d queue.Driver, name string) {
	t.Helper()
	if got := receive(t, d, name, 10); len(got) > 0 {
		t.Fatalf("handed out %q (the %d. time), want nothing", got[0].Body, got[0].Count)
	}
}

// drain receives and deletes until the queue is empty, and counts bodies.
func drain(t *testing.T, w World, d queue.Driver, name string) map[string]int {
	t.Helper()
	found := map[string]int{}
	for empty := 0; empty < 2; {
		got := receive(t, d, name, 10)
		for _, r := range got {
			found[string(r.Body)]++
			// Stale when it was handed out twice: then the other receipt is deleted.
			_ = d.Delete(t.Context(), name, r.Receipt)
		}
		if len(got) == 0 {
			empty++
			w.Advance(later)
		}
	}
	return found
}

// wants fails the test unless each body was found, and by a strict queue once.
func wants(t *testing.T, w World, found map[string]int, bodies ...string) {
	t.Helper()
	want := map[string]int{}
	for _, b := range bodies {
		want[b] = 1
		if found[b] > 1 && !w.Strict {
			want[b] = found[b]
		}
	}
	if !maps.Equal(found, want) {
		t.Fatalf("found %v, want %v", found, want)
	}
}

func everyMessage(t *testing.T, w World) {
	var bodies []string
	for i := range 10 {
		var msgs []queue.Message
		for j := range queue.MaxBatch {
			b := fmt.Sprintf("%d\x00\xff%d", i, j)
			bodies = append(bodies, b)
			msgs = append(msgs, queue.Message{Group: fmt.Sprint("group", i), Body: []byte(b)})
		}
		porttest.OK(t, w.Driver.Send(t.Context(), jobs, msgs...))
	}
	wants(t, w, drain(t, w, w.Driver, jobs), bodies...)

	porttest.OK(t, w.Driver.Send(t.Context(), jobs, queue.Message{Group: "some tenant", Body: []byte("x")}))
	r := one(t, w.Driver, jobs)
	if r.ID == "" || r.Receipt == "" || r.Group != "some tenant" || string(r.Body) != "x" || r.Count != 1 || r.Sent.IsZero() {
		t.Errorf("received %+v", r)
	}
	porttest.OK(t, w.Driver.Delete(t.Context(), jobs, r.Receipt))
}

func apart(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a")
	send(t, w.Driver, "other", "b")
	wants(t, w, drain(t, w, w.Driver, jobs), "a")
	wants(t, w, drain(t, w, w.Driver, "other"), "b")
}

func none(t *testing.T, w World) {
	for _, wait := range []time.Duration{0, time.Second / 10} {
		got, err := w.Driver.Receive(t.Context(), jobs, 10, wait, hidden)
		if err != nil || len(got) != 0 {
			t.Errorf("received %v, %v", got, err)
		}
	}
}

func atMost(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a", "b", "c", "d", "e")
	for _, max := range []int{1, 3} {
		if got := receive(t, w.Driver, jobs, max); len(got) < 1 || len(got) > max {
			t.Errorf("%d messages, asked for %d", len(got), max)
		}
	}
}

func comesAgain(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a")
	first := one(t, w.Driver, jobs)
	if w.Strict {
		nothing(t, w.Driver, jobs)
	}
	w.Advance(later)
	second := one(t, w.Driver, jobs)
	if second.ID != first.ID || string(second.Body) != "a" || second.Count != first.Count+1 || second.Receipt == first.Receipt {
		t.Errorf("first %+v, then %+v", first, second)
	}
}

func deleted(t *testing.T, w World) {
	send(t, w.Driver, jobs, "a")
	r := one(t, w.Driver, jobs)
	porttest.OK(t, w.Driver.Delete(t.Context(), jobs, r.Receipt))
	nothing(t, w.Driver, jobs)
	w.Advance(later)
	nothing(t, w.Driver, jobs)
	porttest.OK(t, w.Driver.Delete(t.Context(), jobs, r.Receipt))
}

func delay(t *testing.T, w World) {
	porttest.OK(t, w.Driver.Send(t.Context(), jobs, queue.Message{Group: "g", Body: []byte("later"), Delay: 2 * time.Second}))
	nothing(t, w.Driver, jobs)
	send(t, w.Driver, jobs, "now")
	r := one(t, w.Driver, jobs)
	if string(r.Body) != "now" {
		t.Fatalf("received %q before its time", r.Body)
	}
	porttest.OK(t, w.Driver.Delete(t.Context(), jobs, r.Receipt))
	w.Advance(later)
	wants(t, w, drain(t, w, w.Driver, jobs), "later")
}

func depth(t *testing.T, w World) {
	if !w.Strict {
		return // approximate, and what was handed out twice counts as waiting
	}
	send(t, w.Driver, jobs, "a", "b", "c")
	porttest.OK(t, w.Driver.Send(t.Context(), jobs, queue.Message{Group: "g", Body: []byte("later"), Delay: time.Minute}))
	one(t, w.Driver, jobs)
	got, err := w.Driver.Depth(t.Context(), jobs)
	if want := (queue.Depth{Visible: 2, InFlight: 1, Delayed: 1}); err != nil || got != want {
		t.Errorf("depth %+v, %v, want %+v", got, err, want)
	}
	if got, err := w.Driver.Depth(t.Context(), "other"); err != nil || got != (queue.Depth{}) {
		t.Errorf("depth of an empty queue is %+v, %v", got, err)
	}
}

func cancelled(t *testing.T, w World) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []queue.Received)
	go func() {
		got, _ := w.Driver.Receive(ctx, jobs, 1, queue.MaxWait, hidden)
		done <- got
	}()
	cancel()
	if got := <-done; len(got) != 0 {
		t.Errorf("received %v", got)
	}
}
