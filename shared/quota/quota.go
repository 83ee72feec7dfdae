// Package quota holds mail against what accounts, domains and tenants may hold.
//
// An account's totals are exact: they are in each entry of its journal. Those of a domain
// or tenant are sums over accounts. A sum is one record, which gateways bring up to date
// with what they took, about every second, and which is counted anew once a day. It is
// kept only where there is a quota. So a sum is late, and what is held may go over a
// quota by what all gateways take within ReadFor and FlushEvery, and by messages that
// were let in but have not come to their end; nothing that was taken is ever refused.
package quota

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

const (
	// FlushEvery is how long a gateway keeps to itself what it took.
	FlushEvery = time.Second
	// ReadFor is how long a sum is believed that this process has read.
	ReadFor = 5 * time.Second
	// CountEvery is the age at which a sum is counted anew.
	CountEvery = 24 * time.Hour
)

// ErrShared is in the chain of the error, of kind Quota, when a domain or tenant is full.
var ErrShared = errors.New("quota: a domain or tenant is full")

// Directory is what a Keeper asks; *directory.Directory answers.
type Directory interface {
	Limits(ctx context.Context, id *directory.Identity) (directory.Limits, error)
	DomainLimits(ctx context.Context, domain string) (directory.Limits, error)
	Accounts(ctx context.Context, s directory.Scope, p directory.Page) ([]directory.Account, string, error)
	Usage(ctx context.Context, a directory.Account) (account.Totals, error)
}

// Config is what a Keeper needs.
type Config struct {
	Directory Directory
	Records   records.Driver
	Blobs     blob.Store // for warnings
	Now       func() time.Time
	Log       *slog.Logger
}

// Keeper is safe for concurrent use.
type Keeper struct {
	cfg    Config
	warner Warner
	wake   chan struct{} // there is something for Run to do

	mu        sync.Mutex
	sums      map[level]*known
	unlimited map[level]time.Time // domains with no quota above an account's, and when that was known
}

// level is a tenant, or a domain of it.
type level struct{ tenant, domain string }

// known is what this process knows of a sum.
type known struct {
	sum     Sum
	version uint64
	read    time.Time // when sum was the record's; zero: never

	pending account.Quota // taken here and not yet in the record
	via     string        // a domain by which the level's limits are found
	stale   bool          // Run is to count it
}

// New makes a Keeper.
func New(c Config) *Keeper {
	return &Keeper{cfg: c, warner: Warner{Blobs: c.Blobs, Now: c.Now, Log: c.Log}, wake: make(chan struct{}, 1), sums: map[level]*known{}, unlimited: map[level]time.Time{}}
}

// Limits gives the quotas in force for who has logged in.
func (k *Keeper) Limits(ctx context.Context, id *directory.Identity) (directory.Limits, error) {
	return k.cfg.Directory.Limits(ctx, id)
}

// Room gives what messages are held against that who has logged in adds to his account.
// kinds.Quota with ErrShared when his domain or tenant has no room for so much more.
func (k *Keeper) Room(ctx context.Context, id *directory.Identity, messages, bytes int64) (account.Room, error) {
	l, err := k.cfg.Directory.Limits(ctx, id)
	if err != nil {
		return account.Room{}, err
	}
	if err := k.Check(ctx, id.Account.Tenant, l, messages, bytes); err != nil {
		return account.Room{}, err
	}
	room := account.Room{Quota: l.Account}
	if l.Warnings {
		room.Warn = k.warner.Of(id.Account, id.Address, l.Account)
	}
	return room, nil
}

// Check fails, with kinds.Quota and ErrShared, when the domain or tenant has no room for
// so much more. A sum that can't be read, or has not been counted, refuses nothing.
func (k *Keeper) Check(ctx context.Context, tenant string, l directory.Limits, messages, bytes int64) error {
	if k.free(tenant, l) {
		return nil
	}
	for at, limit := range levels(tenant, l) {
		held, counted, err := k.held(ctx, at, l.Domain)
		if err != nil {
			k.cfg.Log.Warn("cannot read what a domain or tenant holds", "tenant", at.tenant, "domain", at.domain, "error", err)
			continue
		}
		if counted && limit.Full(held, messages, bytes) {
			return kinds.Wrap(kinds.Quota, ErrShared, at.String())
		}
	}
	return nil
}

// maxUnlimited is how many domains without a quota are remembered: whose mail then costs
// no call at all.
const maxUnlimited = 10_000

// free tells whether no sum is held against the limits of an account, and remembers it.
func (k *Keeper) free(tenant string, l directory.Limits) bool {
	none := account.Quota{}
	k.mu.Lock()
	defer k.mu.Unlock()
	at := level{tenant, l.Domain}
	if l.OfDomain != none || l.OfTenant != none {
		delete(k.unlimited, at)
		return false
	}
	if len(k.unlimited) >= maxUnlimited {
		clear(k.unlimited)
	}
	k.unlimited[at] = k.cfg.Now()
	return true
}

// Grow counts what was taken for an account of the domain, or with negative numbers what
// was removed. It makes no call.
func (k *Keeper) Grow(tenant, domain string, messages, bytes int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.unlimited[level{tenant, domain}]; ok && k.cfg.Now().Sub(known) < directory.CacheFor {
		return
	}
	for _, at := range [...]level{{tenant, ""}, {tenant, domain}} {
		s := k.at(at, domain)
		s.pending.Messages += messages
		s.pending.Bytes += bytes
	}
	k.rouse()
}

// Grown is for account.Config.
func (k *Keeper) Grown(ref account.Ref, by account.By, messages, bytes int64) {
	k.Grow(ref.Tenant, by.Domain, messages, bytes)
}

// at gives what is known of a level. The lock is held.
func (k *Keeper) at(at level, via string) *known {
	s := k.sums[at]
	if s == nil {
		s = &known{}
		k.sums[at] = s
	}
	s.via = via
	return s
}

// rouse has Run look what there is to do.
func (k *Keeper) rouse() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// held gives what the level holds as far as this process knows, and whether it was ever
// counted.
func (k *Keeper) held(ctx context.Context, at level, via string) (account.Totals, bool, error) {
	k.mu.Lock()
	s := k.at(at, via)
	age := k.cfg.Now().Sub(s.read)
	k.mu.Unlock()
	if age >= ReadFor {
		sum, version, err := k.read(ctx, at)
		if err != nil {
			return account.Totals{}, false, err
		}
		k.learn(at, sum, version)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s = k.at(at, via)
	if k.cfg.Now().Sub(s.sum.CountedAt()) >= CountEvery {
		s.stale = true
		k.rouse()
	}
	return account.Totals{Messages: s.sum.Messages + s.pending.Messages, Bytes: s.sum.Bytes + s.pending.Bytes}, s.sum.Counted > 0, nil
}

// learn remembers a record as it was just read or written.
func (k *Keeper) learn(at level, sum Sum, version uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.sums[at]; s != nil && (version >= s.version || version == 0) {
		s.sum, s.version, s.read = sum, version, k.cfg.Now()
	}
}

func (at level) String() string {
	if at.domain == "" {
		return "tenant " + at.tenant
	}
	return "domain " + at.domain
}
