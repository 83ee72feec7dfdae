package account

import "context"

// ExpungeMessages removes messages for good: those of uids (nil: all) that are there
// and, with onlyDeleted, have \Deleted. It gives ranges that hold the UIDs of all that
// were removed and of no other message.
func (a *Account) ExpungeMessages(ctx context.Context, by By, mbox MailboxID, uids []Range, onlyDeleted bool) (expunged []Range, err error) {
	if uids == nil {
		uids = []Range{{First: 1, Last: 1<<32 - 1}}
	}
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		m, err := s.messages(mbox)
		if err != nil {
			return nil, err
		}
		if m == nil {
			return nil, noMailboxID(mbox)
		}
		if err := a.May(m, MayExpunge); err != nil {
			return nil, err
		}
		expunged = nil
		if onlyDeleted && m.Deleted == 0 {
			return nil, nil
		}
		var runs runner
		for i, msg := range m.In(uids) {
			if !onlyDeleted || msg.Flags&Deleted != 0 {
				runs.add(i, msg.UID)
			}
		}
		expunged = runs.ranges
		if len(expunged) == 0 {
			return nil, nil
		}
		return []Op{{Expunge: &Expunge{Mailbox: mbox, UIDs: expunged}}}, nil
	})
	if err != nil {
		return nil, err
	}
	return expunged, nil
}
