package imap

import (
	"github.com/godwit-mail/godwit/shared/account"
)

// expunge is EXPUNGE and UID EXPUNGE. It removes what the client knows of; its responses
// come with the updates that follow.
func (s *session) expunge(cmd *command) error {
	v := s.view
	list := []span{{0, v.len()}}
	if cmd.uid {
		cmd.SP()
		set := cmd.Set()
		if err := cmd.End(); err != nil {
			return err
		}
		var err error
		if list, err = v.resolve(set, true); err != nil {
			return err
		}
	}
	if err := cmd.End(); err != nil {
		return err
	}
	if v.readOnly {
		return errReadOnly()
	}
	gone, err := s.remove(list)
	if gone {
		cmd.code = s.highest()
	}
	return err
}

// remove expunges those of the messages that are \Deleted.
func (s *session) remove(list []span) (gone bool, err error) {
	if count(list) == 0 {
		return false, nil
	}
	ctx, cancel := s.context()
	defer cancel()
	var expunged []account.Range
	expunged, err = s.view.account.ExpungeMessages(ctx, s.by(s.view.owner), s.view.id, s.view.ranges(list), true)
	return len(expunged) > 0, s.fail(err)
}

// close is CLOSE, and UNSELECT (RFC 3691), which removes nothing.
//
// RFC 9051, section 6.4.1: No messages are removed, and no error is given, if the mailbox is selected by an EXAMINE command or is otherwise selected as read-only.
func (s *session) close(cmd *command) error {
	if err := cmd.End(); err != nil {
		return err
	}
	// RFC 4314, section 4: If the server is unable to expunge the mailbox because the user doesn't have the "e" right, the server MUST ignore the expunge request, close the mailbox, and return the tagged OK response.
	if cmd.name == "CLOSE" && !s.view.readOnly && s.view.rights&account.MayExpunge != 0 {
		if _, err := s.remove([]span{{0, s.view.len()}}); err != nil {
			return err
		}
	}
	s.turn(nil)
	return nil
}
