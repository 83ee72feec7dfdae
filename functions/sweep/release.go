package sweep

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

const (
	// minAge is how old a blob is that may be removed: twice what SQS keeps a job, so that no
	// job in flight refers to it, also when what was left of it became a new job.
	minAge = 30 * 24 * time.Hour
	// margin is by how much more than the window the past is kept: a restore to a second at
	// its very start may be on its way, with what it knows up to 15 minutes old.
	margin = time.Hour
	// everyDays is in how many days a tenant has its turn: to learn what its accounts hold
	// takes some reads of each.
	everyDays = 7
)

// Holders tell what accounts hold; *account.Store.
type Holders interface {
	Head(ctx context.Context, ref account.Ref) (account.Head, error)
	Held(ctx context.Context, ref account.Ref, since time.Time, fn func(account.Held) error) error
}

// Homes are where accounts live, or can come back to; *directory.Directory.
type Homes interface {
	Directory
	Domains(ctx context.Context, s directory.Scope, after string, limit int) ([]directory.Domain, error)
	Deleted(ctx context.Context, s directory.Scope, domain, after string, limit int) ([]directory.Deleted, error)
}

// Release removes blobs to which nobody's way leads any more: no account of the tenant has had
// it since the start of the window, nor has any other of its owners, and no job that is parked
// or in flight is to bring it. Those that crashed writers have left are such from the beginning.
//
// It notes nothing: what may go is found anew each time in the journals, which are the truth. So
// it may die anywhere and run twice. Where anything of a tenant can't be read, all of the
// tenant's blobs stay.
type Release struct {
	Accounts  Holders
	Directory Homes
	Blobs     blob.Store
	Spool     *spool.Spool
	Queue     queue.Driver
	// Forever: the queue keeps jobs for as long as it takes. Then there is a release only
	// while it is empty.
	Forever bool
	// Together is how many accounts are asked at once; 0: one.
	Together int
	Window   time.Duration // 0: account.DefaultWindow
	Now      func() time.Time
	Log      *slog.Logger
}

// Released is what was removed.
type Released struct {
	Blobs     int
	BlobBytes int64
}

// round removes blobs of the tenants whose turn it is in a round, from where it has come. A
// tenant that fails keeps no other back; the error is one of the stores that all need, or of ctx.
func (r *Release) round(ctx context.Context, n *notes) (Released, error) {
	return r.each(ctx, n, func(tenant string) bool { return (n.at.Round+xxhash.Sum64String(tenant))%everyDays == 0 })
}

// All is for all tenants.
func (r *Release) All(ctx context.Context) (Released, error) {
	return r.each(ctx, &notes{}, func(string) bool { return true })
}

func (r *Release) each(ctx context.Context, n *notes, due func(tenant string) bool) (total Released, err error) {
	if r.Forever {
		if empty, err := r.empty(ctx); !empty || err != nil {
			return total, err
		}
	}
	// What comes into the queue from here on is new, or was noted as tried again.
	var jobs *inFlight
	after := ""
	if n.at.Tenant != "" {
		after = behind(n.at.Tenant)
	}
	for {
		// Tenants are named by their blobs: those of one that is no more go, too.
		found, err := r.Blobs.Driver.List(ctx, blob.Messages, after, 1)
		if err != nil || len(found) == 0 {
			return total, err
		}
		tenant, _, ok := strings.Cut(found[0].Name[len(blob.Messages):], "/")
		if !ok {
			after = found[0].Name
			continue
		}
		after = behind(tenant)
		if !due(tenant) {
			continue
		}
		at := n.at
		at.Tenant = tenant
		if err := n.begin(ctx, at); err != nil {
			return total, err
		}
		if jobs == nil {
			if jobs, err = r.jobs(ctx); err != nil {
				return total, err
			}
		}
		done, err := r.tenant(ctx, tenant, jobs, n)
		total.Blobs += done.Blobs
		total.BlobBytes += done.BlobBytes
		if ctx.Err() != nil {
			return total, interrupted(ctx)
		}
		n.left = nil
		if err != nil {
			r.Log.Error("blobs that nobody needs cannot be removed", "tenant", tenant, "error", err)
		}
	}
}

// behind is a name after those of all of a tenant's blobs, and before the next tenant's: it has
// the byte after the slash.
func behind(tenant string) string { return blob.Messages + tenant + "0" }

// empty tells whether there is no job in the queue.
func (r *Release) empty(ctx context.Context) (bool, error) {
	for _, name := range []string{queue.Deliver, queue.Dead(queue.Deliver)} { // from one to the other, never back
		d, err := r.Queue.Depth(ctx, name)
		if err != nil || d != (queue.Depth{}) {
			return false, err
		}
	}
	return true, nil
}

// inFlight are the blobs of jobs that are parked, or were tried again not long ago, and of
// mail on its way to other hosts, which may be held for long.
type inFlight struct {
	blobs   map[uint64]struct{}
	unknown map[string]error // by tenant: a job that can't be read
}

// noTenant is where jobs are parked of which nobody knows whose they are.
const noTenant = "-"

func (r *Release) jobs(ctx context.Context) (*inFlight, error) {
	f := &inFlight{blobs: map[uint64]struct{}{}, unknown: map[string]error{}}
	for after := ""; ; {
		list, err := r.Spool.ListOutgoing(ctx, "", after, spool.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, m := range list {
			f.blobs[key(m.Blob.Name)] = struct{}{}
			after = m.ID
		}
		if len(list) < spool.MaxPage {
			break
		}
	}
	return f, r.Spool.Each(ctx, func(j spool.Job) error {
		d, err := delivery.Decode(j.Body)
		if err != nil {
			f.unknown[j.Tenant] = kinds.Wrap(kinds.Of(err), err, "parked job "+j.ID)
			return nil
		}
		f.blobs[key(d.Blob.Name)] = struct{}{}
		return nil
	})
}

func key(name string) uint64 { return xxhash.Sum64String(name) }

// round is a release of one tenant's blobs.
type round struct {
	*Release
	tenant string
	since  time.Time
	mu     sync.Mutex          // of the rest
	held   map[uint64]struct{} // blobs' names' hashes: two that are alike keep both
	asked  map[string]bool     // accounts
	done   Released

	notes *notes // nil: there is no next turn
	parts int    // of what was learnt that are kept
	until int64
	news  learnt // not yet
}

func (r *Release) tenant(ctx context.Context, tenant string, jobs *inFlight, n *notes) (Released, error) {
	for _, of := range []string{tenant, noTenant} {
		if err := jobs.unknown[of]; err != nil {
			return Released{}, err
		}
	}
	window := r.Window
	if window == 0 {
		window = account.DefaultWindow
	}
	w := &round{Release: r, tenant: tenant, since: r.Now().Add(-window - margin), held: map[uint64]struct{}{}, asked: map[string]bool{}}
	err := w.all(ctx, jobs, n)
	return w.done, err
}

// all goes through the tenant's blobs.
func (w *round) all(ctx context.Context, jobs *inFlight, n *notes) error {
	prefix, now := blob.Messages+w.tenant+"/", w.Now()
	learnt := false
	for after := ""; ; {
		list, err := w.Blobs.Driver.List(ctx, prefix, after, blob.MaxPage)
		if err != nil {
			return err
		}
		for _, o := range list {
			after = o.Name
			made, ok := generation(o.Name[len(prefix):])
			if ok && now.Sub(made) < minAge {
				return nil // and so are all that follow
			}
			if _, flies := jobs.blobs[key(o.Name)]; flies || !ok || now.Sub(o.Modified) < minAge {
				continue
			}
			if !learnt { // not before there is one that is old enough
				if err := w.learn(ctx, n); err != nil {
					return err
				}
				learnt = true
			}
			gone, err := w.release(ctx, o.Name)
			if err != nil {
				return err
			}
			if gone {
				w.done.Blobs++
				w.done.BlobBytes += o.Size
			}
		}
		if len(list) < blob.MaxPage {
			return nil
		}
	}
}

// generation is when a blob was made, by what follows the tenant in its name: to the hour, at
// its end.
func generation(name string) (time.Time, bool) {
	hour, _, ok := strings.Cut(name, "/")
	t, err := time.Parse("2006010215", hour)
	return t.Add(time.Hour), ok && err == nil
}

// learn asks all accounts of the tenant what they hold, also those that were deleted, for as
// long as the directory can give them back. Those that an earlier turn of the round has asked are
// left out.
func (w *round) learn(ctx context.Context, n *notes) error {
	if err := w.recall(ctx, n); err != nil {
		return err
	}
	who := directory.Scope{Tenant: w.tenant, Actor: "sweep"}
	page := directory.Page{Limit: directory.MaxPage}
	for {
		list, next, err := w.Directory.Accounts(ctx, who, page)
		if kinds.Is(err, kinds.NotFound) {
			return nil // the tenant is no more; its blobs name their owners
		}
		if err != nil {
			return err
		}
		asking, ctx := errgroup.WithContext(ctx)
		asking.SetLimit(max(1, w.Together))
		for _, a := range list {
			asking.Go(func() error { return w.whole(ctx, a.Ref) })
		}
		if err := asking.Wait(); err != nil {
			return err
		}
		if page.After = next; next == "" {
			break
		}
	}
	for after := ""; ; {
		domains, err := w.Directory.Domains(ctx, who, after, directory.MaxPage)
		if err != nil {
			return err
		}
		for _, d := range domains {
			after = d.Name
			if !d.Active {
				continue
			}
			if err := w.deleted(ctx, who, d.Name); err != nil && !kinds.Is(err, kinds.NotFound) {
				return err
			}
		}
		if len(domains) < directory.MaxPage {
			return nil
		}
	}
}

func (w *round) deleted(ctx context.Context, who directory.Scope, domain string) error {
	for after := ""; ; {
		list, err := w.Directory.Deleted(ctx, who, domain, after, directory.MaxPage)
		if err != nil {
			return err
		}
		for _, a := range list {
			after = string(a.Ref.ID)
			if err := w.whole(ctx, a.Ref); err != nil {
				return err
			}
		}
		if len(list) < directory.MaxPage {
			return nil
		}
	}
}

// whole asks an account that is in the directory. If it is closed, it holds what it had then: its
// deletion may have been interrupted, and completed long after.
func (w *round) whole(ctx context.Context, ref account.Ref) error {
	w.mu.Lock()
	known := w.asked[string(ref.ID)]
	w.mu.Unlock()
	if known {
		return nil
	}
	h, err := w.Accounts.Head(ctx, ref)
	if err != nil {
		return err
	}
	since := w.since
	if h.Standing.Closed != "" {
		if open := time.UnixMilli(h.Time - 1); open.Before(since) {
			since = open
		}
	}
	return w.ask(ctx, ref, since)
}

// ask notes what an account holds, and that it was asked.
func (w *round) ask(ctx context.Context, ref account.Ref, since time.Time) error {
	err := w.Accounts.Held(ctx, ref, since, func(h account.Held) error {
		if h.Reachable() {
			w.holds(key(h.Content.Blob.Name))
		}
		return ctx.Err()
	})
	if err == nil {
		w.was(string(ref.ID))
	}
	return err
}

func (w *round) holds(blob uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.held[blob]; !known {
		w.held[blob] = struct{}{}
		if w.notes != nil {
			w.news.Held = append(w.news.Held, blob)
		}
	}
}

// was notes that an account was asked.
func (w *round) was(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[id] = true
	if w.notes != nil {
		w.news.Asked = append(w.news.Asked, id)
	}
}

// release removes the blob unless an account holds it.
func (w *round) release(ctx context.Context, name string) (gone bool, err error) {
	if _, ok := w.held[key(name)]; ok {
		return false, nil
	}
	h, err := w.Blobs.ReadHeader(ctx, name)
	switch {
	case kinds.Is(err, kinds.NotFound):
		return false, nil // another round was faster
	case kinds.Is(err, kinds.Corrupt), kinds.Is(err, kinds.TooNew):
		w.Log.Warn("a blob that nobody needs stays: its header can't be read", "blob", name, "error", err)
		return false, nil
	case err != nil:
		return false, err
	}
	if len(h.Owners) == 0 {
		return false, nil // nobody can be asked
	}
	for _, owner := range h.Owners {
		if err := w.owner(ctx, owner); err != nil {
			return false, err
		}
	}
	if _, ok := w.held[key(name)]; ok {
		return false, nil
	}
	return true, w.Blobs.Driver.Delete(ctx, name)
}

// owner asks an owner that is in no directory: an account that was deleted may come back within
// the window.
func (w *round) owner(ctx context.Context, id string) error {
	if w.asked[id] {
		return nil
	}
	// Its first epoch leads to the current one.
	err := w.ask(ctx, account.Ref{ID: account.ID(id), Epoch: 1, Tenant: w.tenant}, w.since)
	if err != nil && !kinds.Is(err, kinds.NotFound) && !kinds.Is(err, kinds.Invalid) {
		return err
	}
	if err != nil {
		w.was(id)
	}
	return nil
}
