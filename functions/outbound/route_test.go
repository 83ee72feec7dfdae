package outbound_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// routes are the routes of a test, by the domain that mail goes to.
type routes map[string]directory.Way

func (r routes) FindRoute(_ context.Context, _, _, to, _ string) (directory.Route, bool, error) {
	way, ok := r[to]
	return directory.Route{Way: way}, ok, nil
}

func (r routes) RouteFor(_ context.Context, _, id string) (directory.Route, bool, error) {
	way, ok := r[id]
	return directory.Route{Way: way}, ok, nil
}

func (w *world) routed(r routes) *outbound.Router {
	router := outbound.Only(w.far)
	router.Routes, router.Now = r, w.Clock.Now
	return router
}

// What a process does not do it leaves as it is, and another one does it.
func TestAWayThatThisProcessDoesNotDoIsLeftToAnother(t *testing.T) {
	w := newWorld(t)
	m := w.send(t, "joe@acme.test", "a@a.test", "b@b.test", "c@b.test")
	r := routes{"b.test": {Name: directory.SES}}
	s := w.step(nil)
	s.Router = w.routed(r)
	s.Elsewhere = map[string]string{directory.SES: queue.Egress}
	w.work(t, s)
	woken, err := w.Queue.Receive(t.Context(), queue.Egress, 10, 0, time.Minute)
	ok(t, err)
	var wake spool.Wake
	if len(woken) != 1 || cbor.Unmarshal(woken[0].Body, &wake) != nil || wake.ID != m.ID {
		t.Fatalf("the other process is woken %d times, of %q", len(woken), wake.ID)
	}
	if got := fmt.Sprint(w.far.got); got != "map[a@a.test:1]" {
		t.Fatalf("%s", got)
	}
	m, err = s.Spool.Outgoing(t.Context(), m.ID)
	ok(t, err)
	for _, to := range m.To[1:] {
		if to.State != spool.Open || to.Tries != 0 || to.DueMS != 0 {
			t.Errorf("it was touched: %+v", to)
		}
	}
	other := w.step(nil)
	other.Router = w.routed(r)
	other.Router.SES = func(*spool.Mail, string) outbound.Sender { return w.far }
	ok(t, other.Spool.Wake(t.Context(), m.ID))
	w.work(t, other)
	if got := fmt.Sprint(w.far.got); got != "map[a@a.test:1 b@b.test:1 c@b.test:1]" || w.left(t) != 0 {
		t.Errorf("%s, %d left", got, w.left(t))
	}
}

// Without another process, what nobody does is told to the sender in the end.
func TestAWayThatNobodyDoesIsAFailureInTheEnd(t *testing.T) {
	w := newWorld(t)
	w.send(t, "joe@acme.test", "b@b.test")
	s := w.step(nil)
	s.Router = w.routed(routes{"b.test": {Name: directory.SES}})
	w.work(t, s)
	w.days(t, s, 6)
	told := w.told(t)
	if len(told) != 2 || !strings.Contains(told[1], "Action: failed") || w.left(t) != 0 {
		t.Errorf("%d told, %d left", len(told), w.left(t))
	}
}

// What is held stays, its time stands still, and its sender hears of the delay.
func TestWhatIsHeldStaysUntilItIsReleased(t *testing.T) {
	w := newWorld(t)
	m := w.send(t, "joe@acme.test", "a@a.test", "b@b.test")
	r := routes{"b.test": {Name: directory.Hold}}
	s := w.step(nil)
	s.Router = w.routed(r)
	w.work(t, s)
	w.days(t, s, 10)
	if told := w.told(t); len(told) != 1 || !strings.Contains(told[0], "rfc822; b@b.test\r\nAction: delayed\r\n") {
		t.Fatalf("%d told: %q", len(told), told)
	}
	if got := fmt.Sprint(w.far.got); got != "map[a@a.test:1]" {
		t.Fatal(got)
	}
	ok(t, s.Spool.Change(t.Context(), m.ID, func(m *spool.Mail) error {
		m.Free(w.Clock.Now(), func(*spool.Recipient) bool { return true })
		if left := time.UnixMilli(m.ExpiresMS).Sub(w.Clock.Now()); left < 4*24*time.Hour {
			t.Errorf("it expires in %v", left)
		}
		return nil
	}))
	ok(t, s.Pump(t.Context()))
	w.work(t, s)
	if got := fmt.Sprint(w.far.got); got != "map[a@a.test:1 b@b.test:1]" || w.left(t) != 0 || len(w.told(t)) != 0 {
		t.Errorf("%s, %d left", got, w.left(t))
	}
}

// A route's rate lets so many go in a minute, and all in the end.
func TestARouteHasARate(t *testing.T) {
	w := newWorld(t)
	s := w.step(nil)
	s.Router = w.routed(routes{"b.test": {Name: directory.Direct, Rate: 60}})
	for i := range 200 {
		w.mail(t, fmt.Sprint("mail", i), "joe@acme.test", "a@b.test")
	}
	w.mail(t, "other", "joe@acme.test", "a@a.test")
	w.work(t, s)
	if got := w.far.got["a@b.test"]; got < 5 || got > 12 || w.far.got["a@a.test"] != 1 {
		t.Errorf("%v went at once", w.far.got)
	}
	begun, minutes := w.far.got["a@b.test"], 0
	for w.far.got["a@b.test"] < 200 && minutes < 30 {
		before := w.far.got["a@b.test"]
		for range 12 {
			w.Clock.Advance(5 * time.Second)
			ok(t, s.Pump(t.Context()))
			w.work(t, s)
		}
		if minutes++; w.far.got["a@b.test"]-before > 72 {
			t.Errorf("%d went in a minute", w.far.got["a@b.test"]-before)
		}
	}
	if w.far.got["a@b.test"] != 200 || minutes > 15 || minutes < (200-begun)/72 {
		t.Errorf("%d of 200 went in %d minutes", w.far.got["a@b.test"], minutes)
	}
}
