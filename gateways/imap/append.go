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
	t := &taking{s: s, cmd: cmd}
	defer t.end()
	if err := t.target(func() {}); err != nil {
		return err
	}
	for last := false; !last; {
		var err error
		if last, err = t.message(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(s.ctx, storeTime)
	defer cancel()
	room, err := s.gateway.cfg.Quota.Room(ctx, t.to.owner, int64(len(t.adds)), t.total)
	if err != nil {
		return s.failTo(err)
	}
	uids, validity, err := t.to.account.Append(ctx, s.by(t.to.owner), t.to.name, t.adds, room)
	if err != nil {
		return s.failTo(err)
	}
	cmd.code = appendCode(validity, uids[0], uids[len(uids)-1])
	return nil
}

func appendCode(validity, first, last uint32) string {
	code := append([]byte("APPENDUID "), strconv.FormatUint(uint64(validity), 10)+" "...)
	return string(wire.AppendRange(code, first, last))
}

// taking takes in the messages of an APPEND or REPLACE.
type taking struct {
	s     *session
	cmd   *command
	name  string // of the mailbox
	to    *place // where it is, nil until that was looked for
	place bool   // one comes in place of another one
	goes  int64  // octets of that
	adds  []account.NewMessage
	total int64 // octets of adds
}

// target reads the mailbox's name, which may be a literal; before reads what stands before it.
func (t *taking) target(before func()) error {
	before()
	if t.cmd.open && bytes.HasPrefix(t.cmd.Rest(), []byte(" {")) {
		if err := t.more(t.s.at); err != nil {
			return err
		}
		before()
	}
	t.cmd.SP()
	t.name = t.cmd.Mailbox()
	return t.cmd.Err()
}

// more reads a literal that is a string, and the line behind it. What is parsed goes on at an
// octet of the line at hand.
func (t *taking) more(at int) error {
	t.s.at = at
	why, err := t.s.more(t.cmd)
	if err != nil {
		return err
	}
	if why != "" {
		return refused(why)
	}
	t.cmd.Parser.UTF8 = t.s.utf8
	return nil
}

// message takes one message in and stores it, when it is known what comes behind it.
//
// RFC 9051, section 9: append = "APPEND" SP mailbox [SP flag-list] [SP date-time] SP literal
func (t *taking) message() (last bool, err error) {
	s, cmd := t.s, t.cmd
	var add account.NewMessage
	if err := t.options(&add); err != nil {
		return false, err
	}
	cfg := &s.gateway.cfg
	in := intake.New(intake.Config{Budget: cfg.Budget, Dir: cfg.TempDir, Max: MaxAppend, Now: cfg.Now})
	defer in.Discard()
	switch {
	case cmd.TryWord("CATENATE"):
		cmd.SP()
		err = t.catenate(in)
	case cmd.TryWord("UTF8"):
		cmd.SP()
		cmd.Expect('(')
		if err = t.literal(in); err == nil {
			cmd.Expect(')')
		}
	default:
		err = t.literal(in)
	}
	if err == nil {
		err = cmd.Err()
	}
	if err != nil {
		return false, err
	}
	if last = cmd.AtEnd(); !last && cmd.Peek() != ' ' {
		return false, bad("There is something behind the message")
	}
	ctx, cancel := context.WithTimeout(s.ctx, storeTime)
	defer cancel()
	ref, sum, err := in.Commit(ctx, cfg.Blobs, s.identity.Account.Tenant, []string{string(s.identity.Account.ID)})
	if err != nil {
		return false, s.failTo(err)
	}
	add.Content = account.Content{Blob: ref, Summary: sum.Encode()}
	t.adds, t.total = append(t.adds, add), t.total+in.Size()
	return last, nil
}

// options reads what stands before a message.
func (t *taking) options(add *account.NewMessage) (err error) {
	cmd := t.cmd
	cmd.SP()
	// QUIRK: IMAPClient (Python) has two blanks before the second message.
	for len(t.adds) > 0 && cmd.Try(' ') {
	}
	if cmd.Peek() == '(' {
		flags := cmd.Flags()
		if cmd.Err() == nil {
			if add.Flags, add.Words, err = parseFlags(flags); err != nil {
				return err
			}
		}
		cmd.SP()
	}
	if cmd.Peek() == '"' {
		add.Date = account.Millis(cmd.DateTime())
		cmd.SP()
	}
	return cmd.Err()
}

// literal takes in octets that the client sends.
func (t *taking) literal(in *intake.Intake) error {
	s, cmd := t.s, t.cmd
	cmd.Try('~')
	switch {
	case cmd.Err() != nil:
		return cmd.Err()
	case !cmd.open || cmd.Peek() != '{':
		return bad("A message is missing")
	case cmd.literal == math.MaxInt64:
		return bad("A number is out of range")
	}
	if err := t.room(in.Size(), cmd.literal); err != nil {
		return err
	}
	s.consent(cmd)
	s.conn.each(literalPatience)
	r := &io.LimitedReader{R: &s.conn.in, N: cmd.literal}
	_, err := io.Copy(in, r)
	cmd.literal = r.N
	if err != nil {
		if kinds.Of(err) == kinds.Internal { // of the connection: what an intake says has a kind
			return err
		}
		return s.failTo(err)
	}
	if r.N > 0 {
		return io.ErrUnexpectedEOF
	}
	s.conn.all(linePatience)
	line, _, whole, err := s.conn.in.line(s.line[:0], maxCommand)
	s.line = line
	if err != nil {
		return err
	}
	cmd.note(line)
	if why := wire.Malformed(line); !whole || why != "" {
		return bad("There is something behind the message that can't be read")
	}
	cmd.Parser = wire.NewParser(line)
	cmd.Parser.UTF8 = s.utf8
	return nil
}

// find looks for the mailbox, into which the client must have the right to put something.
func (t *taking) find(ctx context.Context) error {
	if t.to != nil {
		return nil
	}
	to, _, err := t.s.mailbox(ctx, t.name, account.MayInsert)
	if err != nil {
		return tryCreate(err)
	}
	t.to = to
	return nil
}

// end lets go what was found.
func (t *taking) end() {
	if t.to != nil {
		t.to.release()
	}
}

// room says whether so many octets more of a message may come.
func (t *taking) room(have, more int64) error {
	s, messages := t.s, int64(len(t.adds)+1)
	switch {
	case more > MaxAppend-have:
		return no(imap.ResponseCodeTooBig, "The message is too large")
	case messages > maxAppends:
		return no(imap.ResponseCodeLimit, "Too many messages in one command")
	}
	ctx, cancel := s.context()
	defer cancel()
	if err := t.find(ctx); err != nil {
		return err
	}
	total := t.total + have + more - t.goes
	if t.place {
		if messages = 0; total <= 0 {
			return nil
		}
	}
	room, err := s.gateway.cfg.Quota.Room(ctx, t.to.owner, messages, total)
	if err != nil {
		return s.failTo(err)
	}
	if room.Quota.Full(t.to.account.State().Standing().Totals, messages, total) {
		return s.failTo(kinds.Errorf(kinds.Quota, "imap: %d bytes are over the quota", total))
	}
	return nil
}
