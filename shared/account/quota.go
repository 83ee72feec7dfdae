package account

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Quota is how much may be held; 0 is any amount.
type Quota struct {
	Bytes    int64 `cbor:"1,keyasint,omitempty"`
	Messages int64 `cbor:"2,keyasint,omitempty"`
}

// Full tells whether who holds so much has no room for messages of so many bytes. Where
// it isn't known how many bytes they have (0), there is room if there is any.
func (q Quota) Full(held Totals, messages, bytes int64) bool {
	return q.Bytes > 0 && held.Bytes+max(bytes, 1) > q.Bytes || q.Messages > 0 && held.Messages+messages > q.Messages
}

// Room is what messages that are put into an account are held against.
type Room struct {
	Quota Quota
	Warn  Warn
}

// Warn is asked with each entry that adds messages, and gives a message to go into INBOX
// with it, or nil: since it is in the same entry, it comes exactly as often as the entry
// itself. It is asked again where the entry is made anew. The message has no UID and no
// name, and is put there whether or not there is room.
type Warn func(ctx context.Context, before, after Totals) *Add

// add asks w, which may be nil, of operations that add messages to who holds before.
func (w Warn) add(ctx context.Context, ops []Op, before Totals, messages, bytes int64) []Op {
	if w == nil {
		return ops
	}
	after := before
	after.Messages += messages
	after.Bytes += bytes
	if after.Messages >= MaxMessages {
		return ops
	}
	if add := w(ctx, before, after); add != nil {
		add.Mailbox = Inbox
		ops = append(ops, Op{Add: add})
	}
	return ops
}

// room fails when the account has no room for so much more.
func (s *State) room(quota Quota, messages, bytes int64) error {
	t := s.standing.Totals
	if quota.Full(t, messages, bytes) {
		return kinds.Errorf(kinds.Quota, "account: %d bytes in %d messages and %d in %d more are over the quota of %d in %d",
			t.Bytes, t.Messages, bytes, messages, quota.Bytes, quota.Messages)
	}
	if t.Messages+messages > MaxMessages {
		return kinds.Errorf(kinds.Limit, "account: more than %d messages", MaxMessages)
	}
	return nil
}

// grown tells of an entry that this process wrote after state.
func (s *Store) grown(state *State, e *Entry, by By) {
	before, after := state.standing.Totals, e.Standing.Totals
	before.Mailboxes, after.Mailboxes = 0, 0
	if s.cfg.Grown != nil && by.Domain != "" && before != after {
		s.cfg.Grown(state.ref, by, after.Messages-before.Messages, after.Bytes-before.Bytes)
	}
}
