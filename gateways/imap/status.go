package imap

import (
	"slices"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// statusItems reads what STATUS is to tell.
func (s *session) statusItems(cmd *command) (items []string) {
	known := []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "APPENDLIMIT", "DELETED-STORAGE", "RECENT",
		"HIGHESTMODSEQ", "MAILBOXID"}
	cmd.List(func() {
		name := cmd.Keyword()
		if cmd.Err() == nil && !slices.Contains(known, name) {
			cmd.Fail(wire.SyntaxError("Unknown STATUS item"))
		}
		if !slices.Contains(items, name) {
			items = append(items, name)
		}
		if name == "HIGHESTMODSEQ" {
			s.condstore = true
		}
	})
	return items
}

// status is STATUS. One consistent read of the account's tail goes before it.
func (s *session) status(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	cmd.SP()
	items := s.statusItems(cmd)
	if err := cmd.End(); err != nil {
		return err
	}
	ctx, cancel := s.context()
	defer cancel()
	p, err := s.place(ctx, name)
	if err != nil {
		return err
	}
	defer p.release()
	if !p.foreign {
		if err := p.account.Refresh(ctx); err != nil {
			return s.fail(err)
		}
	}
	m := p.box()
	if err := p.account.May(m, account.MayRead); err != nil {
		return s.fail(err)
	}
	s.writeStatus(p, m, items)
	return nil
}

func (s *session) writeStatus(p *place, m *account.Mailbox, items []string) {
	w := s.w().Raw("* STATUS ").Mailbox(p.shown(m.Name)).Raw(" (")
	for i, name := range items {
		if i > 0 {
			w.Raw(" ")
		}
		w.Raw(name).Raw(" ")
		switch name {
		case "MESSAGES":
			w.Uint(uint64(m.Count))
		case "UIDNEXT":
			w.Uint(uint64(m.UIDNext))
		case "UIDVALIDITY":
			w.Uint(uint64(m.UIDValidity))
		case "UNSEEN":
			w.Uint(uint64(m.Unseen))
		case "DELETED":
			w.Uint(uint64(m.Deleted))
		case "SIZE":
			w.Uint(uint64(m.Bytes))
		case "APPENDLIMIT":
			w.Uint(MaxAppend)
		case "DELETED-STORAGE":
			w.Uint(uint64(m.DeletedBytes))
		case "RECENT":
			w.Uint(0)
		case "HIGHESTMODSEQ":
			w.Uint(highestOf(m))
		case "MAILBOXID":
			w.Raw("(").Raw(m.ObjectID(p.account.Ref())).Raw(")")
		}
	}
	w.Raw(")\r\n")
}

// highestOf is a mailbox's HIGHESTMODSEQ, which is never 0.
func highestOf(m *account.Mailbox) uint64 { return max(m.HighestModSeq, 1) }
