package imap

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// replace is REPLACE and UID REPLACE (RFC 8508): a message comes, maybe to another mailbox, and
// one of the selected mailbox goes, in one entry, so that nobody sees both or neither. Only
// what is more than before is held against quotas.
//
// RFC 8508, section 4.3: Servers implementing REPLACE and UIDPLUS are also advised to send the APPENDUID response code in an untagged OK before sending the EXPUNGE or replaced responses.
func (s *session) replace(cmd *command) error {
	t := &taking{s: s, cmd: cmd, place: true}
	defer t.end()
	var set wire.Set
	if err := t.target(func() { cmd.SP(); set = cmd.Set() }); err != nil {
		return err
	}
	if set.Saved || len(set.Spans) != 1 || set.Spans[0].Start != set.Spans[0].Stop {
		return bad("REPLACE takes one message")
	}
	list, err := s.view.resolve(set, cmd.uid)
	if err != nil {
		return err
	}
	if s.view.readOnly {
		return errReadOnly()
	}
	if count(list) == 0 {
		return errGone()
	}
	uid := s.view.uid(list[0].from)
	box := s.view.now(s.view.account.State())
	if box == nil {
		return errGone()
	}
	k, ok := box.Find(uid)
	if !ok {
		return errGone()
	}
	t.goes = box.At(k).Size
	find, cancelFind := s.context()
	defer cancelFind()
	if err := t.find(find); err != nil {
		return err
	}
	if !same(t.to.account, s.view.account) {
		return no(imap.ResponseCodeCannot, "A message is replaced within one account")
	}
	last, err := t.message()
	if err == nil && !last {
		err = bad("REPLACE brings one message")
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, storeTime)
	defer cancel()
	var room account.Room
	if more := t.total - t.goes; more > 0 {
		if room, err = s.gateway.cfg.Quota.Room(ctx, t.to.owner, 0, more); err != nil {
			return s.failTo(err)
		}
	}
	fresh, validity, err := t.to.account.Replace(ctx, s.by(t.to.owner), s.view.id, uid, t.to.name, t.adds[0], room)
	if errors.Is(err, account.ErrNoMessage) {
		return errGone()
	}
	if err != nil {
		return s.failTo(err)
	}
	s.w().Raw("* OK [").Raw(appendCode(validity, fresh, fresh)).Raw("] The new message is there\r\n")
	cmd.code = s.highest()
	return nil
}

func errGone() error { return no(codeExpungeIssued, "The message is no more") }
