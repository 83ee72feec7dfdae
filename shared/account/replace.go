package account

import (
	"context"
	"errors"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// ErrNoMessage is the reason, of kind NotFound, when it isn't a mailbox but the message that
// is no more.
var ErrNoMessage = errors.New("account: there is no such message any more")

// Replace puts a message into a mailbox and removes another one from any mailbox, in one
// entry. Room is asked only for the bytes that the new one has more. NotFound when there is
// no such mailbox or, with ErrNoMessage, when the message that goes is gone.
func (a *Account) Replace(ctx context.Context, by By, from MailboxID, goes uint32, to string, comes NewMessage, room Room) (uid, uidValidity uint32, err error) {
	add, err := a.newAdd(&comes)
	if err != nil {
		return 0, 0, err
	}
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		src, err := s.messages(from)
		if err != nil {
			return nil, err
		}
		dst := s.Mailbox(to)
		if dst == nil {
			return nil, noMailbox(to)
		}
		var old Message
		if src != nil {
			if i, ok := src.Find(goes); ok {
				old = src.At(i)
			}
		}
		if old.UID == 0 {
			return nil, kinds.Wrap(kinds.NotFound, ErrNoMessage, "")
		}
		if err := a.May(src, MayTrash|MayExpunge); err != nil {
			return nil, err
		}
		if err := a.May(dst, MayInsert); err != nil {
			return nil, err
		}
		more := add.Content.Size() - old.Size
		if held := s.standing.Totals; more > 0 && (Quota{Bytes: room.Quota.Bytes}).Full(held, 0, more) {
			return nil, kinds.Errorf(kinds.Quota, "account: %d bytes and %d more are over the quota of %d", held.Bytes, more, room.Quota.Bytes)
		}
		comes := add
		comes.Mailbox, comes.UID = dst.ID, dst.UIDNext
		uid, uidValidity = comes.UID, dst.UIDValidity
		// What goes does so first, so that there is room for one message where there is for none.
		ops := []Op{{Expunge: &Expunge{Mailbox: from, UIDs: []Range{{First: goes, Last: goes}}}}, {Add: &comes}}
		ops = append(ops[:1], a.allowed(dst, ops[1:])...)
		return room.Warn.add(ctx, ops, s.standing.Totals, 0, more), nil
	})
	if err != nil {
		return 0, 0, err
	}
	return uid, uidValidity, nil
}
