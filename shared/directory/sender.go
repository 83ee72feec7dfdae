package directory

import (
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// MaxIdentities of one account.
const MaxIdentities = 100

// Rate is how much may be sent; 0 is any number. An hour and a day begin when the clock's do (UTC).
type Rate struct {
	MessagesHour   int64 `cbor:"1,keyasint,omitempty"`
	MessagesDay    int64 `cbor:"2,keyasint,omitempty"`
	RecipientsHour int64 `cbor:"3,keyasint,omitempty"`
	RecipientsDay  int64 `cbor:"4,keyasint,omitempty"`
}

// Brake says when an account's mail to other hosts is stopped until somebody has looked:
// its password may be known to others. Where none is set there is none: it costs a call for each
// message to other hosts.
type Brake struct {
	// Failures is the percentage of a day's recipients, of at least Of, that must fail; 0: none does it.
	Failures int64 `cbor:"1,keyasint"`
	Of       int64 `cbor:"2,keyasint"`
	// Burst is how many recipients of an hour are too many, if they are more than Factor times what
	// the account had on the busiest of the seven days before; 0: none are.
	Burst  int64 `cbor:"3,keyasint"`
	Factor int64 `cbor:"4,keyasint"`
}

// Stop is why an account's mail to other hosts is held, and since when.
type Stop struct {
	At     int64  `cbor:"1,keyasint"` // milliseconds
	Reason string `cbor:"2,keyasint"`
}

// Sender is what an account may send.
type Sender struct {
	Identities []string // addresses, and *@domain, beside its own
	FromCheck  bool
	SentCopy   bool
	Account    Rate // of the account
	Domain     Rate // of all accounts of its domain together
	Tenant     Rate // of all of its tenant
	Brake      Brake
	Stopped    *Stop  // nil: it may
	LetGo      int64  // when it was stopped last and let go, in milliseconds; 0: never
	Postmaster string // who answers for its domain; "" is nobody nearer than the service's
}

// Sender gives what who has logged in may send, at most CacheFor old.
func (d *Directory) Sender(ctx context.Context, id *Identity) (Sender, error) {
	if known, _, ok := d.senders.get(string(id.Account.ID)); ok {
		return known, nil
	}
	begun := d.senders.begin()
	entries, l, read, err := d.fetch(ctx, id.Domain, id.Address)
	if err != nil {
		return Sender{}, err
	}
	e, ok := entries[id.Address]
	if !ok || e.Account.ID != id.Account.ID {
		return Sender{}, errNoUser()
	}
	eff := Inherit(l.settings(e.Settings)...)
	s := Sender{Identities: e.Identities, FromCheck: eff.FromCheck, SentCopy: eff.SentCopy, Account: eff.Sending, Domain: eff.DomainSending, Tenant: eff.TenantSending,
		Brake: eff.Brake, Stopped: e.Stopped, LetGo: e.LetGo, Postmaster: l.domain.Postmaster}
	if s.Postmaster == "" {
		s.Postmaster = l.tenant.Postmaster
	}
	d.senders.put(begun, string(id.Account.ID), s, read)
	return s, nil
}

// MaySendAs tells whether id may use addr as reverse-path, and as author: the account's own
// address, with any +tag, aliases that lead to it alone, and identities that were given to it.
func (d *Directory) MaySendAs(ctx context.Context, id *Identity, addr address.Address) (bool, error) {
	base, _, _ := addr.Subaddress()
	if addr.Key() == id.Address || base.Key() == id.Address {
		return true, nil
	}
	if addr.Domain == "" {
		return false, nil
	}
	given, err := d.mayUse(ctx, id, addr.Key(), base.Key(), "*@"+addr.Domain)
	if given || err != nil {
		return given, err
	}
	r, err := d.Resolve(ctx, addr)
	if err != nil {
		switch kinds.Of(err) {
		case kinds.NotFound, kinds.Denied, kinds.Suspended, kinds.Invalid, kinds.Limit:
			return false, nil
		}
		return false, err
	}
	return r.sole && len(r.Recipients) == 1 && r.Recipients[0].Account.ID == id.Account.ID, nil
}

// mayUse tells whether one of the identities was given to id, and is its tenant's still.
func (d *Directory) mayUse(ctx context.Context, id *Identity, identities ...string) (bool, error) {
	s, err := d.Sender(ctx, id)
	if err != nil {
		if kinds.Of(err).Temporary() {
			return false, err
		}
		return false, nil
	}
	if !slices.ContainsFunc(identities, func(i string) bool { return slices.Contains(s.Identities, i) }) {
		return false, nil
	}
	_, l, _, err := d.fetch(ctx, domainOf(identities[0]))
	if kinds.Is(err, kinds.Denied) {
		return false, nil
	}
	return err == nil && l.domain.Tenant == id.Tenant, err
}

// Identities changes what an account may send as: addresses of its tenant's domains, and
// whole domains as *@domain. edit gets those that there are and gives what is to be.
func (d *Directory) Identities(ctx context.Context, s Scope, addr, match string, edit func([]string) []string) (Account, error) {
	key, e, version, err := d.changeEntry(ctx, s, addr, match, kindAccount, func(e *entry) error {
		list := edit(slices.Clone(e.Identities))
		if len(list) > MaxIdentities {
			return kinds.Errorf(kinds.Limit, "directory: an account has at most %d identities", MaxIdentities)
		}
		var err error
		for i, a := range list {
			if slices.Contains(e.Identities, a) {
				continue
			}
			if list[i], err = d.ownAddress(ctx, s, e.Tenant, a); err != nil {
				return err
			}
		}
		slices.Sort(list)
		e.Identities = slices.Compact(list)
		return nil
	})
	if err != nil {
		return Account{}, err
	}
	return accountFrom(key, e, version), nil
}

// StopSending holds an account's mail to other hosts, of which it was found why; nil lets it go.
// What was stopped stays stopped for the first reason. It tells whether it changed anything.
func (d *Directory) StopSending(ctx context.Context, s Scope, addr string, stop *Stop) (Account, bool, error) {
	changed := false
	key, e, version, err := d.changeEntry(ctx, s, addr, "", kindAccount, func(e *entry) error {
		changed = (e.Stopped == nil) != (stop == nil)
		if changed {
			if e.Stopped = stop; stop == nil {
				e.LetGo = d.stamp()
			}
		}
		return nil
	})
	if err != nil {
		return Account{}, false, err
	}
	return accountFrom(key, e, version), changed, nil
}
