// Package sharing lets accounts of a tenant use each other's mailboxes, as far as the lists of
// grants in their owners' journals allow it. Those alone decide. So that nobody has to look into
// all accounts of the tenant for what is shared with them, there is a hint for each identifier
// and owner: a record that an owner's side writes before it grants anything, and removes when
// nothing is granted any more. A hint that is left over leads to an account in which nothing is
// to be seen; one that is missing is found, and written, by a check of the account.
//
// Whoever asks is an account that has logged in: each key begins with its tenant.
package sharing

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// HintsFor is the greatest age of the hints that Owners answers from.
const HintsFor = 30 * time.Second

// maxKept is of how many readers it is known in this process who shares something with them.
const maxKept = 10_000

// Config is what a Sharing needs.
type Config struct {
	Accounts  *account.Store
	Directory *directory.Directory
	Records   records.Driver
	Now       func() time.Time
}

// Sharing is safe for concurrent use.
type Sharing struct {
	cfg Config

	mu         sync.Mutex
	kept       map[account.Ref]kept // what Owners said
	generation uint64               // rises when this process changes a hint
}

type kept struct {
	owners []Owner
	read   time.Time
}

// New makes a Sharing.
func New(c Config) *Sharing { return &Sharing{cfg: c, kept: map[account.Ref]kept{}} }

// Owner is an account that shares mailboxes.
type Owner struct {
	directory.Identity
	Public bool   // it belongs to nobody
	Name   string // what it is called by who asks: the local part, with the domain where that is another
}

// Owners gives those who may share something with an account, by name. It may be HintsFor old.
func (s *Sharing) Owners(ctx context.Context, who *directory.Identity) ([]Owner, error) {
	s.mu.Lock()
	known, ok := s.kept[who.Account]
	begun := s.generation
	s.mu.Unlock()
	now := s.cfg.Now()
	if ok && now.Sub(known.read) < HintsFor {
		return known.owners, nil
	}
	ids, err := s.hints(ctx, who.Account)
	if err != nil {
		return nil, err
	}
	var owners []Owner
	for _, id := range ids {
		a, err := s.cfg.Directory.AccountByRef(ctx, account.Ref{ID: id, Tenant: who.Tenant})
		if kinds.Is(err, kinds.NotFound) {
			continue // the account is no more
		}
		if err != nil {
			return nil, err
		}
		owners = append(owners, ownerOf(who, a))
	}
	slices.SortFunc(owners, func(a, b Owner) int { return strings.Compare(a.Name, b.Name) })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation == begun {
		if len(s.kept) >= maxKept {
			clear(s.kept)
		}
		s.kept[who.Account] = kept{owners, now}
	}
	return owners, nil
}

// Owner finds an account of the tenant by the name that it has for who asks; kinds.NotFound for
// who asks themselves, too.
func (s *Sharing) Owner(ctx context.Context, who *directory.Identity, name string, public bool) (Owner, error) {
	addr, err := address(who, name)
	if err != nil {
		return Owner{}, err
	}
	a, err := s.cfg.Directory.Account(ctx, directory.Scope{Tenant: who.Tenant}, addr)
	if err == nil && (a.Public != public || a.Ref.ID == who.Account.ID) {
		err = kinds.Errorf(kinds.NotFound, "sharing: no such owner")
	}
	if err != nil {
		return Owner{}, err
	}
	o := ownerOf(who, a)
	if o.Name != name {
		return Owner{}, kinds.Errorf(kinds.NotFound, "sharing: an owner by another name")
	}
	return o, nil
}

func ownerOf(who *directory.Identity, a directory.Account) Owner {
	return Owner{Public: a.Public, Name: nameOf(who, a.Address),
		Identity: directory.Identity{Account: a.Ref, Tenant: a.Ref.Tenant, Domain: a.Domain, Address: a.Address}}
}

// Open opens an owner's account for a reader, who can do in it what they are granted.
func (s *Sharing) Open(ctx context.Context, who account.Ref, o *Owner) (*account.Account, error) {
	if o.Account.Tenant != who.Tenant {
		return nil, kinds.Errorf(kinds.NotFound, "sharing: an account of another tenant")
	}
	a, err := s.cfg.Accounts.Open(ctx, o.Account)
	if err != nil {
		return nil, err
	}
	if err := s.Enter(ctx, who, a); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Enter finds which identifiers of an account's grants mean a reader. Groups' members may have
// changed since it was last called; what it answers from is directory.CacheFor old at most.
func (s *Sharing) Enter(ctx context.Context, who account.Ref, a *account.Account) error {
	r := &account.Reader{ID: who.ID, Names: []string{account.Anyone, account.User(who.ID)}}
	for _, name := range a.State().Grantees() {
		group, ok := strings.CutPrefix(name, "group:")
		if !ok {
			continue
		}
		in, err := s.cfg.Directory.InGroup(ctx, who, group)
		if err != nil {
			return err
		}
		if in {
			r.Names = append(r.Names, name)
		}
	}
	a.SetReader(r)
	return nil
}
