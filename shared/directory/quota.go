package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// Quota gives the quota in force for who has logged in, in bytes (0: none), at most
// CacheFor old. It is asked for by each command that adds messages, so it costs no call
// where the address was resolved lately, else one Get.
func (d *Directory) Quota(ctx context.Context, id *Identity) (int64, error) {
	addr, err := address.Parse(id.Address)
	if err != nil {
		return 0, err
	}
	r, err := d.Resolve(ctx, addr)
	if err == nil {
		for _, to := range r.Recipients {
			if to.Account == id.Account {
				return to.Quota, nil
			}
		}
	} else if kinds.Of(err).Temporary() {
		return 0, err
	}
	// Nobody sends mail to it: it is suspended, or its address has another owner now.
	a, err := d.AccountByRef(ctx, id.Account)
	if err != nil {
		return 0, err
	}
	e, err := d.AccountSettings(ctx, a)
	return e.Quota, err
}
