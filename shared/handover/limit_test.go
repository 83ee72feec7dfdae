package handover_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/queue"
)

var root = directory.ServiceScope("test")

type limited struct {
	*handover.Limiter
	t     *testing.T
	dir   *directorytest.World
	ports *portstest.World
	ids   map[string]*directory.Identity
	now   time.Time
}

// newLimited has accounts ann and bob in one.test, of which boss is the postmaster.
func newLimited(t *testing.T, set directory.Settings) *limited {
	w := &limited{t: t, dir: directorytest.New(t), ports: portstest.New(t), ids: map[string]*directory.Identity{}}
	w.now = w.dir.Clock.Now().UTC().Truncate(24 * time.Hour).Add(12*time.Hour + 30*time.Minute)
	ctx := t.Context()
	_, err := w.dir.CreateTenant(ctx, root, "one")
	porttest.OK(t, err)
	_, err = w.dir.CreateDomain(ctx, root, "one", "one.test")
	porttest.OK(t, err)
	for _, name := range []string{"boss", "ann", "bob"} {
		a, err := w.dir.CreateAccount(ctx, root, directory.NewAccount{Address: name + "@one.test", Password: "correct horse battery"})
		porttest.OK(t, err)
		w.ids[name] = &directory.Identity{Account: a.Ref, Tenant: "one", Domain: "one.test", Address: a.Address}
	}
	_, err = w.dir.ChangeTenant(ctx, root, "one", "", func(v *directory.Tenant) error {
		v.Settings = set
		return nil
	})
	porttest.OK(t, err)
	w.Limiter = &handover.Limiter{Directory: w.dir.Directory, Records: w.ports.Records, Blobs: blob.Store{Driver: w.ports.Blobs}, Queue: w.ports.Queue, Host: "us.test",
		Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)}
	return w
}

// takes gives what came of a message: "", "hour", "day", or why it is held.
func (w *limited) takes(who string, recipients, elsewhere int) string {
	w.t.Helper()
	hold, err := w.Take(w.t.Context(), w.ids[who], recipients, elsewhere)
	if over, is := errors.AsType[*handover.Over](err); is {
		if over.Day {
			return "day"
		}
		return "hour"
	}
	porttest.OK(w.t, err)
	return hold
}

// told gives what was written to the boss, each once.
func (w *limited) told() (n int) {
	w.t.Helper()
	names := map[string]bool{}
	for {
		batch, err := w.ports.Queue.Receive(w.t.Context(), queue.Deliver, 10, 0, time.Hour)
		porttest.OK(w.t, err)
		if len(batch) == 0 {
			return len(names)
		}
		for _, m := range batch {
			j, err := delivery.Decode(m.Body)
			porttest.OK(w.t, err)
			if j.Recipients[0].Account != w.ids["boss"].Account {
				w.t.Errorf("told %+v", j.Recipients)
			}
			names[j.Transaction] = true
			porttest.OK(w.t, w.ports.Queue.Delete(w.t.Context(), queue.Deliver, m.Receipt))
		}
	}
}

func TestWhoSendsTooMuchIsRefused(t *testing.T) {
	w := newLimited(t, directory.Settings{Sending: &directory.Rate{MessagesHour: 2, RecipientsDay: 10}, TenantSending: &directory.Rate{RecipientsDay: 14}})
	expect := func(who string, recipients int, want string) {
		t.Helper()
		if got := w.takes(who, recipients, 0); got != want {
			t.Errorf("%s to %d: %q, want %q", who, recipients, got, want)
		}
	}
	expect("ann", 11, "day") // never
	expect("ann", 1, "")
	expect("ann", 1, "")
	expect("ann", 1, "hour")
	expect("ann", 1, "hour")
	expect("bob", 7, "")
	w.now = w.now.Add(time.Hour)
	expect("ann", 9, "day") // what was refused does not count, but 2 + 9 is too much
	expect("ann", 5, "")    // 14 of the tenant
	expect("bob", 1, "day")
	w.now = w.now.Add(24 * time.Hour)
	expect("bob", 1, "")
	if n := w.told(); n != 3 { // of the hour, the day and the tenant's day, each once
		t.Errorf("the postmaster was told %d times", n)
	}
}

func TestWhoseMailFailsIsStopped(t *testing.T) {
	w := newLimited(t, directory.Settings{Brake: &directory.Brake{Failures: 50, Of: 10}})
	for range 9 {
		if got := w.takes("ann", 1, 1); got != "" {
			t.Fatal(got)
		}
		porttest.OK(t, handover.CountFailed(t.Context(), w.ports.Records, "one", string(w.ids["ann"].Account.ID), w.now, 1))
	}
	const why = "9 of 10 recipients today did not get what was sent to them"
	if got := w.takes("ann", 1, 1); got != why {
		t.Errorf("%q", got)
	}
	if got := w.takes("bob", 1, 1); got != "" {
		t.Errorf("bob is held, too: %q", got)
	}
	if a, err := w.dir.Account(t.Context(), root, "ann@one.test"); err != nil || a.Stopped == nil || a.Stopped.Reason != why || w.told() != 1 {
		t.Errorf("%+v, %v", a.Stopped, err)
	}
	if got := w.takes("ann", 1, 1); got != why || w.told() != 0 {
		t.Errorf("again: %q", got)
	}
	_, _, err := w.dir.StopSending(t.Context(), root, "ann@one.test", nil)
	porttest.OK(t, err)
	if got := w.takes("ann", 1, 1); got != "" {
		t.Errorf("after it was let go: %q", got)
	}
}

func TestASuddenBurstIsStopped(t *testing.T) {
	w := newLimited(t, directory.Settings{Brake: &directory.Brake{Burst: 20, Factor: 3}})
	if got := w.takes("ann", 10, 10); got != "" {
		t.Fatal(got)
	}
	w.now = w.now.AddDate(0, 0, 5)
	for range 3 { // 30 is no more than three times ten
		if got := w.takes("ann", 10, 1); got != "" {
			t.Fatal(got)
		}
	}
	if got := w.takes("ann", 1, 1); !strings.HasPrefix(got, "31 recipients in this hour, after at most 10 ") {
		t.Errorf("%q", got)
	}
	if got := w.takes("bob", 20, 20); got != "" {
		t.Errorf("%q", got)
	}
}
