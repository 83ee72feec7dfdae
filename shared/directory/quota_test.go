package directory_test

import (
	"testing"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestTheLimitsOfASessionAreCachedForHalfAMinute(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	a, err := w.Account(w.ctx, root, "ann@one.test")
	porttest.OK(t, err)
	id := &directory.Identity{Account: a.Ref, Tenant: "one", Domain: "one.test", Address: a.Address}
	gateway, _ := w.Process(nil)
	want := func(quota int64, calls int) {
		t.Helper()
		before := w.Calls.Total("records")
		got, err := gateway.Limits(w.ctx, id)
		porttest.OK(t, err)
		if made := w.Calls.Total("records") - before; got.Account.Bytes != quota || got.Domain != "one.test" || made != calls {
			t.Errorf("the limits are %+v, for %d calls; want a quota of %d, for %d", got, made, quota, calls)
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
	if got, err := gateway.Limits(w.ctx, id); err != nil || got.Account.Bytes != 1000 {
		t.Errorf("of a suspended account: %+v, %v", got, err)
	}
}

func TestQuotasAreInherited(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	n := func(v int64) *int64 { return &v }
	off := false
	_, err := w.ChangeService(w.ctx, root, "", func(v *directory.Service) error {
		v.Settings = directory.Settings{Quota: n(1), Messages: n(2), DomainQuota: n(3), DomainMessages: n(4), TenantQuota: n(5), TenantMessages: n(6), Warnings: &off}
		return nil
	})
	porttest.OK(t, err)
	_, err = w.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error {
		v.Settings = directory.Settings{DomainQuota: n(33), TenantQuota: n(55)}
		return nil
	})
	porttest.OK(t, err)
	_, err = w.ChangeDomain(w.ctx, root, "one.test", "", func(v *directory.Domain) error {
		v.Settings = directory.Settings{DomainMessages: n(44), Messages: n(22)}
		return nil
	})
	porttest.OK(t, err)
	_, err = w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(v *directory.Account) error {
		v.Settings = directory.Settings{Quota: n(11)}
		return nil
	})
	porttest.OK(t, err)
	a, err := w.Account(w.ctx, root, "ann@one.test")
	porttest.OK(t, err)
	got, err := w.Limits(w.ctx, &directory.Identity{Account: a.Ref, Tenant: "one", Domain: "one.test", Address: a.Address})
	porttest.OK(t, err)
	want := directory.Limits{Domain: "one.test", Account: account.Quota{Bytes: 11, Messages: 22},
		OfDomain: account.Quota{Bytes: 33, Messages: 44}, OfTenant: account.Quota{Bytes: 55, Messages: 6}}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	before := w.Calls.Total("records")
	got, err = w.DomainLimits(w.ctx, "one.test")
	porttest.OK(t, err)
	if want.Account.Bytes = 1; got != want || w.Calls.Total("records") != before {
		t.Errorf("of the domain, from the cache: %+v, %d calls", got, w.Calls.Total("records")-before)
	}
}

// Who is limited does not say how far.
func TestTheOneWhoIsLimitedCantChangeTheLimit(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	n := int64(1 << 30)
	tenant := directory.Scope{Tenant: "one"}
	domain := directory.Scope{Tenant: "one", Domain: "one.test"}
	ofTenant := func(v *directory.Tenant) error { v.Settings.TenantQuota = &n; return nil }
	ofDomain := func(v *directory.Domain) error { v.Settings.DomainMessages = &n; return nil }
	_, err := w.ChangeTenant(w.ctx, tenant, "one", "", ofTenant)
	porttest.Kind(t, err, kinds.Denied)
	_, err = w.ChangeDomain(w.ctx, domain, "one.test", "", ofDomain)
	porttest.Kind(t, err, kinds.Denied)
	_, err = w.ChangeDomain(w.ctx, tenant, "one.test", "", ofDomain)
	porttest.OK(t, err)
	_, err = w.ChangeTenant(w.ctx, root, "one", "", ofTenant)
	porttest.OK(t, err)
	// Taking it away is a change as well; changing something else is not.
	_, err = w.ChangeTenant(w.ctx, tenant, "one", "", func(v *directory.Tenant) error { v.Settings = directory.Settings{}; return nil })
	porttest.Kind(t, err, kinds.Denied)
	_, err = w.ChangeTenant(w.ctx, tenant, "one", "", func(v *directory.Tenant) error { v.Settings.Quota = &n; return nil })
	porttest.OK(t, err)
	// What has no meaning at a level is refused there.
	_, err = w.ChangeDomain(w.ctx, root, "one.test", "", func(v *directory.Domain) error { v.Settings.TenantQuota = &n; return nil })
	porttest.Kind(t, err, kinds.Invalid)
	_, err = w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(v *directory.Account) error { v.Settings.DomainQuota = &n; return nil })
	porttest.Kind(t, err, kinds.Invalid)
}
