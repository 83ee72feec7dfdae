package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Sum is what all accounts of a domain or tenant hold, as its record says.
type Sum struct {
	Messages int64  `cbor:"1,keyasint"`
	Bytes    int64  `cbor:"2,keyasint"`
	Counted  int64  `cbor:"3,keyasint,omitempty"` // when, in milliseconds; 0: never, the numbers mean nothing
	Lease    int64  `cbor:"4,keyasint,omitempty"` // until when somebody counts, in milliseconds
	Op       string `cbor:"5,keyasint"`           // names the change: two that say the same must not look like one
}

// CountedAt is when the accounts were last asked.
func (s Sum) CountedAt() time.Time { return time.UnixMilli(s.Counted).UTC() }

const (
	keepFor   = 7 * 24 * time.Hour // a sum that nobody has changed for so long goes
	leaseTime = 10 * time.Minute   // for one count
	atOnce    = 8                  // accounts asked side by side
	retries   = 20
)

// levels gives the levels that have a quota.
func levels(tenant string, l directory.Limits) iter.Seq2[level, account.Quota] {
	return func(yield func(level, account.Quota) bool) {
		none := account.Quota{}
		if l.OfDomain != none && !yield(level{tenant, l.Domain}, l.OfDomain) {
			return
		}
		if l.OfTenant != none {
			yield(level{tenant, ""}, l.OfTenant)
		}
	}
}

func (at level) key() records.Key {
	id := "tenant"
	if at.domain != "" {
		id = "domain/" + at.domain
	}
	return records.Key{Space: "quota/" + at.tenant, ID: id}
}

// read gives the record's sum and version; 0 when it is not there.
func (k *Keeper) read(ctx context.Context, at level) (Sum, uint64, error) {
	found, err := k.cfg.Records.Get(ctx, at.key())
	if err != nil || len(found) == 0 {
		return Sum{}, 0, err
	}
	return decode(&found[0])
}

func decode(r *records.Record) (sum Sum, version uint64, err error) {
	if err := cbor.Unmarshal(r.Value, &sum); err != nil {
		return sum, 0, kinds.Errorf(kinds.Corrupt, "quota: a record of %s: %w", r.Space, err)
	}
	return sum, r.Version, nil
}

// change reads a sum, changes and writes it, again until nobody was faster. edit tells
// whether there is anything to write. What was known last is tried first.
func (k *Keeper) change(ctx context.Context, at level, edit func(*Sum) bool) (Sum, error) {
	var was Sum
	var version uint64
	k.mu.Lock()
	s := k.sums[at]
	fresh := s != nil && !s.read.IsZero()
	if fresh {
		was, version = s.sum, s.version
	}
	k.mu.Unlock()
	var err error
	if !fresh {
		if was, version, err = k.read(ctx, at); err != nil {
			return Sum{}, err
		}
	}
	for range retries {
		sum := was
		if !edit(&sum) {
			k.learn(at, was, version)
			return was, nil
		}
		sum.Op = rand.Text()
		value, err := cbor.Marshal(sum)
		if err != nil {
			return Sum{}, kinds.Wrap(kinds.Internal, err, "quota: encode a record")
		}
		written, err := k.cfg.Records.Put(ctx, records.Record{Key: at.key(), Value: value, Expires: k.cfg.Now().Add(keepFor)}, version)
		if err == nil {
			k.learn(at, sum, written)
			return sum, nil
		}
		var changed *records.Changed
		if !errors.As(err, &changed) {
			return Sum{}, err
		}
		was, version = Sum{}, 0
		if changed.Current != nil {
			if was, version, err = decode(changed.Current); err != nil {
				return Sum{}, err
			}
		}
	}
	return Sum{}, kinds.Errorf(kinds.Conflict, "quota: too many changes at once of %s", at)
}

// Use gives the last known sum of a domain, or of a tenant where domain is "". It was
// never counted where there is no quota.
func (k *Keeper) Use(ctx context.Context, tenant, domain string) (Sum, error) {
	sum, _, err := k.read(ctx, level{tenant, domain})
	return sum, err
}

// Count asks all accounts of a domain, or of a tenant where domain is "", what they hold,
// and corrects the sum by the difference; what is taken meanwhile may be counted twice,
// until the next count. While another process counts, its sum is left alone.
func (k *Keeper) Count(ctx context.Context, tenant, domain string) (Sum, error) {
	at, until := level{tenant, domain}, k.cfg.Now().Add(leaseTime).UnixMilli()
	ctx, cancel := context.WithTimeout(ctx, leaseTime)
	defer cancel()
	var base Sum
	taken := false
	sum, err := k.change(ctx, at, func(s *Sum) bool {
		if taken = s.Lease <= k.cfg.Now().UnixMilli(); taken {
			base, s.Lease = *s, until
		}
		return taken
	})
	if err != nil || !taken {
		return sum, err
	}
	total, err := k.total(ctx, tenant, domain)
	counted := k.cfg.Now().UnixMilli()
	if err != nil {
		// Somebody may try again at once.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), FlushEvery)
		defer cancel()
		_, _ = k.change(end, at, func(s *Sum) bool {
			mine := s.Lease == until
			s.Lease = 0
			return mine
		})
		return Sum{}, err
	}
	return k.change(ctx, at, func(s *Sum) bool {
		mine := s.Lease == until
		s.Messages = max(0, s.Messages+total.Messages-base.Messages)
		s.Bytes = max(0, s.Bytes+total.Bytes-base.Bytes)
		s.Counted, s.Lease = counted, 0
		return mine
	})
}

// total asks all accounts.
func (k *Keeper) total(ctx context.Context, tenant, domain string) (account.Totals, error) {
	var all account.Totals
	page := directory.Page{Domain: domain, Limit: directory.MaxPage}
	for {
		found, next, err := k.cfg.Directory.Accounts(ctx, directory.Scope{Tenant: tenant}, page)
		if err != nil {
			return all, err
		}
		totals := make([]account.Totals, len(found))
		g, each := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for i := range found {
			g.Go(func() (err error) {
				if totals[i], err = k.cfg.Directory.Usage(each, found[i]); kinds.Is(err, kinds.NotFound) {
					err = nil // it was deleted meanwhile
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return all, err
		}
		for _, t := range totals {
			all.Messages += t.Messages
			all.Bytes += t.Bytes
		}
		if next == "" {
			return all, nil
		}
		page.After = next
	}
}

// Add changes a sum at once, if there is one, by what was added or, with negative numbers,
// removed without a gateway.
func (k *Keeper) Add(ctx context.Context, tenant, domain string, messages, bytes int64) error {
	for _, at := range [...]level{{tenant, domain}, {tenant, ""}} {
		_, err := k.change(ctx, at, func(s *Sum) bool {
			s.Messages = max(0, s.Messages+messages)
			s.Bytes = max(0, s.Bytes+bytes)
			return s.Counted > 0
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Forget removes a sum that nobody needs any more.
func (k *Keeper) Forget(ctx context.Context, tenant, domain string) error {
	at := level{tenant, domain}
	k.mu.Lock()
	delete(k.sums, at)
	k.mu.Unlock()
	return k.cfg.Records.Delete(ctx, at.key(), 0)
}
