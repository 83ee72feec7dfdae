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

// Each administrative step is run with a fault at every write that it makes, as if the
// process had died there, and then again by another process. Who dies at a read dies
// before the write that follows.
func TestADeadStepBlocksNobody(t *testing.T) {
	const ann = "ann@one.test"
	standing := func(t *testing.T, w *world, addr string) account.Standing {
		a, err := w.Account(w.ctx, root, addr)
		porttest.OK(t, err)
		_, store := w.Process(nil)
		h, err := store.Head(w.ctx, a.Ref)
		porttest.OK(t, err)
		return h.Standing
	}
	once := func(addr string) func(w *world, n int) {
		return func(w *world, n int) {
			if n == 1 {
				w.account(addr)
			}
		}
	}
	user := func(n int) string { return fmt.Sprintf("u%d@one.test", n) }
	steps := []struct {
		name   string
		before func(w *world, n int)
		run    func(w *world, d *directory.Directory, n int) error
		after  func(t *testing.T, w *world, n int)
	}{{
		"create an account", nil,
		func(w *world, d *directory.Directory, n int) error {
			_, err := d.CreateAccount(w.ctx, root, directory.NewAccount{Address: user(n), Password: password})
			return err
		},
		func(t *testing.T, w *world, n int) {
			r := w.reaches(user(n), user(n))
			standing(t, w, user(n))
			_, err := w.AccountByRef(w.ctx, r.Recipients[0].Account)
			porttest.OK(t, err)
			list, _, err := w.Accounts(w.ctx, one, directory.Page{Limit: 500})
			porttest.OK(t, err)
			if len(list) != n {
				t.Errorf("%d accounts, want %d", len(list), n)
			}
		},
	}, {
		"create a domain", nil,
		func(w *world, d *directory.Directory, n int) error {
			_, err := d.CreateDomain(w.ctx, root, "one", fmt.Sprintf("d%d.test", n))
			return err
		},
		func(_ *testing.T, w *world, n int) { w.group(fmt.Sprintf("g@d%d.test", n)) },
	}, {
		"set a password", once(ann),
		func(w *world, d *directory.Directory, _ int) error {
			_, err := d.SetPassword(w.ctx, root, ann, "", "another horse battery")
			return err
		},
		func(t *testing.T, w *world, n int) {
			if st := standing(t, w, ann); st.Generation < uint32(n) {
				t.Errorf("sessions go on: generation %d", st.Generation)
			}
		},
	}, {
		"suspend a tenant", once(ann),
		func(w *world, d *directory.Directory, n int) error {
			_, err := d.ChangeTenant(w.ctx, root, "one", "", func(v *directory.Tenant) error { v.Suspended = n%2 == 1; return nil })
			return err
		},
		func(t *testing.T, w *world, n int) {
			if st := standing(t, w, ann); st.Suspended != (n%2 == 1) || st.Generation < uint32(n) {
				t.Errorf("sessions go on: %+v", st)
			}
		},
	}, {
		"delete an account", func(w *world, n int) { w.account(user(n)) },
		func(w *world, d *directory.Directory, n int) error { return d.DeleteAccount(w.ctx, root, user(n), "") },
		func(_ *testing.T, w *world, n int) { w.group(user(n)) },
	}, {
		"undelete an account", func(w *world, n int) {
			w.account(user(n))
			porttest.OK(w.t, w.DeleteAccount(w.ctx, root, user(n), ""))
		},
		func(w *world, d *directory.Directory, n int) error {
			_, err := d.UndeleteAccount(w.ctx, root, user(n), directory.Undelete{})
			return err
		},
		func(t *testing.T, w *world, n int) {
			if st := standing(t, w, user(n)); st.Closed != "" || st.Generation == 0 {
				t.Errorf("it is not open: %+v", st)
			}
			w.reaches(user(n), user(n))
			_, err := w.UndeleteAccount(w.ctx, root, user(n), directory.Undelete{})
			porttest.Kind(t, err, kinds.NotFound)
		},
	}}
	for _, step := range steps {
		for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
			t.Run(step.name+", "+mode.String(), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				_, err := w.ChangeService(w.ctx, root, "", func(v *directory.Service) error {
					off := false
					v.Settings.Scram = &off
					return nil
				})
				porttest.OK(t, err)
				for n := 1; ; n++ {
					if step.before != nil {
						step.before(w, n)
					}
					writes := 0
					plan := faults.New(func(_ int, call string) faults.Mode {
						if call == "records.Get" || call == "records.List" || call == "journal.Last" || call == "journal.Read" {
							return faults.None
						}
						if writes++; writes == n {
							return mode
						}
						return faults.None
					})
					d, _ := w.Process(plan)
					first := step.run(w, d, n)
					d, _ = w.Process(nil)
					err := step.run(w, d, n)
					if err != nil && !kinds.Is(err, kinds.Exists) && !kinds.Is(err, kinds.NotFound) {
						t.Fatalf("write %d of %v, which gave %v, blocks the next: %v", n, plan.Calls(), first, err)
					}
					step.after(t, w, n)
					if t.Failed() {
						t.Fatalf("after write %d of %v", n, plan.Calls())
					}
					if writes < n {
						porttest.OK(t, first)
						break
					}
				}
			})
		}
	}
}
