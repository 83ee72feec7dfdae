package imap

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/shared/account"
)

// Expunge is EXPUNGE, UID EXPUNGE and the first half of CLOSE. It removes what the client
// knows of; its responses come with the updates that follow.
//
// RFC 9051, section 6.4.1: No messages are removed, and no error is given, if the mailbox is selected by an EXAMINE command or is otherwise selected as read-only.
func (s *session) Expunge(_ *imapserver.ExpungeWriter, set *imap.UIDSet) error {
	ctx, end := s.begin()
	defer end()
	v := s.view
	if v.readOnly {
		if s.guard.command() == "CLOSE" {
			return nil
		}
		return errReadOnly()
	}
	if len(v.uids) == 0 {
		return nil
	}
	ranges := []account.Range{{First: 1, Last: v.uids[len(v.uids)-1]}}
	if set != nil {
		uids, err := v.resolve(*set)
		if err != nil || len(uids) == 0 {
			return err
		}
		ranges = v.ranges(uids)
	}
	_, err := s.account.ExpungeMessages(ctx, s.by(), v.id, ranges, true)
	return s.fail(err)
}
