package imap

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Copy is COPY and UID COPY: all or nothing, in one entry.
func (s *session) Copy(set imap.NumSet, to string) (*imap.CopyData, error) {
	ctx, end := s.begin()
	defer end()
	uids, err := s.view.resolve(set)
	if err != nil {
		return nil, err
	}
	ranges := s.view.ranges(uids)
	var messages, bytes int64
	if box := s.account.State().MailboxByID(s.view.id); box != nil {
		for _, m := range box.In(ranges) {
			messages++
			bytes += m.Size
		}
	}
	room, err := s.gateway.cfg.Quota.Room(ctx, s.identity, messages, bytes)
	if err != nil {
		return nil, s.fail(err)
	}
	res, err := s.account.CopyMessages(ctx, s.by(), s.view.id, ranges, to, room)
	if err != nil {
		return nil, s.failTo(err)
	}
	return copyData(res), nil
}

// Move is MOVE and UID MOVE: one entry, so that nobody sees the messages twice or not at
// all. The EXPUNGE responses come with the updates that follow.
//
// UIDPLUS is RFC 4315.
// RFC 6851, section 4.3: Servers implementing UIDPLUS are also advised to send the COPYUID response code in an untagged OK before sending EXPUNGE or VANISHED responses.
func (s *session) Move(w *imapserver.MoveWriter, set imap.NumSet, to string) error {
	ctx, end := s.begin()
	defer end()
	uids, err := s.view.resolve(set)
	if err != nil {
		return err
	}
	if s.view.readOnly {
		return errReadOnly()
	}
	res, err := s.account.MoveMessages(ctx, s.by(), s.view.id, s.view.ranges(uids), to)
	if err != nil {
		if kinds.Is(err, kinds.NotFound) {
			return s.failTo(err)
		}
		return s.fail(err)
	}
	if data := copyData(res); data != nil {
		return w.WriteCopyData(data)
	}
	return nil
}

// copyData is COPYUID, nil if nothing was copied.
func copyData(res account.CopyResult) *imap.CopyData {
	if len(res.SourceUIDs) == 0 {
		return nil
	}
	return &imap.CopyData{UIDValidity: res.UIDValidity, SourceUIDs: uidSet(res.SourceUIDs), DestUIDs: uidSet(res.DestUIDs)}
}

// uidSet makes a set of ascending UIDs.
func uidSet(uids []uint32) imap.UIDSet {
	set := imap.UIDSet{}
	for _, uid := range uids {
		if n := len(set); n > 0 && uint32(set[n-1].Stop)+1 == uid {
			set[n-1].Stop = imap.UID(uid)
			continue
		}
		set = append(set, imap.UIDRange{Start: imap.UID(uid), Stop: imap.UID(uid)})
	}
	return set
}

// seqSet makes a set of ascending sequence numbers.
func seqSet(nums []uint32) imap.SeqSet {
	set := imap.SeqSet{}
	for _, n := range nums {
		if k := len(set); k > 0 && set[k-1].Stop+1 == n {
			set[k-1].Stop = n
			continue
		}
		set = append(set, imap.SeqRange{Start: n, Stop: n})
	}
	return set
}
