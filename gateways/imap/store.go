package imap

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/shared/account"
)

func errReadOnly() error { return no(codeReadOnly, "The mailbox is open for reading only") }

// Store is STORE and UID STORE: one entry for all messages. Those that are gone are passed
// over; the client learns of them by EXPUNGE.
func (s *session) Store(w *imapserver.FetchWriter, set imap.NumSet, change *imap.StoreFlags, _ *imap.StoreOptions) error {
	ctx, end := s.begin()
	defer end()
	v := s.view
	uids, err := v.resolve(set)
	if err != nil {
		return err
	}
	if v.readOnly {
		return errReadOnly()
	}
	flags, words, err := parseFlags(change.Flags)
	if err != nil || len(uids) == 0 {
		return err
	}
	mode := account.ReplaceFlags
	switch change.Op {
	case imap.StoreFlagsAdd:
		mode = account.AddFlags
	case imap.StoreFlagsDel:
		mode = account.RemoveFlags
	}
	before := s.account.State()
	if _, err := s.account.StoreFlags(ctx, s.by(), v.id, v.ranges(uids), mode, flags, words, account.Unconditional); err != nil {
		return s.fail(err)
	}
	after := s.account.State()
	m := after.MailboxByID(v.id)
	if m == nil {
		return nil
	}
	// What the client knows it needs not be told again; but with .SILENT it knows the
	// outcome only where nobody else has changed something.
	alone := after.Seq() <= before.Seq()+1
	was := before.MailboxByID(v.id)
	for _, uid := range uids {
		i, ok := m.Find(uid)
		if !ok {
			continue
		}
		msg := m.At(i)
		if change.Silent {
			if alone && was != nil {
				if j, ok := was.Find(uid); ok && was.At(j).ModSeq <= max(v.told, v.known[uid]) {
					v.known[uid] = msg.ModSeq
				}
			}
			continue
		}
		r := w.CreateMessage(v.seq(uid))
		r.WriteUID(imap.UID(uid))
		r.WriteFlags(flagsOf(&msg))
		if err := r.Close(); err != nil {
			return err
		}
		v.known[uid] = msg.ModSeq
	}
	return nil
}
