package directory_test

import (
	"fmt"
	"testing"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

var by = account.By{Actor: "test", Protocol: "api"}

// Each administrative step is run with a fault at every call that it makes, as if the
// process had died there, and then again by another process.
func TestADeadStepBlocksNobody(t *testing.T) {
	generation := func(w *world, ref account.Ref) (account.Standing, error) {
		_, store := w.Process(nil)
		h, err := store.Head(w.ctx, ref)
		return h.Standing, err
	}
	steps := []struct {
		name   string
		before func(w *world)
		run    func(w *world, d *directory.Directory) error
		after  func(t *testing.T, w *world)
	}{{
		"create an account", nil,
		func(w *world, d *directory.Directory) error {
			_, err := d.CreateAccount(w.ctx, root, directory.NewAccount{Address: "ann@one.test", Password: password})
			return err
		},
		func(t *testing.T, w *world) {
			r := w.reaches("ann@one.test", "ann@one.test")
			_, err := generation(w, r.Recipients[0].Account)
			porttest.OK(t, err)
			_, err = w.AccountByRef(w.ctx, r.Recipients[0].Account)
			porttest.OK(t, err)
			list, _, err := w.Accounts(w.ctx, one, directory.Page{Limit: 10})
			porttest.OK(t, err)
			if len(list) != 1 {
				t.Errorf("%d accounts", len(list))
			}
		},
	}, {
		"create a domain", nil,
		func(w *world, d *directory.Directory) error {
			_, err := d.CreateDomain(w.ctx, root, "one", "new.test")
			return err
		},
		func(_ *testing.T, w *world) { w.group("g@new.test") },
	}, {
		"set a password", func(w *world) { w.account("ann@one.test") },
		func(w *world, d *directory.Directory) error {
			_, err := d.SetPassword(w.ctx, root, "ann@one.test", "", "another horse battery")
			return err
		},
		func(t *testing.T, w *world) {
			a, err := w.Account(w.ctx, root, "ann@one.test")
			porttest.OK(t, err)
			if st, err := generation(w, a.Ref); err != nil || st.Generation == 0 {
				t.Errorf("sessions go on: generation %d, %v", st.Generation, err)
			}
		},
	}, {
		"suspend a tenant", func(w *world) { w.account("ann@one.test") },
		func(w *world, d *directory.Directory) error {
			_, err := d.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error { v.Suspended = true; return nil })
			return err
		},
		func(t *testing.T, w *world) {
			a, err := w.Account(w.ctx, root, "ann@one.test")
			porttest.OK(t, err)
			if st, err := generation(w, a.Ref); err != nil || !st.Suspended {
				t.Errorf("sessions go on: %+v, %v", st, err)
			}
		},
	}, {
		"delete an account", func(w *world) { w.account("ann@one.test") },
		func(w *world, d *directory.Directory) error { return d.DeleteAccount(w.ctx, root, "ann@one.test", "") },
		func(_ *testing.T, w *world) { w.group("ann@one.test") },
	}}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
				for n := 1; ; n++ {
					w := newWorld(t)
					if step.before != nil {
						step.before(w)
					}
					plan := faults.Nth(n, mode)
					d, _ := w.Process(plan)
					first := step.run(w, d)
					d, _ = w.Process(nil)
					err := step.run(w, d)
					done := err == nil || kinds.Is(err, kinds.Exists) || kinds.Is(err, kinds.NotFound)
					if !done {
						t.Fatalf("call %d of %v (%v, which gave %v) blocks the next: %v", n, plan.Calls(), mode, first, err)
					}
					w.t = t
					step.after(t, w)
					if t.Failed() {
						t.Fatalf("after call %d of %v (%v)", n, plan.Calls(), mode)
					}
					if len(plan.Calls()) < n {
						if first != nil {
							t.Fatal(fmt.Errorf("without a fault: %w", first))
						}
						break
					}
				}
			}
		})
	}
}
