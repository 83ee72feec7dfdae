package directory_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

var (
	one = directory.Scope{Tenant: "one", Actor: "one.key"}
	two = directory.Scope{Tenant: "two", Actor: "two.key"}
)

func TestADomainIsInactiveUntilItsOwnerIsProven(t *testing.T) {
	w := newWorld(t)
	mine, err := w.CreateDomain(w.ctx, one, "one", "New.Test.")
	porttest.OK(t, err)
	if mine.Active || mine.Name != "new.test" {
		t.Fatalf("%+v", mine)
	}
	theirs, err := w.CreateDomain(w.ctx, two, "two", "new.test") // nobody is told of the other's claim
	porttest.OK(t, err)
	_, err = w.CreateDomain(w.ctx, two, "two", "new.test")
	porttest.Kind(t, err, kinds.Exists)

	_, err = w.resolve("ann@new.test")
	porttest.Kind(t, err, kinds.Denied)
	_, err = w.CreateAccount(w.ctx, one, directory.NewAccount{Address: "ann@new.test", Password: password})
	porttest.Kind(t, err, kinds.Conflict)
	_, err = w.VerifyDomain(w.ctx, one, "new.test")
	porttest.Kind(t, err, kinds.Conflict)
	w.TXT[directory.ProofName+"new.test"] = []string{"v=spf1 -all", directory.ProofPrefix + theirs.Proof}
	_, err = w.VerifyDomain(w.ctx, one, "new.test")
	porttest.Kind(t, err, kinds.Conflict)

	dom, err := w.VerifyDomain(w.ctx, two, "new.test")
	porttest.OK(t, err)
	if !dom.Active || dom.Tenant != "two" {
		t.Errorf("%+v", dom)
	}
	w.TXT[directory.ProofName+"new.test"] = []string{directory.ProofPrefix + mine.Proof}
	_, err = w.VerifyDomain(w.ctx, one, "new.test")
	porttest.Kind(t, err, kinds.Exists)
	_, err = w.resolve("ann@new.test")
	porttest.Kind(t, err, kinds.NotFound)

	var names []string
	list, err := w.Domains(w.ctx, one, "", 10)
	porttest.OK(t, err)
	for _, d := range list {
		names = append(names, fmt.Sprint(d.Name, d.Active))
	}
	equal(t, "tenant one's domains", names, []string{"also.testtrue", "new.testfalse", "one.testtrue"})
}

func TestADomainThatChangesHandsShowsNothingOfItsPast(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	porttest.Kind(t, w.DeleteDomain(w.ctx, one, "one.test", ""), kinds.Conflict)
	porttest.OK(t, w.DeleteAccount(w.ctx, one, "ann@one.test", ""))
	w.alias("left@one.test", "ann@also.test")
	_, err := w.CreateDomain(w.ctx, two, "two", "one.test")
	porttest.OK(t, err)
	// What is made in the moment in which its domain is given up stays behind.
	left, err := w.Records.List(w.ctx, "dir/addresses/one.test", "", "", 10)
	porttest.OK(t, err)
	porttest.OK(t, w.DeleteAlias(w.ctx, one, "left@one.test", ""))
	porttest.OK(t, w.DeleteDomain(w.ctx, one, "one.test", ""))
	_, err = w.Records.Put(w.ctx, left[0], 0)
	porttest.OK(t, err)

	dom, err := w.CreateDomain(w.ctx, root, "two", "one.test")
	porttest.OK(t, err)
	if !dom.Active || dom.Tenant != "two" {
		t.Fatalf("%+v", dom)
	}
	_, err = w.resolve("left@one.test")
	porttest.Kind(t, err, kinds.NotFound)
	aliases, _, err := w.Aliases(w.ctx, two, directory.Page{Limit: 10})
	porttest.OK(t, err)
	equal(t, "aliases", aliases, []directory.Alias{})
	_, err = w.CreateAlias(w.ctx, two, "left@one.test", "eve@two.test")
	porttest.OK(t, err)
}

func TestWhatIsOutsideTheScopeIsNotThere(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	_, err := w.Account(w.ctx, two, "ann@one.test")
	porttest.Kind(t, err, kinds.NotFound)
	_, err = w.CreateAccount(w.ctx, two, directory.NewAccount{Address: "ann@one.test", Password: password})
	porttest.Kind(t, err, kinds.NotFound)
	_, err = w.CreateDomain(w.ctx, two, "one", "more.test")
	porttest.Kind(t, err, kinds.NotFound)
	narrow := directory.Scope{Tenant: "one", Domain: "also.test"}
	_, err = w.Account(w.ctx, narrow, "ann@one.test")
	porttest.Kind(t, err, kinds.NotFound)
	_, err = w.CreateAlias(w.ctx, narrow, "x@also.test", "ann@one.test")
	porttest.Kind(t, err, kinds.Invalid)
	_, err = w.CreateDomain(w.ctx, narrow, "one", "more.test")
	porttest.Kind(t, err, kinds.Denied)
	_, err = w.CreateTenant(w.ctx, one, "three")
	porttest.Kind(t, err, kinds.Denied)
	_, err = w.ChangeTenant(w.ctx, one, "one", "", func(v *directory.Tenant) error { v.Suspended = true; return nil })
	porttest.Kind(t, err, kinds.Denied)
}

func TestChangesCanBeConditional(t *testing.T) {
	w := newWorld(t)
	ann := w.account("ann@one.test")
	name := func(match, n string) (directory.Account, error) {
		return w.ChangeAccount(w.ctx, one, "ann@one.test", match, func(a *directory.Account) error { a.Name = n; return nil })
	}
	second, err := name(ann.Tag, "Ann")
	porttest.OK(t, err)
	if _, err = name(ann.Tag, "Anne"); !errors.Is(err, directory.ErrStale) {
		t.Errorf("a stale change: %v", err)
	}
	if err := w.DeleteAccount(w.ctx, one, "ann@one.test", ann.Tag); !errors.Is(err, directory.ErrStale) {
		t.Errorf("a stale deletion: %v", err)
	}
	porttest.OK(t, w.DeleteAccount(w.ctx, one, "ann@one.test", second.Tag))
	w.Clock.Advance(1e6)
	again := w.account("ann@one.test")
	if again.Tag == ann.Tag || again.Ref.ID == ann.Ref.ID {
		t.Errorf("the address's next account is %+v, as the first", again)
	}
	_, err = w.AccountByRef(w.ctx, ann.Ref)
	porttest.Kind(t, err, kinds.NotFound)
	byRef, err := w.AccountByRef(w.ctx, again.Ref)
	porttest.OK(t, err)
	equal(t, "account by id", byRef, again)
	if err := w.Store.Create(w.ctx, ann.Ref, by); err == nil {
		h, err := w.Store.Head(w.ctx, ann.Ref)
		porttest.OK(t, err)
		if h.Standing.Closed != "deleted" {
			t.Error("a deleted account's journal is open")
		}
	}
}

func TestListsGoThroughAllDomains(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 25 {
		name := fmt.Sprintf("d%02d.test", i)
		_, err := w.CreateDomain(w.ctx, root, "one", name)
		porttest.OK(t, err)
		if i%3 != 0 {
			continue
		}
		for _, local := range []string{"a", "b"} {
			w.group(local + "@" + name)
			w.alias("alias"+local+"@"+name, "a@"+name)
			want = append(want, local+"@"+name)
		}
	}
	w.group("x@two.test")
	for _, limit := range []int{1, 2, 3, 100} {
		for _, domain := range []string{"", "d03.test"} {
			var got []string
			p := directory.Page{Domain: domain, Limit: limit}
			for range 100 {
				groups, next, err := w.Groups(w.ctx, one, p)
				porttest.OK(t, err)
				if len(groups) > limit {
					t.Fatalf("%d on a page of %d", len(groups), limit)
				}
				for _, g := range groups {
					got = append(got, g.Address)
				}
				if p.After = next; next == "" {
					break
				}
			}
			if domain == "" {
				equal(t, fmt.Sprint("pages of ", limit), got, want)
			} else {
				equal(t, fmt.Sprint("pages of ", limit, " of one domain"), got, []string{"a@d03.test", "b@d03.test"})
			}
		}
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	for _, want := range []directory.Scope{{}, {Tenant: "one"}, {Tenant: "one", Domain: "also.test"}} {
		k, secret, err := w.CreateKey(w.ctx, root, want.Tenant, want.Domain, "some key")
		porttest.OK(t, err)
		got, err := w.Login(w.ctx, secret)
		porttest.OK(t, err)
		want.Actor = k.ID
		equal(t, "scope", got, want)
		last := secret[len(secret)-1]
		other := byte('a')
		if last == 'a' {
			other = 'b'
		}
		_, err = w.Login(w.ctx, secret[:len(secret)-1]+string(other))
		porttest.Kind(t, err, kinds.Unauthenticated)
		_, err = w.Key(w.ctx, two, k.ID)
		porttest.Kind(t, err, kinds.NotFound)
		porttest.OK(t, w.DeleteKey(w.ctx, root, k.ID, k.Tag))
		_, err = w.Login(w.ctx, secret)
		porttest.Kind(t, err, kinds.Unauthenticated)
	}
	_, _, err := w.CreateKey(w.ctx, one, "", "", "more than its maker")
	porttest.Kind(t, err, kinds.Denied)
	_, _, err = w.CreateKey(w.ctx, one, "two", "", "another's")
	porttest.Kind(t, err, kinds.NotFound)
	_, _, err = w.CreateKey(w.ctx, one, "one", "two.test", "another's")
	porttest.Kind(t, err, kinds.NotFound)
	_, secret, err := w.CreateKey(w.ctx, one, "one", "", "")
	porttest.OK(t, err)
	_, err = w.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error { v.Suspended = true; return nil })
	porttest.OK(t, err)
	_, err = w.Login(w.ctx, secret)
	porttest.Kind(t, err, kinds.Suspended)
}
