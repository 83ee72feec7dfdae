package imap

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// create is CREATE, with CREATE-SPECIAL-USE. Mailboxes above it that are missing are made.
//
// RFC 6154, section 3: If the server cannot create a mailbox with the designated special use defined, for whatever reason, it MUST NOT create the mailbox, and MUST respond to the CREATE command with a tagged NO response.
func (s *session) create(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	var uses []string
	if cmd.Try(' ') {
		cmd.List(func() {
			if cmd.Keyword() != "USE" {
				cmd.Fail(wire.SyntaxError("Unknown CREATE parameter"))
			}
			cmd.SP()
			uses = cmd.Flags()
		})
	}
	if err := cmd.End(); err != nil {
		return err
	}
	use := ""
	switch len(uses) {
	case 0:
	case 1:
		use = canonicalUse(uses[0])
	default:
		return no("USEATTR", "A mailbox has one special use at most")
	}
	if err := reserved(name); err != nil {
		return err
	}
	ctx, cancel := s.context()
	defer cancel()
	p, err := s.place(ctx, name)
	if err != nil {
		return err
	}
	defer p.release()
	if p.foreign && use != "" {
		return no("USEATTR", "The special uses of a mailbox are its owner's to choose")
	}
	id, err := p.account.CreateMailbox(ctx, s.by(p.owner), p.name, use)
	if use != "" && (kinds.Is(err, kinds.Invalid) || kinds.Is(err, kinds.Exists) && p.account.State().Mailbox(name) == nil) {
		if _, badName := account.CheckName(name); badName == nil {
			return no("USEATTR", "The special use is not known, or another mailbox has it")
		}
	}
	if err != nil {
		return s.fail(err)
	}
	if m := p.account.State().MailboxByID(id); m != nil {
		cmd.code = "MAILBOXID (" + m.ObjectID(p.account.Ref()) + ")"
	}
	return nil
}

// canonicalUse gives a special use as it is kept, whatever its case.
func canonicalUse(use string) string {
	if len(use) < 3 {
		return use
	}
	return use[:1] + strings.ToUpper(use[1:2]) + strings.ToLower(use[2:])
}

// delete is DELETE.
func (s *session) delete(cmd *command) error {
	return s.withinNamed(cmd, account.MayDelete, func(ctx context.Context, p *place, m *account.Mailbox) error {
		err := p.account.DeleteMailbox(ctx, s.by(p.owner), m.ID)
		switch kinds.Of(err) {
		case kinds.Exists:
			return no(imap.ResponseCodeHasChildren, "There are mailboxes below it")
		case kinds.Denied:
			return no(imap.ResponseCodeCannot, "INBOX can't be deleted")
		}
		return s.fail(err)
	})
}

// rename is RENAME.
func (s *session) rename(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	cmd.SP()
	to := cmd.Mailbox()
	if err := cmd.End(); err != nil {
		return err
	}
	if err := reserved(to); err != nil {
		return err
	}
	return s.within(name, account.MayDelete, func(ctx context.Context, p *place, m *account.Mailbox) error {
		target, err := s.place(ctx, to)
		if err != nil {
			return err
		}
		defer target.release()
		if !same(p.account, target.account) {
			return no(imap.ResponseCodeCannot, "A mailbox stays in its account")
		}
		return s.fail(p.account.RenameMailbox(ctx, s.by(p.owner), m.ID, target.name))
	})
}

// subscribe is SUBSCRIBE and UNSUBSCRIBE. The mailbox need not be there.
func (s *session) subscribe(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	if err := cmd.End(); err != nil {
		return err
	}
	ctx, cancel := s.context()
	defer cancel()
	return s.fail(s.account.SetSubscribed(ctx, s.by(s.identity), name, cmd.name == "SUBSCRIBE"))
}
