package imap

import (
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
	ctx, cancel := s.context()
	defer cancel()
	id, err := s.account.CreateMailbox(ctx, s.by(), name, use)
	if use != "" && (kinds.Is(err, kinds.Invalid) || kinds.Is(err, kinds.Exists) && s.account.State().Mailbox(name) == nil) {
		if _, badName := account.CheckName(name); badName == nil {
			return no("USEATTR", "The special use is not known, or another mailbox has it")
		}
	}
	if err != nil {
		return s.fail(err)
	}
	if m := s.account.State().MailboxByID(id); m != nil {
		cmd.code = "MAILBOXID (" + m.ObjectID(s.account.Ref()) + ")"
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
	cmd.SP()
	name := cmd.Mailbox()
	if err := cmd.End(); err != nil {
		return err
	}
	ctx, cancel := s.context()
	defer cancel()
	m, err := s.mailbox(name)
	if err != nil {
		return err
	}
	err = s.account.DeleteMailbox(ctx, s.by(), m.ID)
	switch kinds.Of(err) {
	case kinds.Exists:
		return no(imap.ResponseCodeHasChildren, "There are mailboxes below it")
	case kinds.Denied:
		return no(imap.ResponseCodeCannot, "INBOX can't be deleted")
	}
	return s.fail(err)
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
	ctx, cancel := s.context()
	defer cancel()
	m, err := s.mailbox(name)
	if err != nil {
		return err
	}
	return s.fail(s.account.RenameMailbox(ctx, s.by(), m.ID, to))
}

// mailbox finds a mailbox by name, reading the account's tail if it isn't known.
func (s *session) mailbox(name string) (*account.Mailbox, error) {
	name = strings.TrimSuffix(name, "/")
	if m := s.account.State().Mailbox(name); m != nil {
		return m, nil
	}
	ctx, cancel := s.context()
	defer cancel()
	if err := s.account.Refresh(ctx); err != nil {
		return nil, s.fail(err)
	}
	if m := s.account.State().Mailbox(name); m != nil {
		return m, nil
	}
	return nil, no(imap.ResponseCodeNonExistent, "No such mailbox")
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
	return s.fail(s.account.SetSubscribed(ctx, s.by(), name, cmd.name == "SUBSCRIBE"))
}
