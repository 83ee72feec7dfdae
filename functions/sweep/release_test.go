package sweep_test

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

func TestABlobGoesWhenItsLastOwnersPastHasPassedTheWindow(t *testing.T) {
	p := newPlace(t, "one")
	ann, bob := p.account("ann@one.test"), p.account("bob@one.test")
	both, kept := p.accept("one", ann, bob), p.accept("one", ann)
	p.deliver(both)
	p.deliver(kept)
	p.Clock.Advance(20 * day)
	p.expunge(ann, 1, 1)
	p.Clock.Advance(40 * day)
	if done := p.all(); done.Blobs != 0 {
		t.Errorf("while bob has it: %+v", done)
	}
	p.expunge(bob, 1, 1)
	p.Clock.Advance(30 * day)
	if done := p.all(); done.Blobs != 0 || !p.there(both) {
		t.Errorf("in the window: %+v", done)
	}
	p.Clock.Advance(2 * time.Hour)
	if done := p.all(); done.Blobs != 1 || done.BlobBytes == 0 || p.there(both) || !p.there(kept) {
		t.Errorf("after it: %+v", done)
	}
	if done := p.all(); done != (sweep.Released{}) {
		t.Errorf("again: %+v", done)
	}
}

// A deleted account may come back within the window.
func TestADeletedAccountsBlobsGoAfterTheWindow(t *testing.T) {
	p := newPlace(t, "one")
	ann := p.account("ann@one.test")
	j := p.accept("one", ann)
	p.deliver(j)
	p.Clock.Advance(50 * day)
	ok(t, p.dir.DeleteAccount(t.Context(), directory.ServiceScope("test"), "ann@one.test", ""))
	p.Clock.Advance(29 * day)
	if p.all(); !p.there(j) {
		t.Error("it is gone within the window")
	}
	ok(t, p.dir.DeleteDomain(t.Context(), directory.ServiceScope("test"), "one.test", ""))
	ok(t, p.dir.DeleteTenant(t.Context(), directory.ServiceScope("test"), "one", ""))
	if p.all(); !p.there(j) {
		t.Error("it is gone with its tenant, within the window")
	}
	p.Clock.Advance(2 * day)
	if done := p.all(); done.Blobs != 1 || p.there(j) {
		t.Errorf("after it: %+v", done)
	}
}

// A deletion that was interrupted gives the account back for as long after its completion.
func TestAnAccountThatTheDirectoryCanGiveBackKeepsItsBlobs(t *testing.T) {
	p := newPlace(t, "one")
	ann := p.account("ann@one.test")
	j := p.accept("one", ann)
	p.deliver(j)
	p.Clock.Advance(time.Hour)
	a, err := p.store.Open(t.Context(), ann)
	ok(t, err)
	defer a.Close()
	ok(t, a.CloseAccount(t.Context(), by, "deleted"))
	p.Clock.Advance(40 * day)
	if p.all(); !p.there(j) {
		t.Fatal("it is gone before the deletion was completed")
	}
	ok(t, p.dir.DeleteAccount(t.Context(), directory.ServiceScope("test"), "ann@one.test", ""))
	p.Clock.Advance(29 * day)
	if p.all(); !p.there(j) {
		t.Fatal("it is gone before it was too late")
	}
	_, err = p.dir.UndeleteAccount(t.Context(), directory.ServiceScope("test"), "ann@one.test", directory.Undelete{})
	ok(t, err)
	p.Clock.Advance(2 * day)
	if p.all(); !p.there(j) {
		t.Error("it is gone after the account came back")
	}
}

func TestWhatACrashedWriterLeftGoesAndWhatAJobBringsStays(t *testing.T) {
	p := newPlace(t, "one")
	ann := p.account("ann@one.test")
	orphan, parked := p.accept("one", ann), p.accept("one", ann)
	id := p.park(parked)
	p.Clock.Advance(29 * day)
	if done := p.all(); done.Blobs != 0 {
		t.Errorf("a job may be in flight: %+v", done)
	}
	p.Clock.Advance(2 * day)
	if done := p.all(); done.Blobs != 1 || p.there(orphan) || !p.there(parked) {
		t.Errorf("%+v", done)
	}
	// Tried again, it is in the queue, where nobody sees it.
	ok(t, p.spool.Retry(t.Context(), id))
	p.Clock.Advance(14 * day)
	if done := p.all(); done.Blobs != 0 {
		t.Errorf("tried again: %+v", done)
	}
	p.deliver(parked)
	p.Clock.Advance(60 * day)
	if done := p.all(); done.Blobs != 0 {
		t.Errorf("delivered: %+v", done)
	}
	// One that was dropped is an orphan.
	dropped := p.accept("one", ann)
	id = p.park(dropped)
	p.Clock.Advance(31 * day)
	p.all()
	ok(t, p.spool.Drop(t.Context(), id))
	if done := p.all(); done.Blobs != 1 || p.there(dropped) {
		t.Errorf("dropped: %+v", done)
	}
}

// Mail to other hosts may be held for longer than anything else waits.
func TestMailOnItsWayToOtherHostsKeepsItsBlob(t *testing.T) {
	p := newPlace(t, "one")
	j := p.accept("one", p.account("ann@one.test"))
	m := &spool.Mail{Tenant: "one", From: "ann@one.test", Blob: j.Blob, AcceptedMS: p.Clock.Now().UnixMilli(), To: []spool.Recipient{{Address: "x@far.test"}}}
	ok(t, p.spool.Send(t.Context(), "m", m))
	p.Clock.Advance(60 * day)
	if done := p.all(); done.Blobs != 0 || !p.there(j) {
		t.Errorf("on its way: %+v", done)
	}
	ok(t, p.spool.Change(t.Context(), m.ID, func(m *spool.Mail) error {
		m.To[0].State = spool.Sent
		return nil
	}))
	p.Clock.Advance(8 * day)
	if done := p.all(); done.Blobs != 1 || p.there(j) {
		t.Errorf("sent: %+v", done)
	}
}

func TestEachTenantHasItsTurnOnceAWeek(t *testing.T) {
	p := newPlace(t, "one", "two", "three")
	for _, tenant := range []string{"one", "two", "three"} {
		p.accept(tenant, p.account("ann@"+tenant+".test"))
	}
	p.Clock.Advance(40 * day)
	s := &sweep.Step{Accounts: p.store, Directory: p.dir, Release: p.release(), Now: p.Clock.Now, Log: slog.New(slog.DiscardHandler)}
	removed := 0
	for range 7 {
		r, err := s.Round(t.Context())
		ok(t, err)
		if r.Blobs == 3 {
			t.Error("all have theirs on one day")
		}
		removed += r.Blobs
		p.Clock.Advance(day)
	}
	if removed != 3 {
		t.Errorf("%d were removed in a week", removed)
	}
}

func TestAQueueThatKeepsItsJobsMustBeEmpty(t *testing.T) {
	p := newPlace(t, "one")
	j := p.accept("one", p.account("ann@one.test"))
	body, err := j.Encode()
	ok(t, err)
	ok(t, p.Queue.Send(t.Context(), queue.Deliver, queue.Message{Group: "one", Body: body}))
	p.Clock.Advance(300 * day)
	r := p.release()
	r.Forever = true
	for range 2 { // waiting, then handed out
		done, err := r.All(t.Context())
		if err != nil || !p.there(j) {
			t.Fatalf("%+v, %v", done, err)
		}
		got, err := p.Queue.Receive(t.Context(), queue.Deliver, 1, 0, time.Hour)
		ok(t, err)
		if len(got) == 1 {
			defer func() { ok(t, p.Queue.Delete(context.Background(), queue.Deliver, got[0].Receipt)) }()
		}
	}
}

func TestWhereAnythingCannotBeReadAllOfTheTenantsBlobsStay(t *testing.T) {
	for what, spoil := range map[string]func(p *place, ann account.Ref){
		"an account": func(p *place, ann account.Ref) {
			for i := range 40 {
				p.deliver(p.accept("one", ann))
				if i == 0 {
					p.Clock.Advance(time.Hour)
				}
			}
			_, err := p.store.Compact(t.Context(), ann, true)
			ok(t, err)
			for name := range p.objects.bytes {
				if strings.HasPrefix(name, "s/one/") {
					delete(p.objects.bytes, name)
				}
			}
		},
		"a parked job": func(p *place, _ account.Ref) {
			_, err := p.spool.Park(t.Context(), "x", spool.Job{Queue: queue.Deliver, Tenant: "one", Reason: "no job", Accepted: p.Clock.Now(), Body: []byte("no job")})
			ok(t, err)
		},
		"a deleted account": func(p *place, _ account.Ref) {
			eve := p.account("eve@one.test")
			for range 40 {
				p.deliver(p.accept("one", eve))
			}
			_, err := p.store.Compact(t.Context(), eve, true)
			ok(t, err)
			ok(t, p.dir.DeleteAccount(t.Context(), directory.ServiceScope("test"), "eve@one.test", ""))
			for name := range p.objects.bytes {
				if strings.HasPrefix(name, "s/one/"+string(eve.ID)) {
					delete(p.objects.bytes, name)
				}
			}
		},
	} {
		p := newPlace(t, "one", "two")
		ann, other := p.account("ann@one.test"), p.account("bob@two.test")
		spoil(p, ann)
		p.Clock.Advance(10 * day)
		p.accept("one", ann)
		orphan := p.accept("two", other)
		before := len(p.objects.messages())
		p.Clock.Advance(31 * day)
		p.store = account.New(account.Config{Journal: p.Journal, Blobs: blob.Store{Driver: p.Blobs}, Now: p.Clock.Now})
		done := p.all()
		if done.Blobs != 1 || p.there(orphan) || len(p.objects.messages()) != before-1 || !strings.Contains(p.log.String(), "tenant=one") {
			t.Errorf("%s: %+v, of %d blobs %d are left, logged %s", what, done, before, len(p.objects.messages()), p.log.String())
		}
	}
}

// Whatever call a release dies at, or is lied to by: what is held stays, and the next one does
// the rest.
func TestAReleaseMayDieAtEachOfItsCalls(t *testing.T) {
	for _, mode := range faults.Modes() {
		p := newPlace(t, "one")
		ann, bob := p.account("ann@one.test"), p.account("bob@one.test")
		for n := 1; ; n++ {
			gone, kept := p.accept("one", ann, bob), p.accept("one", bob)
			p.deliver(gone)
			p.deliver(kept)
			p.accept("one", ann)
			p.expunge(ann, uint32(n), uint32(n))
			p.expunge(bob, uint32(2*n-1), uint32(2*n-1))
			p.Clock.Advance(40 * day)
			plan := faults.Nth(n, mode)
			blobs := faults.Blob(p.Blobs, plan)
			store := account.New(account.Config{Journal: faults.Journal(p.Journal, plan), Blobs: blob.Store{Driver: blobs}, Now: p.Clock.Now})
			if _, err := p.releaseOn(store, blobs).All(t.Context()); err != nil && !kinds.Is(err, kinds.Unavailable) {
				t.Errorf("call %d, %v: %v", n, mode, err)
			}
			plan.Settle()
			if !p.there(kept) {
				t.Fatalf("call %d, %v: what is held is gone", n, mode)
			}
			if p.all(); len(p.objects.messages()) != n {
				t.Errorf("call %d, %v: %d blobs are left", n, mode, len(p.objects.messages()))
			}
			if n >= len(plan.Calls()) {
				break
			}
		}
	}
}

// state is what an account had from a time on.
type state struct {
	from  time.Time
	blobs map[string]blob.Ref
}

// history is a random one of several accounts of two tenants.
type history struct {
	*place
	rnd      *rand.Rand
	accounts map[string]account.Ref // by address
	past     map[account.ID][]state
	flying   []*delivery.Job // in the queue, by when they must be delivered
	until    []time.Time
	parked   map[string]*delivery.Job
}

func (h *history) note(ref account.Ref, change func(map[string]blob.Ref)) {
	had := map[string]blob.Ref{}
	if list := h.past[ref.ID]; len(list) > 0 {
		had = maps.Clone(list[len(list)-1].blobs)
	}
	change(had)
	h.past[ref.ID] = append(h.past[ref.ID], state{h.Clock.Now(), had})
}

// reachable is what states since a time have.
func (h *history) reachable(id account.ID, since time.Time) map[string]blob.Ref {
	all := map[string]blob.Ref{}
	for i, s := range h.past[id] {
		if i == len(h.past[id])-1 || h.past[id][i+1].from.After(since) {
			maps.Copy(all, s.blobs)
		}
	}
	return all
}

func (h *history) arrive(j *delivery.Job) {
	for _, to := range j.Recipients {
		if slices.ContainsFunc(slices.Collect(maps.Values(h.accounts)), func(r account.Ref) bool { return r == to.Account }) {
			h.add(to.Account, j.Blob)
			h.note(to.Account, func(had map[string]blob.Ref) { had[j.Blob.Name] = j.Blob })
		}
	}
}

func (h *history) step() {
	tenant := []string{"one", "two"}[h.rnd.IntN(2)]
	addresses := slices.DeleteFunc(slices.Sorted(maps.Keys(h.accounts)), func(a string) bool { return !strings.HasSuffix(a, tenant+".test") })
	if len(addresses) == 0 {
		return
	}
	address := addresses[h.rnd.IntN(len(addresses))]
	ref := h.accounts[address]
	switch h.rnd.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		var to []account.Ref
		for _, a := range addresses {
			if a == address || h.rnd.IntN(2) == 0 {
				to = append(to, h.accounts[a])
			}
		}
		j := h.accept(tenant, to...)
		if h.rnd.IntN(8) > 0 { // else the writer crashed
			h.flying, h.until = append(h.flying, j), append(h.until, h.Clock.Now().Add(14*day))
		}
	case 6, 7, 8:
		if len(h.flying) > 0 {
			i := h.rnd.IntN(len(h.flying))
			h.land(i)
		}
	case 9:
		if len(h.flying) > 0 {
			i := h.rnd.IntN(len(h.flying))
			h.parked[h.park(h.flying[i])] = h.flying[i]
			h.flying, h.until = slices.Delete(h.flying, i, i+1), slices.Delete(h.until, i, i+1)
		}
	case 10:
		for id, j := range h.parked {
			ok(h.t, h.spool.Retry(context.Background(), id))
			delete(h.parked, id)
			h.flying, h.until = append(h.flying, j), append(h.until, h.Clock.Now().Add(14*day))
			break
		}
	case 11, 12:
		a, err := h.store.Open(context.Background(), ref)
		ok(h.t, err)
		defer a.Close()
		n := a.State().MailboxByID(account.Inbox).UIDNext
		first := h.rnd.Uint32N(n) + 1
		h.expunge(ref, first, first+h.rnd.Uint32N(4))
		h.note(ref, func(had map[string]blob.Ref) { clear(had); maps.Copy(had, h.now(ref)) })
	case 13:
		a, err := h.store.Open(context.Background(), ref)
		ok(h.t, err)
		defer a.Close()
		_, err = a.CopyMessages(context.Background(), by, account.Inbox, []account.Range{{First: 1, Last: 5}}, "Archive", account.Room{})
		ok(h.t, err)
	case 14: // somebody goes back in time
		for name, b := range h.reachable(ref.ID, h.Clock.Now().Add(-account.DefaultWindow)) {
			if !h.objects.messages()[name] {
				h.t.Fatalf("%s of the window is gone", name)
			}
			h.add(ref, b)
			h.note(ref, func(had map[string]blob.Ref) { had[name] = b })
			break
		}
	case 15:
		_, err := h.store.Compact(context.Background(), ref, true)
		ok(h.t, err)
	case 16:
		_, err := h.store.Sweep(context.Background(), ref)
		ok(h.t, err)
	case 17:
		h.all()
	case 18:
		h.Clock.Advance(time.Duration(h.rnd.IntN(int(12 * day))))
	case 19:
		if len(addresses) > 1 && h.rnd.IntN(8) == 0 {
			ok(h.t, h.dir.DeleteAccount(context.Background(), directory.ServiceScope("test"), address, ""))
			delete(h.accounts, address)
			h.note(ref, func(map[string]blob.Ref) {}) // as it was, until the window has passed
			h.past[ref.ID] = append(h.past[ref.ID], state{h.Clock.Now().Add(time.Second), nil})
		}
	}
	for i := len(h.flying) - 1; i >= 0; i-- {
		if h.Clock.Now().After(h.until[i]) { // the queue keeps it no longer: it was delivered just before
			h.land(i)
		}
	}
}

func (h *history) land(i int) {
	h.arrive(h.flying[i])
	h.flying, h.until = slices.Delete(h.flying, i, i+1), slices.Delete(h.until, i, i+1)
}

// now reads what an account has.
func (h *history) now(ref account.Ref) map[string]blob.Ref {
	a, err := h.store.Open(context.Background(), ref)
	ok(h.t, err)
	defer a.Close()
	has := map[string]blob.Ref{}
	for _, m := range a.State().Mailboxes() {
		s, err := a.Load(context.Background(), m.ID)
		ok(h.t, err)
		for _, x := range s.MailboxByID(m.ID).Messages() {
			c, err := a.Contents(context.Background(), []account.ContentRef{x.Content})
			ok(h.t, err)
			has[c[0].Blob.Name] = c[0].Blob
		}
	}
	return has
}

// needed is all that must be there.
func (h *history) needed() map[string]bool {
	names := map[string]bool{}
	for id := range h.past {
		for name := range h.reachable(id, h.Clock.Now().Add(-account.DefaultWindow)) {
			names[name] = true
		}
	}
	for _, j := range h.flying {
		names[j.Blob.Name] = true
	}
	for _, j := range h.parked {
		names[j.Blob.Name] = true
	}
	return names
}

func TestOfRandomHistoriesAllThatCanBeReachedStaysAndNothingElse(t *testing.T) {
	for seed := range uint64(6) {
		h := &history{place: newPlace(t, "one", "two"), rnd: rand.New(rand.NewPCG(seed, 1)), accounts: map[string]account.Ref{},
			past: map[account.ID][]state{}, parked: map[string]*delivery.Job{}}
		for _, address := range []string{"a@one.test", "b@one.test", "c@one.test", "d@two.test", "e@two.test"} {
			h.accounts[address] = h.account(address)
		}
		for range 200 {
			h.step()
			there := h.objects.messages()
			for name := range h.needed() {
				if !there[name] {
					t.Fatalf("seed %d: %s is gone", seed, name)
				}
			}
		}
		for len(h.flying) > 0 {
			h.land(0)
		}
		h.Clock.Advance(account.DefaultWindow + 2*time.Hour)
		h.all()
		needed, there := h.needed(), h.objects.messages()
		for name := range there {
			if !needed[name] {
				t.Errorf("seed %d: %s is still there", seed, name)
			}
		}
		if len(there) < len(needed) {
			t.Errorf("seed %d: %d blobs of %d", seed, len(there), len(needed))
		}
		if h.log.Len() > 0 {
			t.Errorf("seed %d: %s", seed, h.log.String())
		}
	}
}
