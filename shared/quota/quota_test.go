package quota_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/quota"
)

var root = directory.ServiceScope("test")

// world has a tenant "one" with the domains one.test and more.test, and an account in each.
type world struct {
	*directorytest.World
	t        *testing.T
	ann, bob directory.Account
}

func newWorld(t *testing.T) *world {
	w := &world{World: directorytest.New(t), t: t}
	_, err := w.CreateTenant(t.Context(), root, "one")
	porttest.OK(t, err)
	for name, a := range map[string]*directory.Account{"one.test": &w.ann, "more.test": &w.bob} {
		_, err = w.CreateDomain(t.Context(), root, "one", name)
		porttest.OK(t, err)
		*a, err = w.CreateAccount(t.Context(), root, directory.NewAccount{Address: "x@" + name, Password: "a password"})
		porttest.OK(t, err)
	}
	return w
}

// gateway is a process that takes mail, and its own view of the sums.
type gateway struct {
	*quota.Keeper
	store *account.Store
	w     *world
}

func (w *world) gateway(plan *faults.Plan) *gateway {
	dir, _ := w.Process(plan)
	r := w.Records
	if plan != nil {
		r = faults.Records(r, plan)
	}
	k := quota.New(quota.Config{Directory: dir, Records: r, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	return &gateway{k, account.New(account.Config{Journal: w.Journal, Now: w.Clock.Now, Grown: k.Grown}), w}
}

// limit gives the domain one.test or the tenant a quota.
func (w *world) limit(domain, tenant account.Quota) {
	w.t.Helper()
	_, err := w.ChangeDomain(w.t.Context(), root, "one.test", "", func(d *directory.Domain) error {
		d.Settings = directory.Settings{DomainQuota: &domain.Bytes, DomainMessages: &domain.Messages}
		return nil
	})
	porttest.OK(w.t, err)
	_, err = w.ChangeTenant(w.t.Context(), root, "one", "", func(d *directory.Tenant) error {
		d.Settings = directory.Settings{TenantQuota: &tenant.Bytes, TenantMessages: &tenant.Messages}
		return nil
	})
	porttest.OK(w.t, err)
	w.Clock.Advance(directory.CacheFor)
}

func identity(a directory.Account) *directory.Identity {
	return &directory.Identity{Account: a.Ref, Tenant: a.Ref.Tenant, Domain: a.Domain, Address: a.Address}
}

// append puts a message into an account as IMAP does.
func (g *gateway) append(a directory.Account, size int64) error {
	ctx, t := g.w.t.Context(), g.w.t
	t.Helper()
	room, err := g.Room(ctx, identity(a), 1, size)
	if err != nil {
		return err
	}
	acct, err := g.store.Open(ctx, a.Ref)
	porttest.OK(t, err)
	defer acct.Close()
	sc := message.NewScanner()
	sum := sc.Finish()
	_, _, err = acct.Append(ctx, account.By{Domain: a.Domain}, "INBOX", []account.NewMessage{{
		Content: account.Content{Blob: blob.Ref{Name: "m/one/x", Size: size}, Summary: sum.Encode()}}}, room)
	return err
}

func (g *gateway) empty(a directory.Account) {
	ctx, t := g.w.t.Context(), g.w.t
	acct, err := g.store.Open(ctx, a.Ref)
	porttest.OK(t, err)
	defer acct.Close()
	_, err = acct.ExpungeMessages(ctx, account.By{Domain: a.Domain}, account.Inbox, []account.Range{{First: 1, Last: 1 << 30}}, false)
	porttest.OK(t, err)
}

func (g *gateway) sum(domain string, messages, bytes int64) {
	g.w.t.Helper()
	got, err := g.Use(g.w.t.Context(), "one", domain)
	porttest.OK(g.w.t, err)
	if got.Messages != messages || got.Bytes != bytes {
		g.w.t.Errorf("%q holds %d messages of %d bytes, want %d of %d", domain, got.Messages, got.Bytes, messages, bytes)
	}
}

func TestADomainAndATenantFillUpAndEmpty(t *testing.T) {
	w := newWorld(t)
	g := w.gateway(nil)
	porttest.OK(t, g.append(w.ann, 100)) // before there is any quota
	w.limit(account.Quota{Bytes: 1000}, account.Quota{Messages: 4})
	for _, domain := range []string{"one.test", ""} {
		_, err := g.Count(t.Context(), "one", domain)
		porttest.OK(t, err)
	}
	g.sum("one.test", 1, 100)
	porttest.Kind(t, g.append(w.ann, 901), kinds.Quota)
	porttest.OK(t, g.append(w.ann, 900))
	porttest.Kind(t, g.append(w.ann, 1), kinds.Quota) // known here before it is written
	g.Flush(t.Context())
	g.sum("one.test", 2, 1000)
	g.sum("", 2, 1000)
	// another domain of the tenant is held against the tenant's only
	porttest.OK(t, g.append(w.bob, 1<<20))
	porttest.OK(t, g.append(w.bob, 1))
	porttest.Kind(t, g.append(w.bob, 1), kinds.Quota)
	g.empty(w.ann)
	porttest.OK(t, g.append(w.ann, 500))
	g.Flush(t.Context())
	g.sum("one.test", 1, 500)
	g.sum("", 3, 500+1<<20+1)
}

// The overshoot is at most what all gateways take until they hear of each other.
func TestTheOvershootOfManyGatewaysIsBounded(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{Messages: 100}, account.Quota{})
	gateways := make([]*gateway, 4)
	for i := range gateways {
		gateways[i] = w.gateway(nil)
	}
	_, err := gateways[0].Count(t.Context(), "one", "one.test")
	porttest.OK(t, err)
	const perRound = 10 // of each gateway
	var mu sync.Mutex
	taken := int64(0)
	for round := range 10 {
		var all sync.WaitGroup
		for _, g := range gateways {
			all.Go(func() {
				for range perRound {
					l, err := w.DomainLimits(t.Context(), "one.test")
					if err == nil {
						err = g.Check(t.Context(), "one", l, 1, 0)
					}
					if err == nil {
						g.Grow("one", "one.test", 1, 10)
						mu.Lock()
						taken++
						mu.Unlock()
					} else if !kinds.Is(err, kinds.Quota) {
						t.Error(err)
					}
				}
				g.Flush(t.Context()) // at the same time as all others
			})
		}
		all.Wait()
		w.Clock.Advance(quota.ReadFor)
		if round == 1 && taken != 2*4*perRound {
			t.Errorf("%d were taken while there was room", taken)
		}
	}
	if taken < 100 || taken >= 100+4*perRound {
		t.Errorf("%d messages were taken", taken)
	}
	gateways[0].sum("one.test", taken, 10*taken)
}

// Whatever is lost or doubled on the way, the next count finds what is there; and what is
// taken while it counts stays.
func TestACountCorrectsASum(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{Messages: 1000}, account.Quota{})
	g, crashed := w.gateway(nil), w.gateway(nil)
	porttest.OK(t, crashed.append(w.ann, 100)) // of which nobody will hear
	g.Grow("one", "one.test", 50, 5000)        // mail that never came
	_, err := g.Count(t.Context(), "one", "one.test")
	porttest.OK(t, err)
	g.Flush(t.Context())
	g.sum("one.test", 51, 5100)
	_, err = g.Count(t.Context(), "one", "one.test")
	porttest.OK(t, err)
	g.sum("one.test", 1, 100)
}

// Of those who count at the same time, one corrects.
func TestManyCountOnce(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{Messages: 1000}, account.Quota{})
	g := w.gateway(nil)
	for range 5 {
		porttest.OK(t, g.append(w.ann, 100))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := w.gateway(nil).Count(t.Context(), "one", "one.test"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	g.sum("one.test", 5, 500)
}

// A count that meets a fault at any of its calls leaves the sum as it was or right, and
// the next one is not kept from its work.
func TestACountThatFailsDoesNoHarm(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{Messages: 1000}, account.Quota{})
	g := w.gateway(nil)
	porttest.OK(t, g.append(w.ann, 100))
	_, err := g.Count(t.Context(), "one", "one.test")
	porttest.OK(t, err)
	for _, mode := range faults.Modes() {
		for n := 1; ; n++ {
			g.Grow("one", "one.test", 3, 30) // mail that never came
			g.Flush(t.Context())
			before, err := g.Use(t.Context(), "one", "one.test")
			porttest.OK(t, err)
			plan := faults.Nth(n, mode)
			_, _ = w.gateway(plan).Count(t.Context(), "one", "one.test")
			plan.Settle()
			got, err := g.Use(t.Context(), "one", "one.test")
			porttest.OK(t, err)
			right := got.Messages == 1 && got.Bytes == 100
			if !right && (got.Messages != before.Messages || got.Bytes != before.Bytes) {
				t.Fatalf("%v at call %d: %+v", mode, n, got)
			}
			w.Clock.Advance(10 * time.Minute) // past the lease that a dead one leaves
			if _, err := g.Count(t.Context(), "one", "one.test"); err != nil {
				t.Fatal(err)
			}
			g.sum("one.test", 1, 100)
			if n > len(plan.Calls()) {
				break
			}
		}
	}
}

// Mail is taken when it can't be known what is held, and where nothing was counted yet.
func TestASumThatIsNotKnownRefusesNothing(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{Messages: 1}, account.Quota{})
	limits, err := w.DomainLimits(t.Context(), "one.test")
	porttest.OK(t, err)
	porttest.OK(t, w.gateway(nil).Check(t.Context(), "one", limits, 5, 0))
	away := faults.New(func(_ int, call string) faults.Mode { return faults.FailBefore })
	porttest.OK(t, w.gateway(away).Check(t.Context(), "one", limits, 5, 0))
}

// Run counts what was never counted, and writes what was taken before it ends.
func TestRunCountsAndFlushes(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{Messages: 2}, account.Quota{})
	g := w.gateway(nil)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); g.Run(ctx) }()
	porttest.OK(t, g.append(w.ann, 100)) // finds that nothing was counted
	for counted := false; !counted; {
		s, err := g.Use(t.Context(), "one", "one.test")
		porttest.OK(t, err)
		counted = s.Counted > 0
	}
	w.Clock.Advance(quota.ReadFor)
	g.Grow("one", "one.test", 1, 7)
	stop()
	<-ended
	if s, err := g.Use(t.Context(), "one", "one.test"); err != nil || s.Messages < 2 || s.Messages > 3 {
		t.Errorf("%+v, %v", s, err)
	}
}

// Who has no such quota pays nothing for it.
func TestWithoutAQuotaNothingIsCounted(t *testing.T) {
	w := newWorld(t)
	g := w.gateway(nil)
	porttest.OK(t, g.append(w.ann, 100))
	before := w.Calls.Total("records")
	porttest.OK(t, g.append(w.ann, 100))
	g.Flush(t.Context())
	if n := w.Calls.Total("records") - before; n != 0 {
		t.Errorf("%d calls", n)
	}
	// nor when it has none any more: then the sum goes
	w.limit(account.Quota{Messages: 10}, account.Quota{})
	_, err := g.Count(t.Context(), "one", "one.test")
	porttest.OK(t, err)
	porttest.OK(t, g.append(w.ann, 100))
	g.Flush(t.Context())
	g.sum("one.test", 3, 300)
	g.Grow("one", "one.test", 1, 1)
	w.limit(account.Quota{}, account.Quota{})
	g.Flush(t.Context())
	if s, err := g.Use(t.Context(), "one", "one.test"); err != nil || s.Counted != 0 || s.Messages != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestRefusalsSayNothingOfOthers(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{}, account.Quota{Bytes: 123456})
	g := w.gateway(nil)
	_, err := g.Count(t.Context(), "one", "")
	porttest.OK(t, err)
	if got, want := fmt.Sprint(g.append(w.ann, 1<<20)), "tenant one: "+quota.ErrShared.Error(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Mail for a domain that is given up meanwhile does not end the tenant's sum.
func TestADomainThatLeavesDoesNotEndTheTenantsSum(t *testing.T) {
	w := newWorld(t)
	w.limit(account.Quota{}, account.Quota{Messages: 10})
	g := w.gateway(nil)
	porttest.OK(t, g.append(w.ann, 100))
	_, err := g.Count(t.Context(), "one", "")
	porttest.OK(t, err)
	porttest.OK(t, w.DeleteAccount(t.Context(), root, w.bob.Address, ""))
	porttest.OK(t, w.DeleteDomain(t.Context(), directory.Scope{Tenant: "one"}, "more.test", ""))
	w.Clock.Advance(directory.CacheFor)
	g.Flush(t.Context()) // ann's, which the count has seen as well
	g.Grow("one", "more.test", 5, 5)
	g.Flush(t.Context())
	g.sum("", 2, 200)
	_, err = g.Count(t.Context(), "one", "")
	porttest.OK(t, err)
	g.sum("", 1, 100)
}
