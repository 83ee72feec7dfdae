package account

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
)

// listening makes a store that runs until the test ends, on the real clock of a bubble.
func (w *world) listening(t *testing.T, n notify.Driver) *Store {
	s := New(Config{Journal: w.journal, Notify: n})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return s
}

func bubbleWorld(t *testing.T) *world {
	w := newWorld(t)
	w.journal.(*memory).now = time.Now
	return w
}

func TestAnotherProcessIsToldOfADelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := bubbleWorld(t), inprocess.New()
		gateway, function := w.listening(t, n), New(Config{Journal: w.journal, Notify: n})
		a := w.open(t, gateway)
		changed := a.Changed()
		_, err := function.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")})
		porttest.OK(t, err)
		<-changed
		if got := a.State().Mailbox("INBOX").Len(); got != 1 {
			t.Errorf("%d messages", got)
		}
	})
}

func TestTwoGatewaysSeeWhatTheOtherWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := bubbleWorld(t), inprocess.New()
		a, b := w.open(t, w.listening(t, n)), w.open(t, w.listening(t, n))
		start := time.Now()
		for i := range 5 {
			changed := b.Changed()
			_, _, err := a.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
			porttest.OK(t, err)
			<-changed
			a, b = b, a
			synctest.Wait()
			if b.State().Seq() != uint64(i+2) || a.State().Seq() != uint64(i+2) {
				t.Fatalf("at %d and %d", a.State().Seq(), b.State().Seq())
			}
		}
		if waited := time.Since(start); waited >= poll {
			t.Errorf("it took the poll to see it: %v", waited)
		}
	})
}

func TestALostEventIsMadeGoodByThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := bubbleWorld(t), inprocess.New()
		lossy := faults.Notify(n, faults.New(func(_ int, call string) faults.Mode {
			if call == "notify.Tell" {
				return faults.FailBefore
			}
			return faults.None
		}))
		a := w.open(t, w.listening(t, n))
		function := New(Config{Journal: w.journal, Notify: lossy})
		changed := a.Changed()
		_, err := function.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")})
		porttest.OK(t, err)
		synctest.Wait()
		if a.State().Seq() != 1 {
			t.Fatal("the event was not lost")
		}
		start := time.Now()
		<-changed
		if waited := time.Since(start); waited > poll {
			t.Errorf("it took %v", waited)
		}
	})
}

func TestRegistrationsAreRenewedWhileAnAccountIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := bubbleWorld(t), inprocess.New()
		early := New(Config{Journal: w.journal, Notify: n})
		a := w.open(t, early) // before its store listens
		s := w.listening(t, n)
		b := w.open(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = early.Run(ctx) }()
		synctest.Wait()
		if names, _ := w.journal.Watchers(t.Context(), w.ref.Partition()); len(names) != 2 {
			t.Fatalf("%d watchers when both listen", len(names))
		}
		for range 5 {
			<-time.After(watchTTL / 2)
			synctest.Wait()
			if names, _ := w.journal.Watchers(t.Context(), w.ref.Partition()); len(names) != 2 {
				t.Fatalf("%d watchers", len(names))
			}
		}
		cancel()
		<-done
		a.Close()
		// Its listener is gone: the next writer takes its registration away.
		_, _, err := b.Append(t.Context(), by, "INBOX", []NewMessage{newMessage(1)}, Room{})
		porttest.OK(t, err)
		if names, _ := w.journal.Watchers(t.Context(), w.ref.Partition()); len(names) != 1 {
			t.Errorf("%d watchers", len(names))
		}
		b.Close()
		<-time.After(2 * watchTTL)
		if names, _ := w.journal.Watchers(t.Context(), w.ref.Partition()); len(names) != 0 {
			t.Errorf("%d watchers of an account that nobody has open", len(names))
		}
	})
}

// ending is a notify whose last listener a test can end.
type ending struct {
	notify.Driver
	last notify.Listener
}

func (e *ending) Listen(ctx context.Context) (l notify.Listener, err error) {
	e.last, err = e.Driver.Listen(ctx)
	return e.last, err
}

func TestAStoreWhoseListenerEndsListensAnewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := bubbleWorld(t), &ending{Driver: inprocess.New()}
		a := w.open(t, w.listening(t, n))
		function := New(Config{Journal: w.journal, Notify: n.Driver})
		gone := n.last
		start := time.Now()
		porttest.OK(t, w.journal.Unwatch(t.Context(), w.ref.Partition(), gone.Name()))
		changed := a.Changed()
		_, err := function.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")}) // of which nobody is told
		porttest.OK(t, err)
		porttest.OK(t, gone.Close())
		<-changed
		synctest.Wait()
		changed = a.Changed()
		_, err = function.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("b")})
		porttest.OK(t, err)
		<-changed
		if got := a.State().Mailbox("INBOX").Len(); got != 2 || n.last == gone {
			t.Errorf("%d messages", got)
		}
		if waited := time.Since(start); waited >= poll {
			t.Errorf("it took the poll to see it: %v", waited)
		}
	})
}

// slow is a notify that takes its time with those who are gone.
type slow struct{ notify.Driver }

func (s slow) Tell(ctx context.Context, watcher string, e notify.Event) error {
	if strings.HasPrefix(watcher, "gone") {
		<-time.After(time.Second)
	}
	return s.Driver.Tell(ctx, watcher, e)
}

func TestWatchersThatAreGoneHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, n := bubbleWorld(t), inprocess.New()
		for i := range 40 {
			porttest.OK(t, w.journal.Watch(t.Context(), w.ref.Partition(), fmt.Sprintf("gone-%d", i), time.Hour))
		}
		a := w.open(t, w.listening(t, n))
		function := New(Config{Journal: w.journal, Notify: slow{n}})
		changed := a.Changed()
		start := time.Now()
		_, err := function.Deliver(t.Context(), w.ref, 0, by, []Add{delivery("a")})
		porttest.OK(t, err)
		if waited := time.Since(start); waited > telling {
			t.Errorf("a delivery took %v", waited)
		}
		<-changed
		if waited := time.Since(start); waited > telling {
			t.Errorf("it took %v", waited)
		}
		if names, _ := w.journal.Watchers(t.Context(), w.ref.Partition()); len(names) != 1 {
			t.Errorf("%d watchers", len(names))
		}
	})
}

// However many sessions have it open, an account that nothing happens to costs a registration
// and a look at its tail in each poll.
func TestAnAccountToWhichNothingHappensCostsItsShareOfThePollAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bubbleWorld(t)
		counted, plan := w.counting()
		w.journal = counted
		s := w.listening(t, inprocess.New())
		for range 3 {
			w.open(t, s)
		}
		n := len(plan.Calls())
		time.Sleep(time.Hour)
		synctest.Wait()
		calls := plan.Calls()[n:]
		for _, of := range []string{"journal.Watch", "journal.Read"} {
			if got := count(calls, of); got != int(time.Hour/poll) {
				t.Errorf("%d of %s within an hour", got, of)
			}
		}
		if len(calls) != 2*int(time.Hour/poll) {
			t.Errorf("calls %v", calls)
		}
	})
}
