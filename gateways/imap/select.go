package imap

import (
	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
)

// Select is SELECT and EXAMINE. One consistent read of the account's tail goes before it.
func (s *session) Select(name string, options *imap.SelectOptions) (*imap.SelectData, error) {
	ctx, end := s.begin()
	defer end()
	s.view = nil
	if err := s.account.Refresh(ctx); err != nil {
		return nil, s.fail(err)
	}
	m := s.account.State().Mailbox(name)
	if m == nil {
		return nil, no(imap.ResponseCodeNonExistent, "No such mailbox")
	}
	state, err := s.account.Load(ctx, m.ID)
	if err != nil {
		return nil, s.fail(err)
	}
	if m = state.MailboxByID(m.ID); m == nil {
		return nil, no(imap.ResponseCodeNonExistent, "No such mailbox")
	}
	s.view = newView(m, state, options.ReadOnly)
	data := &imap.SelectData{Flags: mailboxFlags(m), NumMessages: uint32(m.Len()), UIDNext: imap.UID(m.UIDNext),
		UIDValidity: m.UIDValidity, FirstUnseenSeqNum: firstUnseen(m)}
	if !options.ReadOnly {
		data.PermanentFlags = append(mailboxFlags(m), imap.FlagWildcard)
	}
	if s.conn.EnabledCaps().Has(imap.CapIMAP4rev2) {
		data.List = &imap.ListData{Delim: '/', Mailbox: m.Name, Attrs: attributes(state, m)}
	}
	return data, nil
}

// firstUnseen is for IMAP4rev1.
func firstUnseen(m *account.Mailbox) uint32 {
	if m.Unseen == 0 {
		return 0
	}
	for i, msg := range m.Messages() {
		if msg.Flags&account.Seen == 0 {
			return uint32(i) + 1
		}
	}
	return 0
}

// Unselect ends the selected state, for UNSELECT, CLOSE, and before another SELECT.
func (s *session) Unselect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view = nil
	return nil
}
