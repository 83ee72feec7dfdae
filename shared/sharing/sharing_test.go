package sharing_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/sharing"
)

// town is two tenants with an account each of some names.
type town struct {
	*directorytest.World
	*sharing.Sharing
	t *testing.T
}

func newTown(t *testing.T) *town {
	w := &town{World: directorytest.New(t), t: t}
	ctx, service := t.Context(), directory.ServiceScope("test")
	for _, name := range []string{"one", "two"} {
		_, err := w.CreateTenant(ctx, service, name)
		porttest.OK(t, err)
		_, err = w.CreateDomain(ctx, service, name, name+".test")
		porttest.OK(t, err)
		for _, local := range []string{"ann", "bob", "c/d"} {
			_, err := w.CreateAccount(ctx, service, directory.NewAccount{Address: local + "@" + name + ".test", Password: "long enough"})
			porttest.OK(t, err)
		}
		_, err = w.CreateGroup(ctx, service, "team@"+name+".test", []string{"bob@" + name + ".test"})
		porttest.OK(t, err)
	}
	w.Sharing = w.process(nil)
	return w
}

func (w *town) process(plan *faults.Plan) *sharing.Sharing {
	r := w.Records
	if plan != nil {
		r = faults.Records(r, plan)
	}
	return sharing.New(sharing.Config{Accounts: w.Store, Directory: w.Directory, Records: r, Now: w.Clock.Now})
}

func (w *town) who(address string) *directory.Identity {
	w.t.Helper()
	a, err := w.Account(w.t.Context(), directory.ServiceScope("test"), address)
	porttest.OK(w.t, err)
	return &directory.Identity{Account: a.Ref, Tenant: a.Ref.Tenant, Domain: a.Domain, Address: a.Address}
}

func (w *town) grant(s *sharing.Sharing, owner, with string, rights account.Rights) error {
	w.t.Helper()
	id := w.who(owner)
	a, err := w.Store.Open(w.t.Context(), id.Account)
	porttest.OK(w.t, err)
	defer a.Close()
	who, err := s.Identify(w.t.Context(), id.Tenant, id.Domain, with)
	porttest.OK(w.t, err)
	return s.Grant(w.t.Context(), account.By{}, a, account.Inbox, who, func(account.Rights) account.Rights { return rights })
}

// owners gives the names of those who share something with an account.
func (w *town) owners(s *sharing.Sharing, reader string) (names []string) {
	w.t.Helper()
	list, err := s.Owners(w.t.Context(), w.who(reader))
	porttest.OK(w.t, err)
	for _, o := range list {
		names = append(names, o.Name)
	}
	return names
}

func TestReadersFindWhoSharesWithThem(t *testing.T) {
	w := newTown(t)
	expect := func(reader string, want ...string) {
		t.Helper()
		if got := w.owners(w.Sharing, reader); !slices.Equal(got, want) {
			t.Errorf("%s is led to %q, want %q", reader, got, want)
		}
	}
	expect("bob@one.test")
	porttest.OK(t, w.grant(w.Sharing, "ann@one.test", "bob", account.MayLookup))
	expect("bob@one.test", "ann")
	expect("c/d@one.test")
	expect("bob@two.test")
	porttest.OK(t, w.grant(w.Sharing, "c/d@one.test", "team@one.test", account.MayLookup))
	expect("bob@one.test", "ann", "c=2Fd")
	expect("ann@one.test")
	porttest.OK(t, w.grant(w.Sharing, "c/d@one.test", account.Anyone, account.MayLookup))
	expect("ann@one.test", "c=2Fd")
	expect("ann@two.test")
	porttest.OK(t, w.grant(w.Sharing, "ann@one.test", "bob", 0))
	porttest.OK(t, w.grant(w.Sharing, "c/d@one.test", account.Anyone, 0))
	expect("bob@one.test", "c=2Fd")
	_, err := w.ChangeGroup(t.Context(), directory.ServiceScope("test"), "team@one.test", "", nil)
	porttest.OK(t, err)
	w.Clock.Advance(sharing.HintsFor + time.Second)
	expect("bob@one.test")
	if o, err := w.Owner(t.Context(), w.who("bob@one.test"), "c=2Fd", false); err != nil || o.Address != "c/d@one.test" {
		t.Errorf("the name leads to %q, %v", o.Address, err)
	}
}

// No tenant reaches anything of another: by no name, no reference and no identifier.
func TestTenantsAreApart(t *testing.T) {
	w := newTown(t)
	ctx, eve := t.Context(), w.who("bob@two.test")
	porttest.OK(t, w.grant(w.Sharing, "ann@one.test", account.Anyone, account.AllRights))
	for _, name := range []string{"ann@one.test", "nobody@one.test", "ann@nowhere.test", "", "=", "@", "ann@"} {
		if _, err := w.Owner(ctx, eve, name, false); err == nil || kinds.Is(err, kinds.Internal) {
			t.Errorf("%q is found: %v", name, err)
		}
		for _, sign := range []string{"", "-"} {
			if who, err := w.Identify(ctx, eve.Tenant, "", sign+name); !kinds.Is(err, kinds.NotFound) {
				t.Errorf("%q is %q: %v", name, who, err)
			}
		}
	}
	owner := sharing.Owner{Identity: *w.who("ann@one.test")}
	if _, err := w.Open(ctx, eve.Account, &owner); !kinds.Is(err, kinds.NotFound) {
		t.Errorf("another tenant's account opens: %v", err)
	}
	if got := w.owners(w.Sharing, "bob@two.test"); len(got) > 0 {
		t.Errorf("led to %q", got)
	}
	if in, err := w.InGroup(ctx, eve.Account, "team@one.test"); in || err != nil {
		t.Errorf("in another tenant's group: %v, %v", in, err)
	}
	// Who has an account of the same id in another tenant is called by the identifier alone.
	if name, err := w.Name(ctx, "two", account.User(owner.Account.ID)); err != nil || name != account.User(owner.Account.ID) {
		t.Errorf("it is called %q, %v", name, err)
	}
}

// Who dies, or is refused by the records, at any call leaves at most a hint too many: who was
// granted something is led to it, or the grant was not made.
func TestNoGrantIsWithoutAHint(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
			w := newTown(t)
			plan := faults.Nth(n, mode)
			_ = w.grant(w.process(plan), "ann@one.test", "bob", account.MayLookup)
			w.check(n, mode)
			plan = faults.Nth(n, mode)
			porttest.OK(t, w.grant(w.Sharing, "ann@one.test", "bob", account.MayLookup))
			_ = w.grant(w.process(plan), "ann@one.test", "bob", 0)
			w.check(n, mode)
		}
	}
}

func (w *town) check(n int, mode faults.Mode) {
	w.t.Helper()
	id := w.who("ann@one.test")
	a, err := w.Store.Open(context.Background(), id.Account)
	porttest.OK(w.t, err)
	defer a.Close()
	missing, err := w.Missing(context.Background(), id.Account, a.State(), false)
	if err != nil || len(missing) > 0 {
		w.t.Errorf("with fault %v at call %d: %q are missing, %v", mode, n, missing, err)
	}
}
