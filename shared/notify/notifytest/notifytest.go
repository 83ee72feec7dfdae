// Package notifytest is the contract of the notify port: every twin runs it. Events may
// be lost by the contract; one that is told to a listener with an empty buffer is
// expected to arrive, or the port would be of no use.
package notifytest

import (
	"sync"
	"testing"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
)

// Run tests what open gives; each subtest opens a driver of its own.
func Run(t *testing.T, open func(t *testing.T) notify.Driver) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, d notify.Driver)
	}{
		{"an event that is told arrives at its watcher only", arrives},
		{"each listener has a name of its own", names},
		{"a watcher that is gone is not found", gone},
		{"closing closes the events", closing},
		{"a slow reader holds up nobody", slow},
		{"listeners come and go while events are told", comeAndGo},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func listen(t *testing.T, d notify.Driver) notify.Listener {
	t.Helper()
	l, err := d.Listen(t.Context())
	porttest.OK(t, err)
	t.Cleanup(func() { porttest.OK(t, l.Close()) })
	return l
}

func arrives(t *testing.T, d notify.Driver) {
	one, two := listen(t, d), listen(t, d)
	want := notify.Event{Partition: "account.1", Seq: 1<<53 - 1}
	porttest.OK(t, d.Tell(t.Context(), one.Name(), want))
	if got := <-one.Events(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	// What the other gets first is its own.
	want = notify.Event{Partition: "account.2", Seq: 1}
	porttest.OK(t, d.Tell(t.Context(), two.Name(), want))
	if got := <-two.Events(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func names(t *testing.T, d notify.Driver) {
	seen := map[string]bool{}
	for range 5 {
		l := listen(t, d)
		if l.Name() == "" || seen[l.Name()] {
			t.Errorf("name %q is empty or was given before", l.Name())
		}
		seen[l.Name()] = true
	}
}

func gone(t *testing.T, d notify.Driver) {
	porttest.Kind(t, d.Tell(t.Context(), "nobody", notify.Event{Partition: "p", Seq: 1}), kinds.NotFound)
	l := listen(t, d)
	porttest.OK(t, l.Close())
	porttest.OK(t, l.Close())
	porttest.Kind(t, d.Tell(t.Context(), l.Name(), notify.Event{Partition: "p", Seq: 1}), kinds.NotFound)
}

func closing(t *testing.T, d notify.Driver) {
	l := listen(t, d)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range l.Events() {
		}
	}()
	porttest.OK(t, l.Close())
	<-ended
}

func slow(t *testing.T, d notify.Driver) {
	l, other := listen(t, d), listen(t, d)
	for i := range uint64(2000) {
		porttest.OK(t, d.Tell(t.Context(), l.Name(), notify.Event{Partition: "p", Seq: i}))
	}
	porttest.OK(t, d.Tell(t.Context(), other.Name(), notify.Event{Partition: "p", Seq: 1}))
	<-other.Events()
}

func comeAndGo(t *testing.T, d notify.Driver) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range uint64(20) {
				l, err := d.Listen(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				var tellers sync.WaitGroup
				tellers.Go(func() {
					err := d.Tell(t.Context(), l.Name(), notify.Event{Partition: "p", Seq: i})
					if err != nil && !kinds.Is(err, kinds.NotFound) {
						t.Error(err)
					}
				})
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				tellers.Wait()
			}
		})
	}
	wg.Wait()
}
