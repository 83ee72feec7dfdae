package account

import (
	"context"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// CreateMailbox makes a mailbox and those above it that are missing. specialUse is one
// of \Archive, \Drafts, \Junk, \Sent and \Trash, or "". kinds.Exists when the name or
// the special use is taken.
func (a *Account) CreateMailbox(ctx context.Context, by By, name, specialUse string) (id MailboxID, err error) {
	if name, err = CheckName(name); err != nil {
		return 0, err
	}
	if specialUse != "" && !knownUse(specialUse) {
		return 0, kinds.Errorf(kinds.Invalid, "account: a special use that is not known")
	}
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		above := a.above(s, name)
		if a.reader.Load() != nil {
			if err := a.May(above, MayCreate); err != nil {
				return nil, err
			}
		}
		if m := s.Mailbox(name); m != nil {
			return nil, kinds.Errorf(kinds.Exists, "account: there is a mailbox of that name")
		}
		if specialUse != "" && s.useTaken(specialUse) {
			return nil, kinds.Errorf(kinds.Exists, "account: there is a mailbox for %s", specialUse)
		}
		ops := append(s.parents(name), Op{CreateMailbox: &CreateMailbox{Name: name, SpecialUse: specialUse}})
		made := len(ops)
		id = s.nextID + MailboxID(made) - 1
		for i := range made {
			ops = append(ops, inherit(above, s.nextID+MailboxID(i))...)
		}
		return ops, s.roomForMailboxes(made)
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// parents gives the operations that make what is missing above the name.
func (s *State) parents(name string) (ops []Op) {
	for i, c := range name {
		if c == '/' && s.Mailbox(name[:i]) == nil {
			ops = append(ops, Op{CreateMailbox: &CreateMailbox{Name: name[:i]}})
		}
	}
	return ops
}

func (s *State) roomForMailboxes(n int) error {
	if len(s.boxes)+n > MaxMailboxes {
		return kinds.Errorf(kinds.Limit, "account: more than %d mailboxes", MaxMailboxes)
	}
	return nil
}

// RenameMailbox renames a mailbox and all below it, and makes what is missing above the
// new name. Of INBOX it moves all messages to a new mailbox. Subscriptions stay with
// the names. kinds.Exists when a new name is taken.
func (a *Account) RenameMailbox(ctx context.Context, by By, mbox MailboxID, name string) error {
	name, err := CheckName(name)
	if err != nil {
		return err
	}
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		m := s.MailboxByID(mbox)
		switch {
		case m == nil:
			return nil, noMailboxID(mbox)
		case a.reader.Load() != nil && a.mayRename(s, m, name) != nil:
			return nil, a.mayRename(s, m, name)
		case s.Mailbox(name) != nil:
			return nil, kinds.Errorf(kinds.Exists, "account: there is a mailbox of that name")
		case m.ID != Inbox && strings.HasPrefix(name, m.Name+"/"):
			return nil, kinds.Errorf(kinds.Invalid, "account: a mailbox cannot be renamed to below itself")
		}
		if m.ID != Inbox {
			if err := s.checkChildren(m.Name, name); err != nil {
				return nil, err
			}
		}
		ops := append(s.parents(name), Op{Rename: &Rename{Mailbox: mbox, Name: name}})
		made := len(ops) - 1
		if m.ID == Inbox {
			made++
		}
		return ops, s.roomForMailboxes(made)
	})
	return err
}

// mayRename fails unless who uses the account may give a mailbox that name.
//
// RFC 4314, section 4: Moving a mailbox from one parent to another requires the "x" right on the mailbox itself and the "k" right for the new parent.
func (a *Account) mayRename(s *State, m *Mailbox, name string) error {
	if err := a.May(m, MayDelete); err != nil {
		return err
	}
	if m.ID == Inbox {
		return kinds.Errorf(kinds.Denied, "account: INBOX is its owner's to rename")
	}
	return a.May(a.above(s, name), MayCreate)
}

// checkChildren fails unless what is below old may be below name.
func (s *State) checkChildren(old, name string) error {
	for _, b := range s.boxes {
		below, ok := strings.CutPrefix(b.Name, old+"/")
		if !ok {
			continue
		}
		if _, err := CheckName(name + "/" + below); err != nil {
			return err
		}
		if s.Mailbox(name+"/"+below) != nil {
			return kinds.Errorf(kinds.Exists, "account: there is a mailbox of a child's new name")
		}
	}
	return nil
}

// DeleteMailbox removes a mailbox and its messages. kinds.Denied for INBOX, kinds.Exists
// while there are mailboxes below it.
//
// RFC 9051, section 6.3.5: if the server implementation doesn't permit deleting the name
// while inferior hierarchical names exist, then it MUST respond with a NO.
func (a *Account) DeleteMailbox(ctx context.Context, by By, mbox MailboxID) error {
	_, err := a.Do(ctx, by, func(s *State) ([]Op, error) {
		m := s.MailboxByID(mbox)
		switch {
		case m == nil:
			return nil, noMailboxID(mbox)
		case a.May(m, MayDelete) != nil:
			return nil, a.May(m, MayDelete)
		case m.ID == Inbox:
			return nil, kinds.Errorf(kinds.Denied, "account: INBOX is not to be deleted")
		case s.HasChildren(m.Name):
			return nil, kinds.Errorf(kinds.Exists, "account: there are mailboxes below it")
		}
		return []Op{{DeleteMailbox: &DeleteMailbox{Mailbox: mbox}}}, nil
	})
	return err
}

// SetSubscribed subscribes a name, or ends that, whether or not there is such a mailbox.
func (a *Account) SetSubscribed(ctx context.Context, by By, name string, on bool) error {
	kept, err := CheckName(name)
	if err != nil && on {
		return err
	}
	if err != nil {
		kept = canonical(name)
	}
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		switch {
		case s.Subscribed(kept) == on:
			return nil, nil
		case on && len(s.subs) >= 2*MaxMailboxes:
			return nil, kinds.Errorf(kinds.Limit, "account: more than %d subscriptions", 2*MaxMailboxes)
		}
		return []Op{{Subscribe: &Subscribe{Name: kept, On: on}}}, nil
	})
	return err
}
