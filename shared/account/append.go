package account

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// NewMessage is what Append puts into a mailbox.
type NewMessage struct {
	Content Content
	Flags   Flags
	Words   []string // keywords
	Date    int64    // INTERNALDATE in milliseconds; 0: now
	EmailID string   // "": a new one
	Thread  string   // "": by the summary
	UIDL    string   // set by an import
}

// Append puts messages into a mailbox, all or none, and gives their UIDs. kinds.Quota when
// there is no room for them.
// NotFound when there is no such mailbox.
func (a *Account) Append(ctx context.Context, by By, mailbox string, adds []NewMessage, room Room) (uids []uint32, uidValidity uint32, err error) {
	list := make([]Add, len(adds))
	var bytes int64
	for i := range adds {
		if list[i], err = a.newAdd(&adds[i]); err != nil {
			return nil, 0, err
		}
		bytes += list[i].Content.Size()
	}
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		m := s.Mailbox(mailbox)
		if m == nil {
			return nil, noMailbox(mailbox)
		}
		if err := a.May(m, MayInsert); err != nil {
			return nil, err
		}
		if err := s.room(room.Quota, int64(len(list)), bytes); err != nil {
			return nil, err
		}
		uids, uidValidity = make([]uint32, len(list)), m.UIDValidity
		ops := make([]Op, len(list))
		for i := range list {
			add := list[i]
			add.Mailbox, add.UID = m.ID, m.UIDNext+uint32(i)
			uids[i], ops[i].Add = add.UID, &add
		}
		ops = a.allowed(m, ops)
		return room.Warn.add(ctx, ops, s.standing.Totals, int64(len(list)), bytes), nil
	})
	if err != nil {
		return nil, 0, err
	}
	return uids, uidValidity, nil
}

// allowed takes from messages that are appended the flags that who uses the account may not
// set, and makes \Seen their own where it is.
func (a *Account) allowed(m *Mailbox, ops []Op) []Op {
	if a.reader.Load() == nil {
		return ops
	}
	may, words := flagRights(a.Rights(m), !m.SharedSeen)
	r, own := a.ownSeen(m)
	var seen []Range
	for i := range ops {
		add := ops[i].Add
		if own && add.Flags&Seen != 0 {
			seen = append(seen, Range{First: add.UID, Last: add.UID})
		}
		if add.Flags &= may; !words {
			add.Words = nil
		}
	}
	if len(seen) > 0 {
		ops = append(ops, Op{SeenBy: &SeenBy{Mailbox: m.ID, Reader: r.ID, UIDs: Normalize(seen), On: true}})
	}
	return ops
}

func (a *Account) newAdd(n *NewMessage) (Add, error) {
	add := Add{Content: n.Content, Flags: n.Flags, Words: n.Words, Date: n.Date,
		EmailID: n.EmailID, Thread: n.Thread, UIDL: n.UIDL}
	if add.Date == 0 {
		add.Date = Millis(a.core.store.cfg.Now())
	}
	if add.EmailID == "" {
		add.EmailID = EmailID()
	}
	if add.Thread == "" {
		sum, err := message.Decode(n.Content.Summary)
		if err != nil {
			return add, kinds.Wrap(kinds.Invalid, err, "account: append")
		}
		add.Thread = ThreadID(a.core.ref, sum.Thread.Root, "", nil)
	}
	for _, w := range n.Words {
		if err := CheckKeyword(w); err != nil {
			return add, err
		}
	}
	if len(n.UIDL) > 70 {
		// RFC 1939, section 7: a unique-id consists of one to 70 characters in the range
		// 0x21 to 0x7E.
		return add, kinds.Errorf(kinds.Limit, "account: a UIDL of %d bytes", len(n.UIDL))
	}
	if err := add.check(); err != nil {
		return add, err
	}
	return add, add.Content.checkContent()
}

func noMailbox(name string) error {
	return kinds.Errorf(kinds.NotFound, "account: there is no mailbox of that name (%d bytes)", len(name))
}

func noMailboxID(id MailboxID) error {
	return kinds.Errorf(kinds.NotFound, "account: there is no mailbox %d any more", id)
}
