package imap

import (
	"context"
	"strconv"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// transferArgs reads what COPY and MOVE say.
func (s *session) transferArgs(cmd *command) (list []span, to string, err error) {
	cmd.SP()
	set := cmd.Set()
	cmd.SP()
	to = cmd.Mailbox()
	if err := cmd.End(); err != nil {
		return nil, "", err
	}
	list, err = s.view.resolve(set, cmd.uid)
	return list, to, err
}

// copy is COPY and UID COPY: all or nothing, in one entry.
func (s *session) copy(cmd *command) error {
	list, to, err := s.transferArgs(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := s.transferTime()
	defer cancel()
	p, err := s.place(ctx, to)
	if err != nil {
		return s.failTo(err)
	}
	defer p.release()
	ranges := s.view.ranges(list)
	room, err := s.roomFor(ctx, p, ranges)
	if err != nil {
		return s.fail(err)
	}
	v := s.view
	var res account.CopyResult
	if err := s.progress(cmd, 0).wait(func() (err error) {
		if same(p.account, v.account) {
			res, err = v.account.CopyMessages(ctx, s.by(v.owner), v.id, ranges, p.name, room)
		} else {
			res, err = v.account.CopyTo(ctx, s.by(v.owner), s.by(p.owner), v.id, ranges, p.account, p.name, room, s.carry(p))
		}
		return err
	}); err != nil {
		return s.failTo(err)
	}
	cmd.code = copyCode(res)
	return nil
}

// transferTime is for what copies messages, maybe with all of their octets.
func (s *session) transferTime() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, storeTime)
}

// roomFor asks for room for copies of messages.
func (s *session) roomFor(ctx context.Context, p *place, ranges []account.Range) (account.Room, error) {
	var messages, bytes int64
	if box := s.view.now(s.view.account.State()); box != nil {
		for _, m := range box.In(ranges) {
			messages++
			bytes += m.Size
		}
	}
	return s.gateway.cfg.Quota.Room(ctx, p.owner, messages, bytes)
}

// move is MOVE and UID MOVE: one entry, so that nobody sees the messages twice or not at
// all. To another account it is a copy and then an expunge. The EXPUNGE responses come with the updates that follow.
//
// UIDPLUS is RFC 4315.
// RFC 6851, section 4.3: Servers implementing UIDPLUS are also advised to send the COPYUID response code in an untagged OK before sending EXPUNGE or VANISHED responses.
func (s *session) move(cmd *command) error {
	list, to, err := s.transferArgs(cmd)
	if err != nil {
		return err
	}
	if s.view.readOnly {
		return errReadOnly()
	}
	ctx, cancel := s.transferTime()
	defer cancel()
	p, err := s.place(ctx, to)
	if err != nil {
		return s.failTo(err)
	}
	defer p.release()
	v, ranges := s.view, s.view.ranges(list)
	var room account.Room
	inside := same(p.account, v.account)
	if !inside {
		if room, err = s.roomFor(ctx, p, ranges); err != nil {
			return s.failTo(err)
		}
	}
	var res account.CopyResult
	if err := s.progress(cmd, 0).wait(func() (err error) {
		if inside {
			res, err = v.account.MoveMessages(ctx, s.by(v.owner), v.id, ranges, p.name)
		} else {
			res, err = v.account.MoveTo(ctx, s.by(v.owner), s.by(p.owner), v.id, ranges, p.account, p.name, room, s.carry(p))
		}
		return err
	}); err != nil {
		return s.failTo(err)
	}
	if code := copyCode(res); code != "" {
		s.w().Raw("* OK [").Raw(code).Raw("] Moved\r\n")
		cmd.code = s.highest()
	}
	return nil
}

// highest is the code HIGHESTMODSEQ for who resynchronizes by it: RFC 7162, section 3.2.7
// has it wherever messages have vanished.
func (s *session) highest() string {
	m := s.view.now(s.view.account.State())
	if !s.qresync || m == nil {
		return ""
	}
	return "HIGHESTMODSEQ " + strconv.FormatUint(highestOf(m), 10)
}

// copyCode is COPYUID, "" if nothing was copied.
func copyCode(res account.CopyResult) string {
	if len(res.SourceUIDs) == 0 {
		return ""
	}
	b := strconv.AppendUint([]byte("COPYUID "), uint64(res.UIDValidity), 10)
	for _, uids := range [...][]uint32{res.SourceUIDs, res.DestUIDs} {
		var list []account.Range
		for _, uid := range uids {
			list = addUID(list, uid)
		}
		sep := byte(' ')
		for _, r := range list {
			b = wire.AppendRange(append(b, sep), r.First, r.Last)
			sep = ','
		}
	}
	return string(b)
}
