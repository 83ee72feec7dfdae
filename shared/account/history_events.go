package account

import "strings"

// event says what an operation does to the state, which is the one before it, and to which
// messages. What changes nothing that a user sees has no word.
func (s *State) event(e *Entry, i int) (ev Event, messages []EventMessage) {
	ev = Event{Seq: e.Seq, Time: e.Time, By: e.By, Operation: e.Op}
	switch op := &e.Ops[i]; {
	case op.Create != nil:
		ev.What = "account created"
	case op.Add != nil:
		return s.added(ev, op.Add, i)
	case op.Copy != nil:
		ev.What = "copied"
		return s.transferred(ev, op.Copy)
	case op.Move != nil:
		ev.What = "moved"
		return s.transferred(ev, op.Move)
	case op.Flags != nil:
		ev.What = map[FlagMode]string{AddFlags: "flags added", RemoveFlags: "flags removed", ReplaceFlags: "flags set"}[op.Flags.Mode]
		ev.Flags, ev.Words = op.Flags.Flags, op.Flags.Words
		return s.named(ev, op.Flags.Mailbox, op.Flags.UIDs)
	case op.Expunge != nil:
		ev.What = "expunged"
		return s.named(ev, op.Expunge.Mailbox, op.Expunge.UIDs)
	case op.CreateMailbox != nil:
		ev.What, ev.Mailbox = "mailbox created", op.CreateMailbox.Name
	case op.Rename != nil:
		ev.What, ev.Mailbox, ev.To = "mailbox renamed", s.nameOf(op.Rename.Mailbox), op.Rename.Name
		if op.Rename.Mailbox == Inbox {
			ev.What = "moved"
			return s.named(ev, Inbox, []Range{{First: 1, Last: 1<<32 - 1}})
		}
	case op.DeleteMailbox != nil:
		ev.What = "mailbox deleted"
		return s.named(ev, op.DeleteMailbox.Mailbox, []Range{{First: 1, Last: 1<<32 - 1}})
	case op.Subscribe != nil:
		ev.What, ev.Mailbox = "unsubscribed", op.Subscribe.Name
		if op.Subscribe.On {
			ev.What = "subscribed"
		}
	case op.SetACL != nil:
		ev.What, ev.Mailbox = "rights set", s.nameOf(op.SetACL.Mailbox)
	case op.SeenMode != nil:
		ev.What, ev.Mailbox = "\\Seen of each reader's own", s.nameOf(op.SeenMode.Mailbox)
		if op.SeenMode.Shared {
			ev.What = "\\Seen shared"
		}
	case op.SeenBy != nil:
		ev.What = "unseen by a reader"
		if op.SeenBy.On {
			ev.What = "seen by a reader"
		}
		return s.named(ev, op.SeenBy.Mailbox, op.SeenBy.UIDs)
	case op.Metadata != nil:
		ev.What, ev.Mailbox = "metadata set", s.nameOf(op.Metadata.Mailbox)
		for _, a := range op.Metadata.Entries {
			ev.Words = append(ev.Words, a.Name)
		}
	case op.Access != nil:
		switch {
		case op.Access.Suspended && !s.standing.Suspended:
			ev.What = "suspended"
		case !op.Access.Suspended && s.standing.Suspended:
			ev.What = "suspension ended"
		default:
			ev.What = "sessions ended"
		}
	case op.Epoch != nil:
		ev.What = "epoch begun"
	case op.Close != nil:
		if _, ok := renewal(op.Close.Reason); ok {
			break // the next entry tells
		}
		ev.What = "account " + op.Close.Reason
		if op.Close.Reason == "" {
			ev.What = "account opened again"
		}
	}
	return ev, nil
}

func (s *State) nameOf(id MailboxID) string {
	if m := s.MailboxByID(id); m != nil {
		return m.Name
	}
	return ""
}

func (s *State) added(ev Event, a *Add, i int) (Event, []EventMessage) {
	box := s.MailboxByID(s.boxFor(a))
	ev.What, ev.Mailbox, ev.Flags, ev.Words, ev.Count = "appended", box.Name, a.Flags, a.Words, 1
	switch {
	case ev.By.Protocol == Import:
		ev.What = "imported"
	case len(a.Name) > 0:
		ev.What = "delivered"
	case strings.HasPrefix(ev.Operation, "restore-"):
		ev.What = "restored"
	}
	return ev, []EventMessage{{UID: box.UIDNext, Date: a.Date, Size: a.Content.Size(), ref: ContentRef{Seq: ev.Seq, Index: i}}}
}

func (s *State) transferred(ev Event, c *Copy) (Event, []EventMessage) {
	ev.To = s.nameOf(c.To)
	return s.named(ev, c.From, c.UIDs)
}

// named gives the messages of a mailbox that are in ranges, of which those are left out that
// are not in memory: then all are meant.
func (s *State) named(ev Event, id MailboxID, uids []Range) (Event, []EventMessage) {
	m := s.MailboxByID(id)
	if m == nil {
		return ev, nil
	}
	ev.Mailbox = m.Name
	if !m.Loaded() && len(uids) == 1 && uids[0].Last == 1<<32-1 {
		ev.Count = m.Count
		return ev, nil
	}
	var list []EventMessage
	for _, x := range m.In(uids) {
		ev.Count++
		list = append(list, EventMessage{UID: x.UID, Date: x.Date, Size: x.Size, ref: x.Content})
	}
	return ev, list
}
