package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Authenticate judges a login over a protocol (Submission, IMAP, POP3). username is the
// account's address or an alias that leads to it alone. Each call costs exactly one
// evaluation of a password hash, whether or not there is such an account.
//
// Errors: kinds.Unauthenticated; and, only after the right password, kinds.Suspended
// and kinds.Denied (the protocol is switched off for the account).
func (d *Directory) Authenticate(ctx context.Context, username, password, protocol string) (*Identity, error) {
	return nil, kinds.Errorf(kinds.Unavailable, "directory: closed")
}
