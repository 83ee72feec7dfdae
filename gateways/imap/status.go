package imap

import (
	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
)

// Status is STATUS. One consistent read of the account's tail goes before it.
func (s *session) Status(name string, options *imap.StatusOptions) (*imap.StatusData, error) {
	ctx, end := s.begin()
	defer end()
	if err := s.account.Refresh(ctx); err != nil {
		return nil, s.fail(err)
	}
	m := s.account.State().Mailbox(name)
	if m == nil {
		return nil, no(imap.ResponseCodeNonExistent, "No such mailbox")
	}
	return statusOf(m), nil
}

// statusOf answers all that may be asked, for imapserver falls over what is missing.
func statusOf(m *account.Mailbox) *imap.StatusData {
	count, unseen, deleted := uint32(m.Count), uint32(m.Unseen), uint32(m.Deleted)
	recent, limit, bytes, storage := uint32(0), uint32(MaxAppend), m.Bytes, m.DeletedBytes
	return &imap.StatusData{Mailbox: m.Name, NumMessages: &count, NumRecent: &recent, UIDNext: imap.UID(m.UIDNext),
		UIDValidity: m.UIDValidity, NumUnseen: &unseen, NumDeleted: &deleted, Size: &bytes, AppendLimit: &limit,
		DeletedStorage: &storage}
}
