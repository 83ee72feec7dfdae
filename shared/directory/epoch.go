package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/account"
)

// BeginEpoch begins a new epoch of an account whose journal was put back to an earlier time: see
// account.Store.BeginEpoch. then is called when it has begun; the account's record follows at last,
// and may be late, for older references lead on. One that was interrupted, or whose then has
// failed, is completed by the next.
func (d *Directory) BeginEpoch(ctx context.Context, s Scope, addr string, then func(context.Context, account.Begun) error) (Account, account.Begun, error) {
	a, err := d.Account(ctx, s, addr)
	if err != nil {
		return a, account.Begun{}, err
	}
	begun, err := d.accounts.BeginEpoch(ctx, a.Ref, s.by())
	if err == nil {
		err = then(ctx, begun)
	}
	if err != nil {
		return a, begun, err
	}
	key, e, version, err := d.changeEntry(ctx, s, addr, "", kindAccount, func(e *entry) error {
		if e.Account.ID != begun.Ref.ID {
			return errAbsent() // it is another account's address since
		}
		e.Account.Epoch = max(e.Account.Epoch, begun.Ref.Epoch)
		return nil
	})
	if err != nil {
		return a, begun, err
	}
	d.log.InfoContext(ctx, "epoch begun", "tenant", e.Tenant, "domain", domainOf(key), "account", e.Account.ID, "epoch", begun.Ref.Epoch, "by", s.Actor)
	return accountFrom(key, e, version), begun, nil
}
