package account

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// acrossRead is how many contents are read at once for copies to another account.
const acrossRead = 64

// CopyTo copies those of the messages that are there to a mailbox of another account, all or
// none, where there is room for them; carry brings their blobs there. The copies have the flags
// that who uses this account sees and may set there, new THREADIDs, and the EMAILIDs of the
// originals. They come in several entries when they don't fit in one: where a later one fails,
// the earlier are taken back.
func (a *Account) CopyTo(ctx context.Context, by, byThere By, from MailboxID, uids []Range, dst *Account, to string, room Room, carry Carry) (CopyResult, error) {
	return a.across(ctx, by, byThere, from, uids, dst, to, room, carry, MayRead)
}

// MoveTo is CopyTo, and then an expunge. Who dies between the two leaves the messages in both
// places.
func (a *Account) MoveTo(ctx context.Context, by, byThere By, from MailboxID, uids []Range, dst *Account, to string, room Room, carry Carry) (CopyResult, error) {
	res, err := a.across(ctx, by, byThere, from, uids, dst, to, room, carry, MayRead|MayTrash|MayExpunge)
	if err != nil || len(res.SourceUIDs) == 0 {
		return res, err
	}
	gone := make([]Range, len(res.SourceUIDs))
	for i, uid := range res.SourceUIDs {
		gone[i] = Range{First: uid, Last: uid}
	}
	_, err = a.ExpungeMessages(ctx, by, from, Normalize(gone), false)
	return res, err
}

func (a *Account) across(ctx context.Context, by, byThere By, from MailboxID, uids []Range, dst *Account, to string, room Room, carry Carry, want Rights) (res CopyResult, err error) {
	state, err := a.Load(ctx, from)
	if err != nil {
		return res, err
	}
	src := state.MailboxByID(from)
	if src == nil {
		return res, noMailboxID(from)
	}
	if err := a.May(src, want); err != nil {
		return res, err
	}
	target := dst.State().Mailbox(to)
	if target == nil {
		return res, noMailbox(to)
	}
	if err := dst.May(target, MayInsert); err != nil {
		return res, err
	}
	var list []Message
	var bytes int64
	for _, m := range a.Seen(src).In(uids) {
		list = append(list, m)
		bytes += m.Size
	}
	res.UIDValidity = target.UIDValidity
	if room.Quota.Full(dst.State().Standing().Totals, int64(len(list)), bytes) {
		return res, kinds.Errorf(kinds.Quota, "account: no room for %d bytes in %d messages", bytes, len(list))
	}
	var done []Range
	defer func() {
		if err != nil && len(done) > 0 {
			dst.takeBack(ctx, byThere, target.ID, done)
		}
	}()
	for len(list) > 0 {
		n := min(len(list), acrossRead)
		adds, err := a.carried(ctx, list[:n], carry)
		if err != nil {
			return CopyResult{}, err
		}
		for at := 0; at < len(adds); {
			k := fitting(adds[at:])
			got, validity, err := dst.Append(ctx, byThere, to, adds[at:at+k], room)
			if err != nil {
				return CopyResult{}, err
			}
			done = append(done, Range{First: got[0], Last: got[k-1]})
			if validity != res.UIDValidity {
				return CopyResult{}, kinds.Errorf(kinds.Conflict, "account: the mailbox was made anew meanwhile")
			}
			res.DestUIDs = append(res.DestUIDs, got...)
			at += k
		}
		for _, m := range list[:n] {
			res.SourceUIDs = append(res.SourceUIDs, m.UID)
		}
		list = list[n:]
	}
	return res, nil
}

// carried makes of messages what another account appends.
func (a *Account) carried(ctx context.Context, list []Message, carry Carry) ([]NewMessage, error) {
	refs := make([]ContentRef, len(list))
	for i := range list {
		refs[i] = list[i].Content
	}
	contents, err := a.Contents(ctx, refs)
	if err != nil {
		return nil, err
	}
	adds := make([]NewMessage, len(list))
	for i, c := range contents {
		at, ok, err := carry(ctx, c.Blob)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, kinds.Errorf(kinds.Corrupt, "account: a message that can't be copied")
		}
		email := c.EmailID
		c.Blob, c.EmailID, c.Thread = at, "", ""
		adds[i] = NewMessage{Content: c, Flags: list[i].Flags, Words: list[i].Words, Date: list[i].Date, EmailID: email}
	}
	return adds, nil
}

// fitting is how many messages, at least one, go into one entry.
func fitting(adds []NewMessage) (n int) {
	size := 0
	for n < len(adds) {
		c := &adds[n].Content
		size += 300 + len(c.Head) + len(c.Summary) + len(c.Blob.Name) + len(c.Blob.Frames)
		if n > 0 && size > rebuildBytes {
			break
		}
		n++
	}
	return n
}

// takeBack removes what a copy has put into a mailbox, whatever may be done there.
func (a *Account) takeBack(ctx context.Context, by By, mbox MailboxID, uids []Range) {
	ctx = context.WithoutCancel(ctx)
	_, err := a.Do(ctx, by, func(s *State) ([]Op, error) {
		m, err := s.messages(mbox)
		if err != nil || m == nil {
			return nil, err
		}
		return []Op{{Expunge: &Expunge{Mailbox: mbox, UIDs: Normalize(uids)}}}, nil
	})
	if err != nil {
		a.core.store.cfg.Log.Error("copies that are to be taken back are still there", "account", a.core.part, "error", err)
	}
}
