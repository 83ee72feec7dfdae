package imap

import (
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// maxLine bounds lines of sets that the gateway writes, in octets.
const maxLine = 8000

// update tells what has happened in the selected mailbox. An error ends the session.
//
// RFC 9051, section 7.5.1: An EXPUNGE response MUST NOT be sent when no command is in progress, nor while responding to a FETCH, STORE, or SEARCH command.
func (s *session) update(allowExpunge bool) error {
	v := s.view
	if v == nil {
		return nil
	}
	state := v.account.State()
	if state.ModSeq() == v.told && (!allowExpunge || v.told == v.toldGone) {
		return nil
	}
	now := v.now(state)
	if now == nil {
		// RFC 9051, section 6.3.5 leaves open what others see who have it selected.
		s.log.Info("selected mailbox was deleted")
		s.w().Raw("* BYE The selected mailbox was deleted\r\n")
		_ = s.w().Flush()
		return errOver
	}
	if v.foreign {
		if err := s.stay(); err != nil {
			return err
		}
		s.tellRights(now)
	}
	if !now.Loaded() {
		var err error
		if state, now, err = s.load(v); err != nil || now == nil {
			if err == nil {
				return s.update(allowExpunge)
			}
			return err
		}
	}
	changed, gone := now.Changes(min(v.told, v.toldGone))
	if allowExpunge {
		s.tellGone(gone)
		v.ghosts = nil
	} else {
		v.bury(gone)
	}
	s.tellNew(now, changed, allowExpunge)
	s.tellKeywords(now)
	flags := s.notices == nil || !s.notices.on || s.notices.selected == 0 || s.notices.selected&flagChange != 0
	for i := range changed {
		if m := &changed[i]; flags && m.UID < v.next && m.ModSeq > v.told && v.known[m.UID] < m.ModSeq {
			if seq := v.seq(m.UID); seq > 0 {
				s.tellFlags(seq, m)
			}
		}
	}
	if err := s.updateContexts(now, changed); err != nil {
		return err
	}
	next := v.next
	v.told, v.next, v.last = state.ModSeq(), now.UIDNext, now
	if allowExpunge {
		v.toldGone = v.told
	}
	v.known = nil
	if err := s.fetchNew(state, now, changed, next); err != nil {
		return err
	}
	return s.w().Err()
}

// load reads a mailbox into memory that is not there.
func (s *session) load(v *view) (*account.State, *account.Mailbox, error) {
	ctx, cancel := s.context()
	defer cancel()
	state, err := v.account.Load(ctx, v.id)
	if err != nil {
		s.log.Error("selected mailbox cannot be read", "kind", kinds.Of(err), "error", err)
		return nil, nil, err
	}
	return state, v.now(state), nil
}

// tellGone tells of messages that are gone: ranges that hold all of them, and none that is
// there. The view still has them.
func (s *session) tellGone(gone []account.Range) {
	list := s.view.within(gone)
	if len(list) == 0 {
		return
	}
	s.updateGone(list)
	if s.qresync || s.uidOnly {
		s.writeVanished("* VANISHED ", s.view.ranges(list))
		return
	}
	told := 0
	for _, g := range list {
		for range g.to - g.from {
			s.w().Raw("* ").Uint(uint64(g.from - told + 1)).Raw(" EXPUNGE\r\n")
		}
		told += g.to - g.from
	}
}

// writeVanished writes ranges of UIDs in as many lines as they need.
func (s *session) writeVanished(start string, uids []account.Range) {
	w, n := s.w(), 0
	for _, r := range uids {
		switch {
		case n == 0:
			w.Raw(start)
		case n > maxLine-24:
			w.CRLF().Raw(start)
			n = 0
		default:
			w.Raw(",")
		}
		w.Range(r.First, r.Last)
		n += 24
	}
	if n > 0 {
		w.CRLF()
	}
}

// tellNew brings the view up to date, and tells how many messages there are if there are
// new ones.
func (s *session) tellNew(now *account.Mailbox, changed []account.Message, expunged bool) {
	v := s.view
	fresh := 0
	for i := range changed {
		if uid := changed[i].UID; uid >= v.next {
			if fresh++; !expunged {
				v.fresh = append(v.fresh, uid)
			}
		}
	}
	if expunged {
		v.box, v.fresh = now, nil
	}
	if fresh > 0 {
		s.w().Raw("* ").Uint(uint64(v.len())).Raw(" EXISTS\r\n")
	}
}

// tellKeywords names the flags of the mailbox where there are more than the client knows: before
// it sees one at a message.
func (s *session) tellKeywords(now *account.Mailbox) {
	if len(now.Keywords) > s.view.keywords {
		s.view.keywords = len(now.Keywords)
		s.writeFlags(now)
	}
}

// tellFlags writes a message's flags; its UID and, for who knows of it, its MODSEQ too.
func (s *session) tellFlags(seq uint32, m *account.Message) {
	w := s.w()
	if s.uidOnly {
		w.Raw("* ").Uint(uint64(m.UID)).Raw(" UIDFETCH (FLAGS ")
	} else {
		w.Raw("* ").Uint(uint64(seq)).Raw(" FETCH (UID ").Uint(uint64(m.UID)).Raw(" FLAGS ")
	}
	writeFlagsOf(w, m)
	if s.condstore {
		w.Raw(" MODSEQ (").Uint(m.ModSeq).Raw(")")
	}
	w.Raw(")\r\n")
}
