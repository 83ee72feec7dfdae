package directory_test

import (
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	ann := w.account("ann@one.test")
	w.alias("sales@one.test", "ann@one.test")
	w.group("team@one.test", "ann@one.test")
	app, secret, err := w.AddAppPassword(w.ctx, root, "ann@one.test", "phone", []string{directory.IMAP})
	porttest.OK(t, err)

	const ok = kinds.Kind(255)
	type attempt struct {
		name, user, password, protocol string
		want                           kinds.Kind
	}
	try := func(t *testing.T, attempts ...attempt) {
		t.Helper()
		for _, a := range attempts {
			before := w.Evaluations.Load()
			id, err := w.Authenticate(w.ctx, a.user, a.password, a.protocol)
			// Who doesn't know the password can't tell by the time why he is not let in.
			if n := w.Evaluations.Load() - before; n > 1 || a.want == kinds.Unauthenticated && n != 1 {
				t.Errorf("%s: %d evaluations", a.name, n)
			}
			switch {
			case a.want == ok && err != nil, a.want != ok && !kinds.Is(err, a.want):
				t.Errorf("%s: %v (%v), want %v", a.name, err, kinds.Of(err), a.want)
			case a.want == ok && (id.Account != ann.Ref || id.Address != "ann@one.test" || id.Tenant != "one" || id.Domain != "one.test"):
				t.Errorf("%s: %+v", a.name, id)
			}
		}
	}
	try(t,
		attempt{"the address", "Ann@One.test", password, directory.IMAP, ok},
		attempt{"an alias", "sales@one.test", password, directory.POP3, ok},
		attempt{"a group", "team@one.test", password, directory.IMAP, kinds.Unauthenticated},
		attempt{"a wrong password", "ann@one.test", "wrong horse battery", directory.IMAP, kinds.Unauthenticated},
		attempt{"no password", "ann@one.test", "", directory.IMAP, kinds.Unauthenticated},
		attempt{"nobody", "nobody@one.test", password, directory.IMAP, kinds.Unauthenticated},
		attempt{"a foreign domain", "ann@foreign.test", password, directory.IMAP, kinds.Unauthenticated},
		attempt{"no address", "ann", password, directory.IMAP, kinds.Unauthenticated},
		attempt{"an app password", "ann@one.test", secret, directory.IMAP, ok},
		attempt{"an app password of another protocol", "ann@one.test", secret, directory.Submission, kinds.Denied},
	)
	id, err := w.Authenticate(w.ctx, "ann@one.test", " "+secret[:9]+" "+secret[9:], directory.IMAP)
	porttest.OK(t, err)
	if id.AppPassword != app.ID {
		t.Errorf("app password %q, want %q", id.AppPassword, app.ID)
	}

	_, err = w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(a *directory.Account) error {
		a.Settings.Protocols = &[]string{directory.IMAP}
		return nil
	})
	porttest.OK(t, err)
	porttest.OK(t, w.RevokeAppPassword(w.ctx, root, "ann@one.test", app.ID))
	_, err = w.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error { v.Suspended = false; return nil })
	porttest.OK(t, err)
	try(t,
		attempt{"a protocol that is switched off", "ann@one.test", password, directory.POP3, kinds.Denied},
		attempt{"one that isn't", "ann@one.test", password, directory.IMAP, ok},
		attempt{"a revoked app password", "ann@one.test", secret, directory.IMAP, kinds.Unauthenticated},
	)
	_, err = w.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error { v.Suspended = true; return nil })
	porttest.OK(t, err)
	try(t,
		attempt{"suspended", "ann@one.test", password, directory.IMAP, kinds.Suspended},
		attempt{"suspended, wrong password", "ann@one.test", "wrong horse battery", directory.IMAP, kinds.Unauthenticated},
	)
}

func TestAPasswordChangeEndsSessions(t *testing.T) {
	w := newWorld(t)
	ann := w.account("ann@one.test")
	id, err := w.Authenticate(w.ctx, "ann@one.test", password, directory.IMAP)
	porttest.OK(t, err)
	generation := func() (uint32, bool) {
		a, err := w.Store.Open(w.ctx, ann.Ref)
		porttest.OK(t, err)
		defer a.Close()
		porttest.OK(t, a.Refresh(w.ctx))
		st := a.State().Standing()
		return st.Generation, st.Suspended
	}
	if g, _ := generation(); g > id.Generation {
		t.Fatalf("a new session (%d) is ended by generation %d", id.Generation, g)
	}
	_, err = w.SetPassword(w.ctx, root, "ann@one.test", "", "another horse battery")
	porttest.OK(t, err)
	if g, _ := generation(); g <= id.Generation {
		t.Errorf("generation %d doesn't end a session of %d", g, id.Generation)
	}
	_, err = w.Authenticate(w.ctx, "ann@one.test", password, directory.IMAP)
	porttest.Kind(t, err, kinds.Unauthenticated)
	id, err = w.Authenticate(w.ctx, "ann@one.test", "another horse battery", directory.IMAP)
	porttest.OK(t, err)
	if g, _ := generation(); g != id.Generation {
		t.Errorf("a new session is of generation %d, want %d", id.Generation, g)
	}

	// A suspension from above ends them as well; the account's own outlasts its end.
	suspend := func(on bool) {
		_, err = w.ChangeDomain(w.ctx, root, "one.test", "", func(d *directory.Domain) error { d.Suspended = on; return nil })
		porttest.OK(t, err)
	}
	suspend(true)
	if g, s := generation(); g <= id.Generation || !s {
		t.Errorf("generation %d, suspended %v", g, s)
	}
	_, err = w.ChangeAccount(w.ctx, root, "ann@one.test", "", func(a *directory.Account) error { a.Suspended = true; return nil })
	porttest.OK(t, err)
	suspend(false)
	if _, s := generation(); !s {
		t.Error("the end of the domain's suspension has ended the account's own")
	}
}

// A mail program that logs in again and again costs little, and a password that was
// changed is wrong at once.
func TestARightPasswordIsKnownForAWhile(t *testing.T) {
	w := newWorld(t)
	w.account("ann@one.test")
	try := func(password string, evaluations int64, want kinds.Kind) {
		t.Helper()
		before := w.Evaluations.Load()
		_, err := w.Authenticate(w.ctx, "ann@one.test", password, directory.IMAP)
		if n := w.Evaluations.Load() - before; n != evaluations || (err == nil) != (want == 0) || err != nil && !kinds.Is(err, want) {
			t.Errorf("%d evaluations, want %d; %v", n, evaluations, err)
		}
	}
	try("wrong horse battery", 1, kinds.Unauthenticated)
	try(password, 1, 0)
	try(password, 0, 0)
	try("wrong horse battery", 1, kinds.Unauthenticated)
	try("wrong horse battery", 1, kinds.Unauthenticated)
	w.Clock.Advance(11 * time.Minute)
	try(password, 1, 0)
	_, err := w.SetPassword(w.ctx, root, "ann@one.test", "", "another horse battery")
	porttest.OK(t, err)
	try(password, 1, kinds.Unauthenticated)
	try("another horse battery", 1, 0)
	try("another horse battery", 0, 0)
}
