package imap

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Create is CREATE, with CREATE-SPECIAL-USE. Mailboxes above it that are missing are made.
//
// RFC 6154, section 3: If the server cannot create a mailbox with the designated special use defined, for whatever reason, it MUST NOT create the mailbox, and MUST respond to the CREATE command with a tagged NO response.
func (s *session) Create(name string, options *imap.CreateOptions) error {
	ctx, end := s.begin()
	defer end()
	use := ""
	switch len(options.SpecialUse) {
	case 0:
	case 1:
		use = string(options.SpecialUse[0])
	default:
		return no("USEATTR", "A mailbox has one special use at most")
	}
	_, err := s.account.CreateMailbox(ctx, s.by(), name, use)
	if use != "" && (kinds.Is(err, kinds.Invalid) || kinds.Is(err, kinds.Exists) && s.account.State().Mailbox(name) == nil) {
		if _, badName := account.CheckName(name); badName == nil {
			return no("USEATTR", "The special use is not known, or another mailbox has it")
		}
	}
	return s.fail(err)
}

// Delete is DELETE.
func (s *session) Delete(name string) error {
	ctx, end := s.begin()
	defer end()
	m, err := s.find(name)
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

// Rename is RENAME.
func (s *session) Rename(name, to string, _ *imap.RenameOptions) error {
	ctx, end := s.begin()
	defer end()
	m, err := s.find(name)
	if err != nil {
		return err
	}
	return s.fail(s.account.RenameMailbox(ctx, s.by(), m.ID, to))
}

// find finds a mailbox by name, reading the account's tail if it isn't known.
func (s *session) find(name string) (*account.Mailbox, error) {
	name = strings.TrimSuffix(name, "/")
	if m := s.account.State().Mailbox(name); m != nil {
		return m, nil
	}
	if err := s.account.Refresh(s.ctx); err != nil {
		return nil, s.fail(err)
	}
	if m := s.account.State().Mailbox(name); m != nil {
		return m, nil
	}
	return nil, no(imap.ResponseCodeNonExistent, "No such mailbox")
}

// Subscribe is SUBSCRIBE. The mailbox need not be there.
func (s *session) Subscribe(name string) error { return s.subscribe(name, true) }

// Unsubscribe is UNSUBSCRIBE.
func (s *session) Unsubscribe(name string) error { return s.subscribe(name, false) }

func (s *session) subscribe(name string, on bool) error {
	ctx, end := s.begin()
	defer end()
	return s.fail(s.account.SetSubscribed(ctx, s.by(), name, on))
}
