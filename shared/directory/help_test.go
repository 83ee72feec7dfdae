package directory_test

import (
	"context"
	"testing"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

const password = "correct horse battery"

// root is the whole service.
var root = directory.ServiceScope("test")

type world struct {
	*directorytest.World
	t   *testing.T
	ctx context.Context
}

// newWorld has tenants one and two with domains one.test, also.test and two.test.
func newWorld(t *testing.T) *world {
	w := &world{directorytest.New(t), t, t.Context()}
	for tenant, domains := range map[string][]string{"one": {"one.test", "also.test"}, "two": {"two.test"}} {
		_, err := w.CreateTenant(w.ctx, root, tenant)
		porttest.OK(t, err)
		for _, d := range domains {
			dom, err := w.CreateDomain(w.ctx, root, tenant, d)
			porttest.OK(t, err)
			if !dom.Active {
				t.Fatalf("%s, made by the service, is not active", d)
			}
		}
	}
	return w
}

func (w *world) account(addr string) directory.Account {
	w.t.Helper()
	a, err := w.CreateAccount(w.ctx, root, directory.NewAccount{Address: addr, Password: password})
	porttest.OK(w.t, err)
	return a
}

func (w *world) group(addr string, members ...string) {
	w.t.Helper()
	_, err := w.CreateGroup(w.ctx, root, addr, members)
	porttest.OK(w.t, err)
}

func (w *world) alias(addr, target string) {
	w.t.Helper()
	_, err := w.CreateAlias(w.ctx, root, addr, target)
	porttest.OK(w.t, err)
}

func (w *world) resolve(addr string) (*directory.Resolution, error) {
	w.t.Helper()
	a, err := address.Parse(addr)
	porttest.OK(w.t, err)
	return w.Resolve(w.ctx, a)
}

// reaches checks which accounts mail for addr reaches, in order.
func (w *world) reaches(addr string, want ...string) *directory.Resolution {
	w.t.Helper()
	r, err := w.resolve(addr)
	porttest.OK(w.t, err)
	var got []string
	for _, rcpt := range r.Recipients {
		got = append(got, rcpt.Address)
	}
	equal(w.t, addr, got, want)
	return r
}

func mustParse(t *testing.T, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	porttest.OK(t, err)
	return a
}
