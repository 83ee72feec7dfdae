package directory_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	w.account("bob@one.test")
	w.account("eve@two.test")
	w.alias("first@one.test", "ann@one.test")
	w.alias("second@also.test", "First@One.Test")
	w.group("all@one.test", "ann@one.test", "bob@one.test", "first@one.test", "gone@one.test")
	w.group("loop@one.test", "pool@one.test", "ann@one.test")
	w.group("pool@one.test", "loop@one.test", "bob@one.test")
	w.group("empty@one.test")

	t.Run("an account, whatever its case and tag", func(t *testing.T) {
		r := w.reaches("Ann@ONE.test", "ann@one.test")
		equal(t, "tenant and domain", []string{r.Tenant, r.Domain}, []string{"one", "one.test"})
		w.reaches("ann+news@one.test", "ann@one.test")
	})
	t.Run("an alias, also over domains", func(t *testing.T) {
		w.reaches("first@one.test", "ann@one.test")
		w.reaches("second@also.test", "ann@one.test")
	})
	t.Run("a group reaches each account once", func(t *testing.T) {
		w.reaches("all@one.test", "ann@one.test", "bob@one.test")
	})
	t.Run("a loop is harmless", func(t *testing.T) {
		w.reaches("loop@one.test", "ann@one.test", "bob@one.test")
	})
	for addr, want := range map[string]kinds.Kind{
		"nobody@one.test":  kinds.NotFound,
		"empty@one.test":   kinds.NotFound,
		"ann@foreign.test": kinds.Denied,
		"ann@[127.0.0.1]":  kinds.Denied,
	} {
		_, err := w.resolve(addr)
		if kinds.Of(err) != want {
			t.Errorf("%s: %v (%v), want %v", addr, err, kinds.Of(err), want)
		}
	}
	t.Run("nobody leads mail to another tenant", func(t *testing.T) {
		_, err := w.CreateAlias(w.ctx, root, "spy@one.test", "eve@two.test")
		porttest.Kind(t, err, kinds.Invalid)
		_, err = w.CreateGroup(w.ctx, root, "spies@one.test", []string{"ann@one.test", "eve@two.test"})
		porttest.Kind(t, err, kinds.Invalid)
	})
	t.Run("subaddresses can be switched off", func(t *testing.T) {
		_, err := w.ChangeDomain(w.ctx, root, "one.test", "", func(d *directory.Domain) error {
			off := false
			d.Settings.Subaddresses = &off
			return nil
		})
		porttest.OK(t, err)
		_, err = w.resolve("ann+news@one.test")
		porttest.Kind(t, err, kinds.NotFound)
	})
}

func TestPostmasterIsAlwaysThere(t *testing.T) {
	w := newWorld(t)
	_, err := w.Resolve(w.ctx, address.Address{Local: "Postmaster"})
	porttest.Kind(t, err, kinds.NotFound) // an empty service has nobody
	w.account("zoe@one.test")
	w.account("ann@one.test")
	w.reaches("Postmaster@one.test", "zoe@one.test")
	w.reaches("postmaster", "zoe@one.test")
	if r := w.reaches("postmaster@two.test", "zoe@one.test"); r.Tenant != "one" {
		t.Errorf("the tenant is %q, want the recipient's", r.Tenant)
	}
	_, err = w.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error { v.Postmaster = "ann@one.test"; return nil })
	porttest.OK(t, err)
	w.reaches("postmaster@also.test", "ann@one.test")
	w.alias("postmaster@one.test", "ann@one.test")
	w.reaches("postmaster@one.test", "ann@one.test")
	porttest.OK(t, w.DeleteAlias(w.ctx, root, "postmaster@one.test", ""))
	porttest.OK(t, w.DeleteAccount(w.ctx, root, "zoe@one.test", ""))
	w.reaches("postmaster@one.test", "ann@one.test")
}

func TestCatchAll(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	w.account("bob@one.test")
	_, err := w.ChangeDomain(w.ctx, root, "one.test", "", func(d *directory.Domain) error { d.CatchAll = "Ann@one.test"; return nil })
	porttest.OK(t, err)
	w.reaches("whoever@one.test", "ann@one.test")
	w.reaches("bob@one.test", "bob@one.test")
	w.account("whoever@one.test")
	w.reaches("whoever@one.test", "whoever@one.test")
}

func TestQuotaIsInherited(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	quota := func(n int64) directory.Settings { return directory.Settings{Quota: &n} }
	want := func(n int64) {
		t.Helper()
		if got := w.reaches("ann@one.test", "ann@one.test").Recipients[0].Limits.Account.Bytes; got != n {
			t.Fatalf("the quota is %d, want %d", got, n)
		}
	}
	want(0)
	_, err := w.ChangeService(w.ctx, root, "", func(v *directory.Service) error { v.Settings = quota(1); return nil })
	porttest.OK(t, err)
	want(1)
	_, err = w.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error { v.Settings = quota(2); return nil })
	porttest.OK(t, err)
	want(2)
	_, err = w.ChangeDomain(w.ctx, root, "one.test", "", func(v *directory.Domain) error { v.Settings = quota(3); return nil })
	porttest.OK(t, err)
	want(3)
	_, err = w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(v *directory.Account) error { v.Settings = quota(4); return nil })
	porttest.OK(t, err)
	want(4)
}

func TestResolveIsCachedForHalfAMinute(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	other, _ := w.Process(nil) // a gateway of its own
	ann := mustParse(t, "ann@one.test")
	gets := func(do func()) int {
		before := w.Calls.Total("records")
		do()
		return w.Calls.Total("records") - before
	}
	ask := func(a address.Address, want kinds.Kind) func() {
		return func() {
			t.Helper()
			if _, err := other.Resolve(w.ctx, a); err != nil && kinds.Of(err) != want || err == nil && want != 0 {
				t.Fatalf("%v: %v", a, err)
			}
		}
	}
	if n := gets(ask(ann, 0)); n != 2 {
		t.Errorf("the first answer of a tenant cost %d calls, want 2", n)
	}
	if n := gets(ask(ann, 0)); n != 0 {
		t.Errorf("a known address cost %d calls, want none", n)
	}
	if n := gets(ask(mustParse(t, "bob+tag@one.test"), kinds.NotFound)); n != 1 {
		t.Errorf("a new address cost %d calls, want 1", n)
	}
	w.account("bob@one.test")
	if n := gets(ask(mustParse(t, "bob+tag@one.test"), 0)); n != 1 {
		t.Errorf("an address just made cost %d calls, want 1: that it wasn't there must not be remembered", n)
	}

	_, err := w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(a *directory.Account) error { a.Suspended = true; return nil })
	porttest.OK(t, err)
	_, err = w.resolve("ann@one.test")
	porttest.Kind(t, err, kinds.Suspended) // who changed it knows at once
	ask(ann, 0)()
	w.Clock.Advance(directory.CacheFor)
	ask(ann, kinds.Suspended)()

	// An answer made with a half old domain is no fresher than that.
	_, err = w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(a *directory.Account) error { a.Suspended = false; return nil })
	porttest.OK(t, err)
	w.Clock.Advance(directory.CacheFor / 2)
	ask(ann, 0)()
	_, err = w.ChangeDomain(w.ctx, root, "one.test", "", func(d *directory.Domain) error { d.Suspended = true; return nil })
	porttest.OK(t, err)
	w.Clock.Advance(directory.CacheFor/2 + time.Second)
	ask(ann, kinds.Suspended)()
}

func TestGroupsHaveLimits(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	above := "ann@one.test"
	for i := range 8 {
		name := fmt.Sprintf("g%d@one.test", i)
		w.group(name, above)
		above = name
	}
	w.reaches("g7@one.test", "ann@one.test")
	w.group("deep@one.test", "g7@one.test")
	_, err := w.resolve("deep@one.test")
	porttest.Kind(t, err, kinds.NotFound)

	var crowd []string
	for i := range directory.MaxMembers {
		crowd = append(crowd, fmt.Sprintf("u%d@one.test", i))
	}
	w.group("c1@one.test", crowd...)
	for i := range crowd {
		crowd[i] = "v" + crowd[i]
	}
	w.group("c2@one.test", crowd...)
	w.group("crowd@one.test", "c1@one.test", "c2@one.test")
	_, err = w.resolve("crowd@one.test")
	porttest.Kind(t, err, kinds.Limit)
	_, err = w.CreateGroup(w.ctx, root, "more@one.test", append(crowd, "ann@one.test"))
	porttest.Kind(t, err, kinds.Limit)
}

func TestMaySendAs(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.account("ann@one.test"), w.account("bob@one.test")
	w.alias("sales@one.test", "ann@one.test")
	w.group("team@one.test", "ann@one.test")
	id := &directory.Identity{Account: ann.Ref, Tenant: "one", Domain: "one.test", Address: ann.Address}
	for addr, want := range map[string]bool{
		"ann@one.test": true, "ANN+x@one.test": true, "sales@one.test": true, "sales+x@one.test": true,
		bob.Address: false, "team@one.test": false, "postmaster@one.test": false, "nobody@one.test": false, "ann@foreign.test": false, "postmaster": false,
	} {
		got, err := w.MaySendAs(w.ctx, id, mustParse(t, addr))
		porttest.OK(t, err)
		if got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	if ok, err := w.MaySendAs(w.ctx, id, address.Address{}); ok || err != nil {
		t.Errorf("null sender: %v, %v", ok, err)
	}
}

// An account may send as what was given to it, which is only what is its tenant's.
func TestIdentitiesAreGiven(t *testing.T) {
	w := newWorld(t)
	ann, _ := w.account("ann@one.test"), w.account("boss@one.test")
	give := func(list ...string) error {
		_, err := w.Identities(w.ctx, root, ann.Address, "", func([]string) []string { return list })
		return err
	}
	porttest.Kind(t, give("x@two.test"), kinds.Invalid)
	porttest.Kind(t, give("*@foreign.test"), kinds.Invalid)
	porttest.Kind(t, give("no address"), kinds.Invalid)
	porttest.OK(t, give("Boss@one.test", "*@also.test", "boss@one.test"))
	if a, err := w.Account(w.ctx, root, ann.Address); err != nil || !slices.Equal(a.Identities, []string{"*@also.test", "boss@one.test"}) {
		t.Errorf("%v, %v", a.Identities, err)
	}
	id := &directory.Identity{Account: ann.Ref, Tenant: "one", Domain: "one.test", Address: ann.Address}
	may := func(want bool, addrs ...string) {
		t.Helper()
		for _, addr := range addrs {
			got, err := w.MaySendAs(w.ctx, id, mustParse(t, addr))
			porttest.OK(t, err)
			if got != want {
				t.Errorf("%s: %v, want %v", addr, got, want)
			}
		}
	}
	may(true, "boss@one.test", "boss+x@one.test", "anybody@also.test", "ann@one.test")
	may(false, "bob@one.test", "x@two.test")
	porttest.OK(t, w.DeleteDomain(w.ctx, root, "also.test", ""))
	may(false, "anybody@also.test")
	porttest.OK(t, give())
	may(false, "boss@one.test")
}

func TestSendingIsStoppedAndLetGo(t *testing.T) {
	w := newWorld(t)
	ann := w.account("ann@one.test")
	id := &directory.Identity{Account: ann.Ref, Tenant: "one", Domain: "one.test", Address: ann.Address}
	for _, step := range []struct {
		stop    *directory.Stop
		changed bool
		reason  string
	}{{&directory.Stop{Reason: "a"}, true, "a"}, {&directory.Stop{Reason: "b"}, false, "a"}, {nil, true, ""}, {nil, false, ""}} {
		_, changed, err := w.StopSending(w.ctx, root, ann.Address, step.stop)
		porttest.OK(t, err)
		s, err := w.Directory.Sender(w.ctx, id)
		porttest.OK(t, err)
		reason := ""
		if s.Stopped != nil {
			reason = s.Stopped.Reason
		}
		if changed != step.changed || reason != step.reason {
			t.Errorf("%+v: changed %v, stopped for %q", step, changed, reason)
		}
	}
}
