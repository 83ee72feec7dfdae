package imap

import (
	"strconv"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
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
	ctx, cancel := s.context()
	defer cancel()
	ranges := s.view.ranges(list)
	var messages, bytes int64
	if box := s.view.now(s.view.account.State()); box != nil {
		for _, m := range box.In(ranges) {
			messages++
			bytes += m.Size
		}
	}
	room, err := s.gateway.cfg.Quota.Room(ctx, s.identity, messages, bytes)
	if err != nil {
		return s.fail(err)
	}
	var res account.CopyResult
	if err := s.progress(cmd, 0).wait(func() (err error) {
		res, err = s.view.account.CopyMessages(ctx, s.by(), s.view.id, ranges, to, room)
		return err
	}); err != nil {
		return s.failTo(err)
	}
	cmd.code = copyCode(res)
	return nil
}

// move is MOVE and UID MOVE: one entry, so that nobody sees the messages twice or not at
// all. The EXPUNGE responses come with the updates that follow.
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
	ctx, cancel := s.context()
	defer cancel()
	res, err := s.view.account.MoveMessages(ctx, s.by(), s.view.id, s.view.ranges(list), to)
	if kinds.Is(err, kinds.NotFound) {
		return s.failTo(err)
	}
	if err != nil {
		return s.fail(err)
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
