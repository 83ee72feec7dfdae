//go:build localstack

package chaos_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/notify"
	"github.com/godwit-mail/godwit/shared/ports"
)

// A gateway whose queue of events is taken away under it goes on telling its sessions what
// is new, long before the slow poll that makes good what was lost; and who writes forgets
// the watcher that is no more.
func TestAGatewayOutlivesTheLossOfItsQueueOfEvents(t *testing.T) {
	t.Parallel()
	w, all := newTown(t, cloudtest.Options{}, alice, bob), &ledger{}
	g := w.gateway(nil, ports.Decorators{})
	r := watch(t, g, alice)
	w.functions(1, nil)
	sent := 0
	mail := func() {
		t.Helper()
		all.send(g, fmt.Sprintf("notify-%d", sent), alice, bob)
		sent++
	}
	mail()
	r.sees(sent)
	part := w.refs[alice].Partition()
	watchers := func() []string {
		names, err := w.Journal.Watchers(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	for round := range 2 {
		before := watchers()
		if len(before) != 1 {
			t.Fatalf("round %d: watched by %q", round, before)
		}
		cloudtest.RemoveQueue(t, w.config.Name+"-notify-"+before[0])
		if err := w.Notify.Tell(t.Context(), before[0], notify.Event{Partition: part, Seq: 1}); !kinds.Is(err, kinds.NotFound) {
			t.Errorf("telling a watcher that is gone: %v", err)
		}
		if err := w.Journal.Unwatch(t.Context(), part, before[0]); err != nil { // so does who finds it gone
			t.Fatal(err)
		}
		mail()
		w.drained(30 * time.Second)
		r.sees(sent)
		mail()
		r.sees(sent)
		if after := watchers(); len(after) != 1 || slices.Equal(before, after) {
			t.Errorf("round %d: watched by %q, before by %q", round, after, before)
		}
	}
	all.check(w, alice, bob)
}

// Watchers that have died are forgotten by whoever writes next, and keep it from nothing.
func TestWatchersThatHaveDiedAreForgotten(t *testing.T) {
	t.Parallel()
	w, all := newTown(t, cloudtest.Options{}, alice), &ledger{}
	part := w.refs[alice].Partition()
	for i := range 20 {
		if err := w.Journal.Watch(t.Context(), part, fmt.Sprintf("died-%d", i), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	g := w.gateway(nil, ports.Decorators{})
	r := watch(t, g, alice)
	w.functions(1, nil)
	all.send(g, "forgotten", alice)
	r.sees(1)
	poll(t, 30*time.Second, "only who lives is told", func() bool {
		names, err := w.Journal.Watchers(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		return len(names) == 1
	})
}
