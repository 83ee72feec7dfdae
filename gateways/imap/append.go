package imap

import (
	"bytes"
	"context"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// storeTime is how long it may take to store a message that has come.
const storeTime = 5 * time.Minute

// maxAppends is how many messages one APPEND may bring.
const maxAppends = 20

// append is APPEND, with MULTIAPPEND (RFC 3502). Messages stream to the blob store by way of
// an intake each; they are in the mailbox, durably and all at once, before the client is
// told OK. Whatever can be refused before a message has come is refused then.
func (s *session) append(cmd *command) error {
	if cmd.open && bytes.HasPrefix(cmd.Rest(), []byte(" {")) { // the mailbox's name
		why, err := s.more(cmd)
		if err != nil {
			return err
		}
		if why != "" {
			return refused(why)
		}
		cmd.Parser.UTF8 = s.utf8
	}
	cmd.SP()
	name := cmd.Mailbox()
	var adds []account.NewMessage
	var messages, total int64
	for {
		add, utf8, err := s.appendArgs(cmd)
		if err != nil {
			return err
		}
		messages++
		total += cmd.literal
		if err := s.room(name, messages, total, cmd.literal); err != nil {
			return s.failTo(err)
		}
		last, err := s.take(cmd, utf8, &add)
		if err != nil {
			return err
		}
		if adds = append(adds, add); last {
			break
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, storeTime)
	defer cancel()
	room, err := s.gateway.cfg.Quota.Room(ctx, s.identity, messages, total)
	if err != nil {
		return s.failTo(err)
	}
	uids, validity, err := s.account.Append(ctx, s.by(), name, adds, room)
	if err != nil {
		return s.failTo(err)
	}
	code := append([]byte("APPENDUID "), strconv.FormatUint(uint64(validity), 10)+" "...)
	cmd.code = string(wire.AppendRange(code, uids[0], uids[len(uids)-1]))
	return nil
}

// appendArgs reads what stands before a message.
//
// RFC 9051, section 9: append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
func (s *session) appendArgs(cmd *command) (add account.NewMessage, utf8 bool, err error) {
	cmd.SP()
	if cmd.Peek() == '(' {
		flags := cmd.Flags()
		if cmd.Err() == nil {
			if add.Flags, add.Words, err = parseFlags(flags); err != nil {
				return add, false, err
			}
		}
		cmd.SP()
	}
	if cmd.Peek() == '"' {
		add.Date = account.Millis(cmd.DateTime())
		cmd.SP()
	}
	if utf8 = cmd.TryWord("UTF8"); utf8 {
		cmd.SP()
		cmd.Expect('(')
	}
	cmd.Try('~')
	switch {
	case cmd.Err() != nil:
		return add, false, cmd.Err()
	case !cmd.open || cmd.Peek() != '{':
		return add, false, bad("A message is missing")
	case cmd.literal == math.MaxInt64:
		return add, false, bad("A number is out of range")
	}
	return add, utf8, nil
}

// room says whether a message may come.
func (s *session) room(name string, messages, total, size int64) error {
	switch {
	case size > MaxAppend:
		return no(imap.ResponseCodeTooBig, "The message is too large")
	case messages > maxAppends:
		return no(imap.ResponseCodeLimit, "Too many messages in one command")
	}
	ctx, cancel := s.context()
	defer cancel()
	state := s.account.State()
	if state.Mailbox(name) == nil {
		if err := s.account.Refresh(ctx); err != nil {
			return err
		}
		if state = s.account.State(); state.Mailbox(name) == nil {
			return kinds.Errorf(kinds.NotFound, "imap: no such mailbox")
		}
	}
	room, err := s.gateway.cfg.Quota.Room(ctx, s.identity, messages, total)
	if err != nil {
		return err
	}
	if room.Quota.Full(state.Standing().Totals, messages, total) {
		return kinds.Errorf(kinds.Quota, "imap: %d bytes are over the quota", total)
	}
	return nil
}

// take takes a message in and stores it, when it is known what comes behind it.
func (s *session) take(cmd *command, utf8 bool, add *account.NewMessage) (last bool, err error) {
	in := intake.New(intake.Config{Budget: s.gateway.cfg.Budget, Dir: s.gateway.cfg.TempDir, Max: MaxAppend, Now: s.gateway.cfg.Now})
	defer in.Discard()
	s.consent(cmd)
	s.conn.each(literalPatience)
	r := &io.LimitedReader{R: &s.conn.in, N: cmd.literal}
	_, err = io.Copy(in, r)
	cmd.literal = r.N
	if err != nil {
		if kinds.Of(err) == kinds.Internal { // of the connection: what an intake says has a kind
			return false, err
		}
		return false, s.failTo(err)
	}
	if r.N > 0 {
		return false, io.ErrUnexpectedEOF
	}
	s.conn.all(linePatience)
	line, _, whole, err := s.conn.in.line(s.line[:0], maxCommand)
	s.line = line
	if err != nil {
		return false, err
	}
	cmd.note(line)
	if why := wire.Malformed(line); !whole || why != "" {
		return false, bad("APPEND has something behind the message that can't be read")
	}
	cmd.Parser = wire.NewParser(line)
	if utf8 {
		cmd.Expect(')')
	}
	if cmd.Err() != nil {
		return false, cmd.Err()
	}
	if last = cmd.AtEnd(); !last && !cmd.open {
		return false, bad("APPEND has something behind the message")
	}
	ctx, cancel := context.WithTimeout(s.ctx, storeTime)
	defer cancel()
	ref, sum, err := in.Commit(ctx, s.gateway.cfg.Blobs, s.identity.Account.Tenant, []string{string(s.identity.Account.ID)})
	if err != nil {
		return false, s.failTo(err)
	}
	add.Content = account.Content{Blob: ref, Summary: sum.Encode()}
	return last, nil
}
