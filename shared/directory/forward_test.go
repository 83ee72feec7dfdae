package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/srs"
)

// forwarding is a world whose addresses may lead to other hosts.
func forwarding(t *testing.T) *world {
	w := newWorld(t)
	w.Forward = true
	w.Directory, w.Store = w.Process(nil)
	return w
}

// leads checks where mail for addr goes: accounts of ours, and addresses elsewhere.
func (w *world) leads(addr string, ours, elsewhere []string) {
	w.t.Helper()
	r := w.reaches(addr, ours...)
	remote := slices.Clone(r.Remote)
	slices.Sort(remote)
	equal(w.t, addr+" elsewhere", remote, elsewhere)
}

func TestAddressesLeadElsewhere(t *testing.T) {
	w := forwarding(t)
	w.account("ann@one.test")
	w.account("eve@two.test")
	w.alias("away@one.test", "Ann.B@FAR.test")
	w.group("both@one.test", "ann@one.test", "x@far.test", "away@one.test", "x@FAR.test")
	w.group("nested@also.test", "both@one.test", "away@one.test", "y@far.test")
	w.leads("away@one.test", nil, []string{"Ann.B@far.test"})
	w.leads("both@one.test", []string{"ann@one.test"}, []string{"Ann.B@far.test", "x@far.test"})
	w.leads("nested@also.test", []string{"ann@one.test"}, []string{"Ann.B@far.test", "x@far.test", "y@far.test"})
	g, err := w.Group(w.ctx, root, "both@one.test")
	porttest.OK(t, err)
	equal(t, "members as shown", g.Members, []string{"ann@one.test", "away@one.test", "x@far.test"})
	a, err := w.Alias(w.ctx, root, "away@one.test")
	porttest.OK(t, err)
	equal(t, "target as shown", a.Target, "Ann.B@far.test")

	t.Run("by the catch-all", func(t *testing.T) {
		_, err := w.ChangeDomain(w.ctx, root, "also.test", "", func(d *directory.Domain) error {
			d.CatchAll = "both@one.test"
			return nil
		})
		porttest.OK(t, err)
		w.leads("anybody@also.test", []string{"ann@one.test"}, []string{"Ann.B@far.test", "x@far.test"})
	})
	t.Run("one of another tenant is elsewhere as any other", func(t *testing.T) {
		w.alias("eve@one.test", "eve@two.test")
		w.leads("eve@one.test", nil, []string{"eve@two.test"})
	})
	t.Run("what becomes the tenant's is at home", func(t *testing.T) {
		w.alias("new@one.test", "Bob@new.test")
		w.leads("new@one.test", nil, []string{"Bob@new.test"})
		_, err := w.CreateDomain(w.ctx, root, "one", "new.test")
		porttest.OK(t, err)
		w.account("bob@new.test")
		w.leads("new@one.test", []string{"bob@new.test"}, nil)
	})
	t.Run("what was the tenant's is not forwarded when its domain has left", func(t *testing.T) {
		_, err := w.CreateDomain(w.ctx, root, "one", "old.test")
		porttest.OK(t, err)
		w.group("old@one.test", "bob@old.test", "ann@one.test")
		porttest.OK(t, w.DeleteDomain(w.ctx, root, "old.test", ""))
		w.leads("old@one.test", []string{"ann@one.test"}, nil)
	})
	t.Run("nobody sends or logs in as what leads elsewhere", func(t *testing.T) {
		id := &directory.Identity{Account: w.reaches("ann@one.test", "ann@one.test").Recipients[0].Account, Address: "ann@one.test"}
		for _, addr := range []string{"away@one.test", "both@one.test"} {
			may, err := w.MaySendAs(w.ctx, id, mustParse(t, addr))
			porttest.OK(t, err)
			if may {
				t.Errorf("ann may send as %s", addr)
			}
			_, err = w.Authenticate(w.ctx, addr, password, directory.IMAP)
			porttest.Kind(t, err, kinds.Unauthenticated)
			if _, err = w.Principal(w.ctx, "one", addr); addr == "away@one.test" {
				porttest.Kind(t, err, kinds.NotFound)
			}
		}
	})
	t.Run("mistakes are refused", func(t *testing.T) {
		for _, bad := range []string{"x@far", "x@[192.0.2.1]", "x", "", "x y@far.test"} {
			if _, err := w.CreateAlias(w.ctx, root, "bad@one.test", bad); kinds.Of(err) != kinds.Invalid {
				t.Errorf("%q: %v", bad, err)
			}
		}
	})
	t.Run("where mail is not forwarded, what is there may stay", func(t *testing.T) {
		w.Forward = false
		w.Directory, w.Store = w.Process(nil)
		_, err := w.CreateAlias(w.ctx, root, "no@one.test", "x@far.test")
		porttest.Kind(t, err, kinds.Invalid)
		_, err = w.ChangeGroup(w.ctx, root, "both@one.test", "", []string{"x@far.test", "ann@one.test"})
		porttest.OK(t, err)
	})
}

func TestAGroupOfManyElsewhereIsReadAtOnce(t *testing.T) {
	w := forwarding(t)
	members := make([]string, directory.MaxMembers)
	for i := range members {
		members[i] = fmt.Sprintf("x@far%d.test", i)
	}
	w.group("many@one.test", members...)
	calls := w.Calls.Total("")
	r, err := w.resolve("many@one.test")
	porttest.OK(t, err)
	if n := w.Calls.Total("") - calls; len(r.Remote) != len(members) || n > 15 {
		t.Errorf("%d found by %d calls", len(r.Remote), n)
	}
}

func TestForwardedMailFindsBack(t *testing.T) {
	w := forwarding(t)
	w.account("ann@one.test")
	_, err := w.ChangeDomain(w.ctx, root, "one.test", "", func(d *directory.Domain) error {
		d.CatchAll = "ann@one.test"
		return nil
	})
	porttest.OK(t, err)
	for _, from := range []string{"", "eve@two.test", "nobody@also.test"} {
		if path, err := w.ReversePath(w.ctx, orNull(t, from), "one.test"); err != nil || path.String() != from {
			t.Errorf("%q goes on as %q, %v", from, path, err)
		}
	}
	path, err := w.ReversePath(w.ctx, mustParse(t, "Joe@far.test"), "one.test")
	porttest.OK(t, err)
	if !srs.Is(path.Local) || path.Domain != "one.test" {
		t.Fatal(path)
	}
	r, err := w.resolve(path.String())
	porttest.OK(t, err)
	equalWhere(t, r, directory.Resolution{Tenant: "one", Domain: "one.test", Remote: []string{"Joe@far.test"}, Return: true})
	_, err = w.resolve(strings.Replace(path.String(), "Joe", "Eve", 1))
	porttest.Kind(t, err, kinds.NotFound) // also where all else is caught

	t.Run("also by another process, and after the key was changed", func(t *testing.T) {
		for _, days := range []int{0, 20, 75, 91, 92, 112} {
			w.Clock.Advance(time.Duration(days) * 24 * time.Hour / 10)
			other, _ := w.Process(nil)
			first, err := w.ReversePath(w.ctx, mustParse(t, "joe@far.test"), "one.test")
			porttest.OK(t, err)
			w.Clock.Advance(20 * 24 * time.Hour)
			_, err = other.ReversePath(w.ctx, mustParse(t, "ann@far.test"), "one.test") // makes a key, if it is time
			porttest.OK(t, err)
			_, err = w.ReversePath(w.ctx, mustParse(t, "ann@far.test"), "one.test")
			porttest.OK(t, err)
			r, err := w.Resolve(w.ctx, first)
			porttest.OK(t, err)
			equal(t, "back", r.Remote, []string{"joe@far.test"})
		}
	})
	t.Run("until it is too old", func(t *testing.T) {
		path, err := w.ReversePath(w.ctx, mustParse(t, "joe@far.test"), "one.test")
		porttest.OK(t, err)
		w.Clock.Advance(23 * 24 * time.Hour)
		_, err = w.Resolve(w.ctx, path)
		porttest.Kind(t, err, kinds.NotFound)
	})
}

// A key that one process has just made is used when all others have read it.
func TestANewKeyIsKnownBeforeItIsUsed(t *testing.T) {
	w := forwarding(t)
	joe := mustParse(t, "joe@far.test")
	_, err := w.ReversePath(w.ctx, joe, "one.test")
	porttest.OK(t, err)
	w.Clock.Advance(90 * 24 * time.Hour)
	other, _ := w.Process(nil)
	w.Clock.Advance(-4 * time.Minute)
	_, err = other.ReversePath(w.ctx, joe, "one.test") // knows the old key, for a while
	porttest.OK(t, err)
	w.Clock.Advance(4 * time.Minute)
	path, err := w.ReversePath(w.ctx, joe, "one.test") // makes a key
	porttest.OK(t, err)
	r, err := other.Resolve(w.ctx, path)
	porttest.OK(t, err)
	equal(t, "back", r.Remote, []string{"joe@far.test"})
}

func orNull(t *testing.T, s string) (a address.Address) {
	t.Helper()
	if s != "" {
		a = mustParse(t, s)
	}
	return a
}

func equalWhere(t *testing.T, got *directory.Resolution, want directory.Resolution) {
	t.Helper()
	equal(t, "tenant", got.Tenant, want.Tenant)
	equal(t, "domain", got.Domain, want.Domain)
	equal(t, "elsewhere", got.Remote, want.Remote)
	equal(t, "back to the sender", got.Return, want.Return)
}
