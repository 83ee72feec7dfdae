package imap

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/sharing"
)

// The namespaces of mailboxes that are not the user's own. Below them is who shares them; that
// name itself is the INBOX there, as it is in Cyrus.
const (
	otherUsers = "Other Users"
	publicOnes = "Shared"
)

// place is where the name of a mailbox leads: to an account, which need not be the client's own.
type place struct {
	account *account.Account
	name    string              // of the mailbox in that account; there need not be one
	root    string              // of the account in the client's names; "": it is the client's own
	owner   *directory.Identity // of the account
	foreign bool
}

// place finds where a name leads. It is to be let go by release. A mailbox of the client's own
// that has such a name from before there were others goes before.
func (s *session) place(ctx context.Context, name string) (*place, error) {
	own := s.own()
	own.name = strings.TrimSuffix(name, "/")
	space, rest, below := strings.Cut(own.name, "/")
	if !below || space != otherUsers && space != publicOnes || s.account.State().Mailbox(own.name) != nil {
		return own, nil
	}
	who, rest, _ := strings.Cut(rest, "/")
	o, err := s.gateway.cfg.Sharing.Owner(ctx, s.identity, who, space == publicOnes)
	if err != nil {
		return nil, s.fail(noPlace(err))
	}
	p, err := s.enterPlace(ctx, &o)
	if err != nil {
		return nil, s.fail(noPlace(err))
	}
	if p.name = rest; rest == "" {
		p.name = "INBOX"
	}
	return p, nil
}

// own is the client's own account.
func (s *session) own() *place { return &place{account: s.account, owner: s.identity} }

// noPlace says of an account that is not there what is said of one that grants nothing.
func noPlace(err error) error {
	switch kinds.Of(err) {
	case kinds.Invalid, kinds.Limit, kinds.Conflict, kinds.Denied:
		return kinds.Errorf(kinds.NotFound, "imap: no such place: %w", err)
	}
	return err
}

// enterPlace opens an account of somebody else's.
func (s *session) enterPlace(ctx context.Context, o *sharing.Owner) (*place, error) {
	a, err := s.gateway.cfg.Sharing.Open(ctx, s.identity.Account, o)
	if err != nil {
		return nil, err
	}
	if a.State().Standing().Closed != "" {
		a.Close()
		return nil, kinds.Errorf(kinds.NotFound, "imap: the account is closed")
	}
	root := otherUsers
	if o.Public {
		root = publicOnes
	}
	return &place{account: a, root: root + "/" + o.Name, owner: &o.Identity, foreign: true}, nil
}

// release lets the place's account go, unless it is the client's own.
func (p *place) release() {
	if p.foreign {
		p.account.Close()
	}
}

// shown is what the client calls a mailbox of the account.
func (p *place) shown(name string) string {
	switch {
	case !p.foreign:
		return name
	case name == "INBOX":
		return p.root
	}
	return p.root + "/" + name
}

// box gives the mailbox as the client sees it, nil if there is none.
func (p *place) box() *account.Mailbox {
	return p.account.Seen(p.account.State().Mailbox(p.name))
}

// mailbox finds the mailbox of a name, in which the client must have all rights that are wanted.
// Where it isn't known, the account's tail is read. The place is to be let go.
func (s *session) mailbox(ctx context.Context, name string, want account.Rights) (*place, *account.Mailbox, error) {
	p, err := s.place(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	m := p.box()
	if m == nil && !p.foreign {
		if err := p.account.Refresh(ctx); err != nil {
			return nil, nil, s.fail(err)
		}
		m = p.box()
	}
	if err := p.account.May(m, want); err != nil {
		p.release()
		return nil, nil, s.fail(err)
	}
	return p, m, nil
}

// within does something with the mailbox of a name, in which the client must have all rights that
// are wanted.
func (s *session) within(name string, want account.Rights, do func(context.Context, *place, *account.Mailbox) error) error {
	ctx, cancel := s.context()
	defer cancel()
	p, m, err := s.mailbox(ctx, name, want)
	if err != nil {
		return err
	}
	defer p.release()
	return do(ctx, p, m)
}

// withinNamed is within for a command that is given a mailbox and nothing else.
func (s *session) withinNamed(cmd *command, want account.Rights, do func(context.Context, *place, *account.Mailbox) error) error {
	cmd.SP()
	name := cmd.Mailbox()
	if err := cmd.End(); err != nil {
		return err
	}
	return s.within(name, want, do)
}

// same tells whether two accounts are one.
func same(a, b *account.Account) bool { return a.Ref() == b.Ref() }

// carry makes copies of blobs that belong to who owns the place.
func (s *session) carry(p *place) account.Carry {
	blobs, ref := s.gateway.cfg.Blobs, p.owner.Account
	return func(ctx context.Context, from blob.Ref) (blob.Ref, bool, error) {
		to, err := blobs.CopyFrom(ctx, blobs, from, blob.NewName(ref.Tenant, s.gateway.now()), blob.Header{Owners: []string{string(ref.ID)}})
		return to, true, err
	}
}

// reserved tells whether no mailbox is made by that name: it is that of a namespace.
func reserved(name string) error {
	if name = strings.TrimSuffix(name, "/"); name == otherUsers || name == publicOnes {
		return no(imap.ResponseCodeCannot, "The name is that of other people's mailboxes")
	}
	return nil
}
