package imap

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// resync is what a client that comes back remembers of a mailbox (RFC 7162, section 3.2.5).
type resync struct {
	validity uint32
	since    uint64
	known    []wire.Span // UIDs; nil: all
}

// selectBox is SELECT and EXAMINE. One consistent read of the account's tail goes before it.
func (s *session) selectBox(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	var back *resync
	if cmd.Try(' ') {
		cmd.List(func() {
			switch cmd.Keyword() {
			case "CONDSTORE":
				s.condstore = true
			case "QRESYNC":
				back = s.parseResync(cmd)
			default:
				cmd.Fail(wire.SyntaxError("Unknown SELECT parameter"))
			}
		})
	}
	if err := cmd.End(); err != nil {
		return err
	}
	if s.view != nil {
		s.w().Raw("* OK [CLOSED] Previous mailbox is closed\r\n")
		s.turn(nil)
	}
	ctx, cancel := s.context()
	defer cancel()
	p, err := s.place(ctx, name)
	if err != nil {
		return err
	}
	m, err := s.openBox(ctx, cmd, p)
	if err != nil {
		p.release()
		return err
	}
	if back != nil && back.validity == m.UIDValidity {
		s.catchUp(m, back)
	}
	cmd.code = "READ-WRITE"
	if s.view.readOnly || !mayChange(m, s.view.rights) {
		cmd.code = "READ-ONLY"
	}
	return nil
}

// openBox selects the mailbox of a place.
func (s *session) openBox(ctx context.Context, cmd *command, p *place) (*account.Mailbox, error) {
	if !p.foreign { // another's account was read when the place was found
		if err := p.account.Refresh(ctx); err != nil {
			return nil, s.fail(err)
		}
	}
	m := p.account.State().Mailbox(p.name)
	if err := p.account.May(m, account.MayRead); err != nil {
		return nil, s.fail(err)
	}
	state, err := p.account.Load(ctx, m.ID)
	if err != nil {
		return nil, s.fail(err)
	}
	if m = state.MailboxByID(m.ID); m == nil {
		return nil, no(imap.ResponseCodeNonExistent, "No such mailbox")
	}
	s.turn(newView(p, m, state, cmd.name == "EXAMINE"))
	s.tellSelected(state, s.view.box)
	return s.view.box, nil
}

// tellSelected writes what is to be known of a mailbox that is selected.
func (s *session) tellSelected(state *account.State, m *account.Mailbox) {
	w := s.w()
	w.Raw("* ").Uint(uint64(m.Len())).Raw(" EXISTS\r\n* 0 RECENT\r\n")
	if !s.rev2 && !s.uidOnly {
		if n := firstUnseen(m); n > 0 {
			w.Raw("* OK [UNSEEN ").Uint(uint64(n)).Raw("] First unseen message\r\n")
		}
	}
	w.Raw("* OK [UIDVALIDITY ").Uint(uint64(m.UIDValidity)).Raw("] UIDs are valid\r\n")
	w.Raw("* OK [UIDNEXT ").Uint(uint64(m.UIDNext)).Raw("] Predicted next UID\r\n")
	w.Raw("* OK [HIGHESTMODSEQ ").Uint(highestOf(m)).Raw("] Highest\r\n")
	w.Raw("* OK [MAILBOXID (").Raw(m.ObjectID(s.view.account.Ref())).Raw(")] Mailbox\r\n")
	s.writeFlags(m)
	s.writePermanent(m)
	if s.rev2 {
		s.writeList("LIST", s.view.attributes(state, m), s.view.shown(m.Name), false)
	}
}

// writePermanent writes which flags the client may change.
func (s *session) writePermanent(m *account.Mailbox) {
	flags, words := permanent(s.view.rights)
	if s.view.readOnly {
		flags, words = 0, false
	}
	w, sep := s.w().Raw("* OK [PERMANENTFLAGS ("), ""
	for i := 0; systemFlag(i) != ""; i++ {
		if flags&(1<<i) != 0 {
			w.Raw(sep).Raw(systemFlag(i))
			sep = " "
		}
	}
	if words {
		for _, word := range keywords(m) {
			w.Raw(sep).Raw(word)
			sep = " "
		}
		w.Raw(sep).Raw(`\*`)
	}
	w.Raw(")] Permanent flags\r\n")
}

// firstUnseen is for IMAP4rev1.
func firstUnseen(m *account.Mailbox) int {
	if m.Unseen == 0 {
		return 0
	}
	for i, msg := range m.Messages() {
		if msg.Flags&account.Seen == 0 {
			return i + 1
		}
	}
	return 0
}

// parseResync reads (uidvalidity modseq [known-uids] [(known-seqs known-uids)]). The last
// is a hint for servers that have forgotten what was expunged; this one hasn't.
func (s *session) parseResync(cmd *command) *resync {
	if !s.qresync {
		cmd.Fail(wire.SyntaxError("ENABLE QRESYNC comes first"))
	}
	back := &resync{}
	cmd.SP()
	cmd.Expect('(')
	back.validity = cmd.Number()
	cmd.SP()
	back.since = cmd.ModSeq()
	more := cmd.Try(' ')
	if more && cmd.IsSet() {
		back.known = cmd.Set().Spans
		more = cmd.Try(' ')
	}
	if more {
		if s.uidOnly {
			cmd.Fail(errUIDRequired())
		}
		cmd.Expect('(')
		cmd.Set()
		cmd.SP()
		cmd.Set()
		cmd.Expect(')')
	}
	cmd.Expect(')')
	return back
}

// catchUp tells a client that comes back what has changed since: what is gone first, as
// RFC 7162, section 3.2.5.1 has it.
func (s *session) catchUp(m *account.Mailbox, back *resync) {
	named := []account.Range{{First: 1, Last: m.UIDNext - 1}}
	if m.UIDNext <= 1 {
		return
	}
	if back.known != nil {
		named = named[:0]
		for _, r := range back.known {
			if lo, hi := r.Bounds(m.UIDNext - 1); lo < m.UIDNext {
				named = append(named, account.Range{First: lo, Last: min(hi, m.UIDNext-1)})
			}
		}
		named = account.Normalize(named)
	}
	changed, gone := m.Changes(back.since)
	s.writeVanished("* VANISHED (EARLIER) ", both(gone, named))
	list := s.view.within(named)
	for i := range changed {
		if k, ok := s.view.find(changed[i].UID); ok && holds(list, k) {
			s.tellFlags(uint32(k)+1, &changed[i])
		}
	}
}
