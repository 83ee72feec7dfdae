package imap

import (
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// A mailbox of somebody else's that is selected is held against the rights to it before each
// command that is about it, when its account changes, and again every so often, since who is in
// a group is in no journal: a member who was taken out of one is shut out within
// directory.CacheFor and this time.
const againEvery = 30 * time.Second

// enterAgain finds anew which grants mean the client. What can't be found out stays.
func (s *session) enterAgain(who *directory.Identity, a *account.Account) {
	ctx, cancel := s.context()
	defer cancel()
	if err := s.gateway.cfg.Sharing.Enter(ctx, who.Account, a); err != nil && s.ctx.Err() == nil {
		s.log.Warn("cannot find out who is meant by grants", "account", a.Ref().ID, "kind", kinds.Of(err), "error", err)
	}
}

// lost says why the client may not read the selected mailbox any more, "" while it may.
//
// RFC 4314, section 5.1.1: If such server detects that the user no longer has read access to the mailbox, it MAY send an untagged BYE response and close connection. It MAY also refuse to execute all commands, which most clients don't handle very well; and no RFC lets a server close a mailbox alone that the client has not left.
func (v *view) lost() string {
	state := v.account.State()
	switch m := state.MailboxByID(v.id); {
	case m == nil:
		return "The selected mailbox was deleted"
	case state.Standing().Closed != "", v.account.Rights(m)&account.MayRead == 0:
		return "[NOPERM] The selected mailbox is shared with you no more"
	}
	return ""
}

// stay ends the session where the client may not read the selected mailbox any more.
func (s *session) stay() error {
	s.enterAgain(s.identity, s.view.account)
	if why := s.view.lost(); why != "" {
		s.log.Info("session ended by the selected mailbox", "reason", why)
		s.w().Raw("* BYE ").Raw(why).CRLF()
		_ = s.w().Flush()
		return errOver
	}
	return nil
}

// tellRights tells of rights that have changed.
//
// RFC 4314, section 5.1.1: If the server checks the rights on each command, then it SHOULD send FLAGS and PERMANENTFLAGS responses if they have changed.
func (s *session) tellRights(m *account.Mailbox) {
	if now := s.view.account.Rights(m); now != s.view.rights {
		s.view.rights = now
		s.writeFlags(m)
		s.writePermanent(m)
	}
}

// permanent gives the system flags that rights let the client change, and whether keywords are
// among what it may.
func permanent(r account.Rights) (flags account.Flags, words bool) {
	if r&account.MayKeepSeen != 0 {
		flags |= account.Seen
	}
	if r&account.MayTrash != 0 {
		flags |= account.Deleted
	}
	if words = r&account.MayWrite != 0; words {
		flags |= account.Answered | account.Flagged | account.Draft
	}
	return flags, words
}

// mayChange tells whether SELECT answers READ-WRITE.
//
// RFC 4314, section 5.2: The server MUST include a READ-ONLY response code in the tagged OK response to a SELECT command if none of the following rights is granted to the current user: "i", "e", and "shared flag rights".
func mayChange(m *account.Mailbox, r account.Rights) bool {
	shared := account.MayInsert | account.MayExpunge | account.MayWrite | account.MayTrash
	if m.SharedSeen {
		shared |= account.MayKeepSeen
	}
	return r&shared != 0
}
