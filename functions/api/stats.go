package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits of one request for stats: one that would take longer, or more memory, tells what it
// has got to.
const (
	statsTime     = 20 * time.Second
	statsBlobs    = 2_000_000
	statsAccounts = 8 // looked into at a time
)

// Stats is what accounts hold, and what it takes to store it.
type Stats struct {
	Accounts   int   `json:"accounts"`
	Messages   int64 `json:"messages"`
	Bytes      int64 `json:"bytes" doc:"Sum of the sizes of all messages, as clients see them."`
	Blobs      int64 `json:"blobs" doc:"Objects in which the messages are stored."`
	Stored     int64 `json:"stored" doc:"Bytes of those objects. What delivery puts before a message is not in them."`
	Shared     int64 `json:"shared" doc:"Bytes saved because recipients and copies of a message share one object."`
	Compressed int64 `json:"compressed" doc:"Bytes saved by compression. It is below 0 where small messages have grown by what stands around them."`
	Complete   bool  `json:"complete" doc:"False when it took too long: what is told is of the accounts that were counted."`
}

// counting sums up accounts.
type counting struct {
	mu    sync.Mutex
	seen  map[uint64]struct{} // names' hashes
	total Stats
	since time.Time
	err   error
}

// add counts what an account holds, all of it or nothing.
func (c *counting) add(ctx context.Context, accounts *account.Store, ref account.Ref) error {
	type one struct{ size, stored int64 }
	blobs := map[uint64]one{}
	var s Stats
	err := accounts.Held(ctx, ref, c.since, func(h account.Held) error {
		if h.Messages == 0 {
			return ctx.Err()
		}
		n, b := int64(h.Messages), &h.Content.Blob
		stored, err := b.Stored()
		if err != nil {
			return err
		}
		s.Messages += n
		s.Bytes += n * h.Content.Size()
		s.Shared += n * b.Size
		blobs[xxhash.Sum64String(b.Name)] = one{b.Size, stored}
		if len(blobs) > statsBlobs {
			return kinds.Errorf(kinds.Limit, "api: stats of more than %d messages", statsBlobs)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, b := range blobs {
		if _, ok := c.seen[name]; ok {
			continue
		}
		c.seen[name] = struct{}{}
		s.Blobs++
		s.Stored += b.stored
		s.Shared -= b.size
		s.Compressed += b.size - b.stored
	}
	c.total.Accounts++
	c.total.Messages += s.Messages
	c.total.Bytes += s.Bytes
	c.total.Blobs += s.Blobs
	c.total.Stored += s.Stored
	c.total.Shared += s.Shared
	c.total.Compressed += s.Compressed
	if len(c.seen) > statsBlobs {
		return kinds.Errorf(kinds.Limit, "api: stats of more than %d messages", statsBlobs)
	}
	return nil
}

// each counts the accounts that come, several at a time.
func (c *counting) each(ctx context.Context, accounts *account.Store, refs <-chan account.Ref, stop func()) {
	var all sync.WaitGroup
	for range statsAccounts {
		all.Go(func() {
			for ref := range refs {
				err := c.add(ctx, accounts, ref)
				if err == nil || kinds.Is(err, kinds.NotFound) { // deleted meanwhile
					continue
				}
				c.mu.Lock()
				if c.err == nil {
					c.err = err
				}
				c.mu.Unlock()
				stop()
			}
		})
	}
	all.Wait()
}

// stats counts the accounts that list gives, as far as time and memory go.
func (s *server) stats(ctx context.Context, list func(ctx context.Context, to chan<- account.Ref) error) (Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, statsTime)
	defer cancel()
	select {
	case s.counting <- struct{}{}:
		defer func() { <-s.counting }()
	case <-ctx.Done():
		return Stats{}, kinds.Wrap(kinds.Throttled, ctx.Err(), "api: wait for other requests for stats")
	}
	c := &counting{seen: map[uint64]struct{}{}, since: s.now()}
	refs := make(chan account.Ref)
	var listed error
	var all sync.WaitGroup
	all.Go(func() {
		defer close(refs)
		listed = list(ctx, refs)
	})
	c.each(ctx, s.mail.Accounts, refs, cancel)
	all.Wait()
	late := ctx.Err() != nil || kinds.Is(c.err, kinds.Limit)
	c.total.Complete = !late
	if kinds.Is(c.err, kinds.Corrupt) || kinds.Is(c.err, kinds.TooNew) || !late && c.err != nil {
		return c.total, c.err
	}
	if !late && listed != nil {
		return c.total, listed
	}
	return c.total, nil
}

// within gives the accounts of a scope, of a domain if one is named.
func (s *server) within(who directory.Scope, domain string) func(context.Context, chan<- account.Ref) error {
	return func(ctx context.Context, to chan<- account.Ref) error {
		page := directory.Page{Domain: domain, Limit: directory.MaxPage}
		for {
			list, next, err := s.dir.Accounts(ctx, who, page)
			if err != nil {
				return err
			}
			for _, a := range list {
				select {
				case to <- a.Ref:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if page.After = next; next == "" {
				return nil
			}
		}
	}
}

func (s *server) showStats(api huma.API) {
	const what = ": sizes of messages, and what storing them takes"
	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/stats", "account-stats", "Show what an account stores"+what, http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*one[Stats], error) {
			a, err := s.dir.Account(ctx, scope(ctx), in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			r, err := s.stats(ctx, func(ctx context.Context, to chan<- account.Ref) error {
				select {
				case to <- a.Ref:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			return shown(ctx, s, "", r, err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/domains/{domain}/stats", "domain-stats", "Show what a domain's accounts store"+what, http.StatusOK),
		func(ctx context.Context, in *DomainPath) (*one[Stats], error) {
			d, err := s.dir.Domain(ctx, scope(ctx), in.Domain)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			if !d.Active {
				return shown(ctx, s, "", Stats{Complete: true}, nil)
			}
			r, err := s.stats(ctx, s.within(scope(ctx), d.Name))
			return shown(ctx, s, "", r, err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/tenants/{tenant}/stats", "tenant-stats", "Show what a tenant's accounts store"+what, http.StatusOK),
		func(ctx context.Context, in *TenantPath) (*one[Stats], error) {
			who := scope(ctx)
			t, err := s.dir.Tenant(ctx, who, in.Tenant)
			if err == nil {
				err = who.NeedTenant()
			}
			if err == nil {
				who, err = s.narrow(ctx, t.Name)
			}
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			r, err := s.stats(ctx, s.within(who, ""))
			return shown(ctx, s, "", r, err)
		})
}
