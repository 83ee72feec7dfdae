package imap

import (
	"context"
	"strings"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// ACL is RFC 4314. Identifiers are addresses of accounts and groups of the tenant (in the
// user's own domain the local part is enough), and anyone, which is all accounts of the tenant.
// What several of them grant adds up; what a "-" before one takes away is taken from the sum.
// The owner can do all, which cannot be changed.

// anyRight is what MYRIGHTS needs one of.
const anyRight = account.MayLookup | account.MayRead | account.MayInsert | account.MayCreate | account.MayDelete | account.MayAdminister

// letters writes rights with the virtual ones of RFC 2086.
//
// RFC 4314, section 2.1.1: When any of the "delete" member rights is set in a list of rights, the server MUST also include the "d" right when returning the list in a MYRIGHTS or ACL response.
func letters(r account.Rights) string {
	text := r.Letters()
	if r&(account.MayCreate|account.MayDelete) != 0 {
		text += "c"
	}
	if r&(account.MayTrash|account.MayExpunge) != 0 {
		text += "d"
	}
	return text
}

// getACL is GETACL.
func (s *session) getACL(cmd *command) error {
	return s.withinNamed(cmd, account.MayAdminister, func(ctx context.Context, p *place, m *account.Mailbox) error {
		names := make([]string, len(m.ACL))
		for i, g := range m.ACL {
			var err error
			if names[i], err = s.gateway.cfg.Sharing.Name(ctx, p.owner.Tenant, g.Who); err != nil {
				return s.fail(err)
			}
		}
		w := s.w().Raw("* ACL ").Mailbox(p.shown(m.Name)).Raw(" ").String(p.owner.Address).Raw(" ").Raw(letters(account.AllRights))
		for i, g := range m.ACL {
			w.Raw(" ").String(names[i]).Raw(" ").Raw(letters(g.Rights))
		}
		w.CRLF()
		return nil
	})
}

// setACL is SETACL and DELETEACL.
//
// RFC 4314, section 3.1: an unrecognized right MUST cause the command to return the BAD response.
func (s *session) setACL(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	cmd.SP()
	text := cmd.AString()
	edit := func(account.Rights) account.Rights { return 0 }
	if cmd.name == "SETACL" {
		cmd.SP()
		change := cmd.AString()
		rights, err := account.ParseRights(strings.TrimLeft(change, "+-"))
		if err != nil || strings.HasPrefix(change, "+-") || strings.HasPrefix(change, "-+") {
			cmd.Fail(wire.SyntaxError("There is no such right"))
		}
		edit = func(account.Rights) account.Rights { return rights }
		switch {
		case strings.HasPrefix(change, "+"):
			edit = func(old account.Rights) account.Rights { return old | rights }
		case strings.HasPrefix(change, "-"):
			edit = func(old account.Rights) account.Rights { return old &^ rights }
		}
	}
	if strings.TrimPrefix(text, "-") == "" {
		cmd.Fail(wire.SyntaxError("An identifier is missing"))
	}
	if err := cmd.End(); err != nil {
		return err
	}
	return s.within(name, account.MayAdminister, func(ctx context.Context, p *place, m *account.Mailbox) error {
		identify := func() (string, error) {
			return s.gateway.cfg.Sharing.Identify(ctx, p.owner.Tenant, s.identity.Domain, text)
		}
		if cmd.name == "DELETEACL" {
			identify = func() (string, error) {
				return s.gateway.cfg.Sharing.Known(ctx, p.owner.Tenant, s.identity.Domain, m, text)
			}
		}
		who, err := identify()
		switch {
		case kinds.Is(err, kinds.NotFound):
			return no("", "There is no such account or group")
		case err != nil:
			return s.fail(err)
		case strings.TrimPrefix(who, "-") == account.User(p.owner.Account.ID):
			return no("CANNOT", "The owner can do all, always")
		}
		return s.fail(s.gateway.cfg.Sharing.Grant(ctx, s.by(p.owner), p.account, m.ID, who, edit))
	})
}

// listRights is LISTRIGHTS. Each right is granted by itself; c and d, which stand for two, are
// listed by themselves.
func (s *session) listRights(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	cmd.SP()
	text := cmd.AString()
	if err := cmd.End(); err != nil {
		return err
	}
	return s.within(name, account.MayAdminister, func(ctx context.Context, p *place, m *account.Mailbox) error {
		who, err := s.gateway.cfg.Sharing.Identify(ctx, p.owner.Tenant, s.identity.Domain, text)
		switch {
		case kinds.Is(err, kinds.NotFound):
			return no("", "There is no such account or group")
		case err != nil:
			return s.fail(err)
		}
		w := s.w().Raw("* LISTRIGHTS ").Mailbox(p.shown(m.Name)).Raw(" ").String(text)
		if who == account.User(p.owner.Account.ID) {
			w.Raw(" ").Raw(letters(account.AllRights)).CRLF()
			return nil
		}
		w.Raw(` ""`)
		for _, c := range letters(account.AllRights) {
			w.Raw(" ").Raw(string(c))
		}
		w.CRLF()
		return nil
	})
}

// myRights is MYRIGHTS.
func (s *session) myRights(cmd *command) error {
	return s.withinNamed(cmd, 0, func(_ context.Context, p *place, m *account.Mailbox) error {
		rights := p.account.Rights(m)
		if rights&anyRight == 0 {
			return s.fail(kinds.Errorf(kinds.NotFound, "imap: no right to the mailbox"))
		}
		s.writeMyRights(p.shown(m.Name), rights)
		return nil
	})
}

func (s *session) writeMyRights(name string, rights account.Rights) {
	s.w().Raw("* MYRIGHTS ").Mailbox(name).Raw(" ").Raw(letters(rights)).CRLF()
}
