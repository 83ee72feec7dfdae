package imap

import (
	"context"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// storeTime is how long it may take to store a message that has come.
const storeTime = 5 * time.Minute

// Append is APPEND. The message streams to the blob store by way of an intake; it is in
// the mailbox, durably, before the client is told OK.
func (s *session) Append(name string, r imap.LiteralReader, options *imap.AppendOptions) (*imap.AppendData, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := intake.New(intake.Config{Budget: s.gateway.cfg.Budget, Dir: s.gateway.cfg.TempDir, Max: MaxAppend, Now: s.gateway.cfg.Now})
	defer in.Discard()
	add, err := s.prepare(name, r.Size(), options)
	if err == nil {
		_, err = io.Copy(in, r)
	}
	// What is refused is read off nevertheless.
	if _, lost := io.Copy(io.Discard, r); lost != nil {
		return nil, lost
	}
	alone, lost := s.guard.tail()
	switch {
	case lost != nil:
		return nil, lost
	case err != nil:
		return nil, s.failTo(err)
	case !alone:
		return nil, bad("APPEND takes one message, and nothing after it")
	}
	data, err := s.keep(name, in, add)
	return data, s.failTo(err)
}

// prepare judges the command before the message is read.
func (s *session) prepare(name string, size int64, options *imap.AppendOptions) (add account.NewMessage, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	if add.Flags, add.Words, err = parseFlags(options.Flags); err != nil {
		return add, err
	}
	if !options.Time.IsZero() {
		add.Date = account.Millis(options.Time)
	}
	state := s.account.State()
	if state.Mailbox(name) == nil {
		if err := s.account.Refresh(ctx); err != nil {
			return add, err
		}
		if state = s.account.State(); state.Mailbox(name) == nil {
			return add, kinds.Errorf(kinds.NotFound, "imap: no such mailbox")
		}
	}
	room, err := s.gateway.cfg.Quota.Room(ctx, s.identity, 1, size)
	if err != nil {
		return add, err
	}
	if room.Quota.Full(state.Standing().Totals, 1, size) {
		return add, kinds.Errorf(kinds.Quota, "imap: %d bytes are over the quota", size)
	}
	return add, nil
}

// keep stores the message and puts it into the mailbox.
func (s *session) keep(name string, in *intake.Intake, add account.NewMessage) (*imap.AppendData, error) {
	ctx, cancel := context.WithTimeout(s.ctx, storeTime)
	defer cancel()
	ref, sum, err := in.Commit(ctx, s.gateway.cfg.Blobs, s.identity.Account.Tenant, []string{string(s.identity.Account.ID)})
	if err != nil {
		return nil, err
	}
	room, err := s.gateway.cfg.Quota.Room(ctx, s.identity, 1, ref.Size)
	if err != nil {
		return nil, err
	}
	add.Content = account.Content{Blob: ref, Summary: sum.Encode()}
	uids, validity, err := s.account.Append(ctx, s.by(), name, []account.NewMessage{add}, room)
	if err != nil {
		return nil, err
	}
	return &imap.AppendData{UID: imap.UID(uids[0]), UIDValidity: validity}, nil
}
