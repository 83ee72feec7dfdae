package account

import "context"

// CopyResult is what COPYUID tells: the UIDs in the same order.
type CopyResult struct {
	UIDValidity uint32 // of the target
	SourceUIDs  []uint32
	DestUIDs    []uint32
}

// CopyMessages copies those of the messages that are there, all or none, if there is
// room for them as for Append. NotFound when there is no mailbox of that name (or, with the same kind, none
// to copy from). Nothing to copy is success with no UIDs.
func (a *Account) CopyMessages(ctx context.Context, by By, from MailboxID, uids []Range, to string, room Room) (CopyResult, error) {
	return a.transfer(ctx, by, from, uids, to, MayRead, func(s *State, c *Copy, messages, bytes int64) ([]Op, error) {
		if err := s.room(room.Quota, messages, bytes); err != nil {
			return nil, err
		}
		return room.Warn.add(ctx, []Op{{Copy: c}}, s.standing.Totals, messages, bytes), nil
	})
}

// MoveMessages moves messages in one step: nobody ever sees them twice or not at all.
func (a *Account) MoveMessages(ctx context.Context, by By, from MailboxID, uids []Range, to string) (CopyResult, error) {
	return a.transfer(ctx, by, from, uids, to, MayRead|MayTrash|MayExpunge, func(_ *State, c *Copy, _, _ int64) ([]Op, error) {
		return []Op{{Move: c}}, nil
	})
}

func (a *Account) transfer(ctx context.Context, by By, from MailboxID, uids []Range, to string, want Rights, op func(*State, *Copy, int64, int64) ([]Op, error)) (res CopyResult, err error) {
	_, err = a.Do(ctx, by, func(s *State) ([]Op, error) {
		src, err := s.messages(from)
		if err != nil {
			return nil, err
		}
		dst := s.Mailbox(to)
		if src == nil {
			return nil, noMailboxID(from)
		}
		if dst == nil {
			return nil, noMailbox(to)
		}
		if err := a.May(src, want); err != nil {
			return nil, err
		}
		if err := a.May(dst, MayInsert); err != nil {
			return nil, err
		}
		res = CopyResult{UIDValidity: dst.UIDValidity}
		var copied []Message
		var runs runner
		var bytes int64
		for i, m := range src.In(uids) {
			runs.add(i, m.UID)
			bytes += m.Size
			if a.reader.Load() != nil {
				copied = append(copied, m)
			}
			res.SourceUIDs = append(res.SourceUIDs, m.UID)
			res.DestUIDs = append(res.DestUIDs, dst.UIDNext+uint32(len(res.DestUIDs)))
		}
		if len(res.SourceUIDs) == 0 {
			return nil, nil
		}
		ops, err := op(s, &Copy{From: from, UIDs: runs.ranges, To: dst.ID, First: dst.UIDNext}, int64(len(res.SourceUIDs)), bytes)
		return append(ops, a.asAllowed(src, dst, copied, dst.UIDNext)...), err
	})
	if err != nil {
		return CopyResult{}, err
	}
	return res, nil
}

// runner makes ranges of messages that are neighbours, whatever UIDs are no more between
// them: the fewest ranges that hold all of them and no other message.
type runner struct {
	ranges []Range
	next   int
}

func (r *runner) add(index int, uid uint32) {
	if n := len(r.ranges); n > 0 && index == r.next {
		r.ranges[n-1].Last = uid
	} else {
		r.ranges = append(r.ranges, Range{First: uid, Last: uid})
	}
	r.next = index + 1
}
