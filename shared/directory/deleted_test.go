package directory_test

import (
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestADeletedAccountComesBack(t *testing.T) {
	w := newWorld(t)
	const ann, bob = "ann@one.test", "bob@one.test"
	a := w.account(ann)
	_, app, err := w.AddAppPassword(w.ctx, root, ann, "phone", nil)
	porttest.OK(t, err)
	porttest.OK(t, w.DeleteAccount(w.ctx, root, ann, ""))
	_, err = w.Authenticate(w.ctx, ann, password, directory.IMAP)
	porttest.Kind(t, err, kinds.Unauthenticated)
	list, err := w.Deleted(w.ctx, one, "one.test", "", 10)
	porttest.OK(t, err)
	if len(list) != 1 || list[0].Address != ann || list[0].Ref != a.Ref || list[0].Until-list[0].Deleted != account.DefaultWindow.Milliseconds() {
		t.Errorf("%+v", list)
	}
	for _, s := range []directory.Scope{{Tenant: "two"}, {Tenant: "one", Domain: "also.test"}} {
		_, err := w.UndeleteAccount(w.ctx, s, ann, directory.Undelete{})
		porttest.Kind(t, err, kinds.NotFound)
		_, err = w.Deleted(w.ctx, s, "one.test", "", 10)
		porttest.Kind(t, err, kinds.NotFound)
	}

	back, err := w.UndeleteAccount(w.ctx, one, ann, directory.Undelete{})
	porttest.OK(t, err)
	if back.Ref != a.Ref {
		t.Errorf("it is another account: %+v", back.Ref)
	}
	for _, p := range []string{password, app} {
		_, err = w.Authenticate(w.ctx, ann, p, directory.IMAP)
		porttest.OK(t, err)
	}
	w.reaches(ann, ann)
	w.reaches("postmaster@one.test", ann)
	head, err := w.Store.Head(w.ctx, a.Ref)
	porttest.OK(t, err)
	if st := head.Standing; st.Closed != "" || st.Generation == 0 {
		t.Errorf("%+v", st)
	}

	// Its address is somebody else's meanwhile: it comes back at another one.
	porttest.OK(t, w.DeleteAccount(w.ctx, root, ann, ""))
	w.account(ann)
	_, err = w.UndeleteAccount(w.ctx, root, ann, directory.Undelete{})
	porttest.Kind(t, err, kinds.Exists)
	_, err = w.UndeleteAccount(w.ctx, root, ann, directory.Undelete{As: "ann@two.test"})
	porttest.Kind(t, err, kinds.NotFound)
	head, err = w.Store.Head(w.ctx, a.Ref)
	porttest.OK(t, err)
	if head.Standing.Closed != "deleted" {
		t.Error("it is open, and nowhere")
	}
	back, err = w.UndeleteAccount(w.ctx, root, ann, directory.Undelete{As: bob, ID: a.Ref.ID, Password: "another horse battery"})
	porttest.OK(t, err)
	if back.Ref != a.Ref || back.Address != bob || len(back.AppPasswords) != 0 {
		t.Errorf("%+v", back)
	}
	_, err = w.Authenticate(w.ctx, bob, "another horse battery", directory.IMAP)
	porttest.OK(t, err)
	_, err = w.Authenticate(w.ctx, bob, password, directory.IMAP)
	porttest.Kind(t, err, kinds.Unauthenticated)
	byRef, err := w.AccountByRef(w.ctx, a.Ref)
	porttest.OK(t, err)
	if byRef.Address != bob {
		t.Errorf("it is at %s", byRef.Address)
	}

	// Some day it is too late.
	porttest.OK(t, w.DeleteAccount(w.ctx, root, bob, ""))
	w.Clock.Advance(account.DefaultWindow + time.Second)
	_, err = w.UndeleteAccount(w.ctx, root, bob, directory.Undelete{})
	porttest.Kind(t, err, kinds.NotFound)
	list, err = w.Deleted(w.ctx, root, "one.test", "", 10)
	porttest.OK(t, err)
	if len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
