package directory_test

import (
	"testing"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

func TestTheQuotaOfASessionIsCachedForHalfAMinute(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	a, err := w.Account(w.ctx, root, "ann@one.test")
	porttest.OK(t, err)
	id := &directory.Identity{Account: a.Ref, Tenant: "one", Domain: "one.test", Address: a.Address}
	gateway, _ := w.Process(nil)
	want := func(quota int64, calls int) {
		t.Helper()
		before := w.Calls.Total("records")
		got, err := gateway.Quota(w.ctx, id)
		porttest.OK(t, err)
		if made := w.Calls.Total("records") - before; got != quota || made != calls {
			t.Errorf("the quota is %d, for %d calls; want %d, for %d", got, made, quota, calls)
		}
	}
	change := func(edit func(*directory.Account)) {
		t.Helper()
		_, err := w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(a *directory.Account) error { edit(a); return nil })
		porttest.OK(t, err)
	}
	limit := int64(1000)
	want(0, 2) // the first answer of a tenant
	want(0, 0)
	change(func(a *directory.Account) { a.Settings.Quota = &limit })
	want(0, 0)
	w.Clock.Advance(directory.CacheFor)
	want(1000, 2)
	// An account that gets no mail has a quota, too.
	change(func(a *directory.Account) { a.Suspended = true })
	w.Clock.Advance(directory.CacheFor)
	if got, err := gateway.Quota(w.ctx, id); err != nil || got != 1000 {
		t.Errorf("of a suspended account: %d, %v", got, err)
	}
}
