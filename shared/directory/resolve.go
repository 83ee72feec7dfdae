package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// Resolve says which accounts get mail for addr. In this order it is looked for as it
// stands, without its +tag, as postmaster, and in the domain's catch-all.
//
// Errors: kinds.NotFound (the domain is ours, the user isn't there), kinds.Suspended,
// kinds.Denied (the domain is not ours), kinds.Invalid, kinds.Limit (a group too large).
func (d *Directory) Resolve(ctx context.Context, addr address.Address) (*Resolution, error) {
	return nil, kinds.Errorf(kinds.Unavailable, "directory: closed")
}

// MaySendAs tells whether id may use addr as reverse-path: the account's own address,
// with any +tag, and aliases that lead to it alone.
func (d *Directory) MaySendAs(ctx context.Context, id *Identity, addr address.Address) (bool, error) {
	return false, kinds.Errorf(kinds.Unavailable, "directory: closed")
}
