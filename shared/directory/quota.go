package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// Limits are what mail for an account is held against.
type Limits struct {
	Domain   string        // of the account
	Account  account.Quota // what it may hold itself
	OfDomain account.Quota // what all accounts of its domain may
	OfTenant account.Quota // what all accounts of its tenant may
	Warnings bool          // whether it is told that it is nearly full
}

func (l levels) limits(own Settings) Limits {
	e := Inherit(l.settings(own)...)
	return Limits{Domain: l.domain.Name, Account: e.Account, OfDomain: e.Domain, OfTenant: e.Tenant, Warnings: e.Warnings}
}

// Limits gives the quotas in force for who has logged in, at most CacheFor old. It is
// asked for by each command that adds messages, so it costs no call where the address
// was resolved lately, else one Get.
func (d *Directory) Limits(ctx context.Context, id *Identity) (Limits, error) {
	addr, err := address.Parse(id.Address)
	if err != nil {
		return Limits{}, err
	}
	r, err := d.Resolve(ctx, addr)
	if err == nil {
		for _, to := range r.Recipients {
			if to.Account == id.Account {
				return to.Limits, nil
			}
		}
	} else if kinds.Of(err).Temporary() {
		return Limits{}, err
	}
	// Nobody sends mail to it: it is suspended, or its address has another owner now.
	a, err := d.AccountByRef(ctx, id.Account)
	if err != nil {
		return Limits{}, err
	}
	dom, err := d.Domain(ctx, Scope{Tenant: a.Ref.Tenant}, a.Domain)
	if err != nil {
		return Limits{}, err
	}
	l, err := d.above(ctx, dom)
	return l.limits(a.Settings), err
}

// DomainLimits are those of an account that has no settings of its own. They are at most
// CacheFor old. kinds.Denied when the domain is not ours.
func (d *Directory) DomainLimits(ctx context.Context, domain string) (Limits, error) {
	_, l, _, err := d.fetch(ctx, domain)
	return l.limits(Settings{}), err
}
