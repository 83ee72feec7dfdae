package pop3

import (
	"context"
	"io"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
)

// inbox is a view of an account in the store.
type inbox struct {
	store *account.Store
	acct  *account.Account
	by    account.By
	login uint32 // the generation that the login was good for
}

var _ view = (*inbox)(nil)

// openInbox makes the maildrop of who has logged in, as it is now: what another gateway
// has done is seen.
func openInbox(ctx context.Context, store *account.Store, id *directory.Identity, session string) (*maildrop, error) {
	acct, err := store.Open(ctx, id.Account)
	if err != nil {
		return nil, err
	}
	state, err := acct.Load(ctx, account.Inbox)
	if err != nil {
		acct.Close()
		return nil, err
	}
	d := &maildrop{view: &inbox{store: store, acct: acct, login: id.Generation,
		by: account.By{Actor: string(id.Account.ID), Protocol: directory.POP3, Session: session, Domain: id.Domain}}}
	box := state.MailboxByID(account.Inbox)
	d.validity = box.UIDValidity
	d.items = make([]item, 0, box.Len())
	taken := map[string]bool{}
	for _, m := range box.Messages() {
		d.add(item{content: m.Content, size: m.Size, uid: m.UID}, m.UIDL, taken)
	}
	return d, nil
}

func (b *inbox) Read(ctx context.Context, c account.ContentRef) (io.ReadCloser, error) {
	contents, err := b.acct.Contents(ctx, []account.ContentRef{c})
	if err != nil {
		return nil, err
	}
	return b.store.OpenMessage(ctx, &contents[0], 0, contents[0].Size())
}

func (b *inbox) Expunge(ctx context.Context, uids []account.Range) error {
	_, err := b.acct.ExpungeMessages(ctx, b.by, account.Inbox, uids, false)
	return err
}

func (b *inbox) Changed() <-chan struct{} { return b.acct.Changed() }

func (b *inbox) Ended() bool {
	st := b.acct.State().Standing()
	return st.Closed != "" || st.Suspended || st.Generation > b.login
}

func (b *inbox) Close() { b.acct.Close() }
