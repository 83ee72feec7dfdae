package account

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Event is one thing that happened to an account: an operation of an entry.
type Event struct {
	Seq       uint64 // of the entry: what has the same happened at once
	Time      int64  // milliseconds
	By        By
	Operation string // the entry's operation id
	What      string // in mail's words: "delivered", "moved", "mailbox renamed", ...
	Mailbox   string // by its name then; "": it is of the account
	To        string // where to, of a copy, a move or a new name
	Flags     Flags
	Words     []string       // keywords; names of annotations
	Count     int            // of messages that it happened to
	Messages  []EventMessage // the first of them, at most MaxEventMessages
}

// EventMessage is a message that something happened to.
type EventMessage struct {
	UID     uint32 // in Mailbox; of a new message its UID there
	EmailID string
	Date    int64 // INTERNALDATE
	Size    int64
	Content Content

	ref ContentRef
}

// MaxEventMessages is how many messages an event names at most.
const MaxEventMessages = 20

// HistoryQuery says what of an account's history is asked for.
type HistoryQuery struct {
	After        uint64    // an entry's number
	Since, Until time.Time // zero: no matter
	Mailbox      string    // only what happened to it; "": to any
	EmailID      string    // only what happened to this message; "": to any
	Limit        int       // of events; those of one entry stay together
}

// maxScan is how many entries one answer looks at: with a filter it may be short and not be
// the last.
const maxScan = 2000

// History gives what happened to the account, in order, as far back as that is kept, and the
// entry up to which it has looked; 0: to the end. NotFound when there is no such account.
func (s *Store) History(ctx context.Context, ref Ref, q HistoryQuery) (list []Event, next uint64, err error) {
	for range maxLoads {
		list, next, err = s.historyOnce(ctx, ref, q)
		if g := (*gap)(nil); !errors.As(err, &g) {
			break // else it was trimmed meanwhile
		}
	}
	return list, next, err
}

func (s *Store) historyOnce(ctx context.Context, ref Ref, q HistoryQuery) (list []Event, next uint64, err error) {
	from := Millis(q.Since) - 1
	if q.Since.IsZero() {
		from = -1 << 62
	}
	p, err := s.past(ctx, ref, func(seq uint64, time int64) bool { return seq <= q.After || time <= from })
	if early := (*TooEarly)(nil); errors.As(err, &early) {
		p, err = s.earliest(ctx, ref, early)
	}
	if err != nil {
		return nil, 0, err
	}
	t := &teller{past: p, query: q}
	scanned := 0
	end, err := p.advance(ctx, 500, func(e *Entry) (bool, error) {
		if !q.Until.IsZero() && e.Time > Millis(q.Until) {
			next = 0
			return false, nil
		}
		next = p.state.seq
		if scanned++; scanned > maxScan || len(t.list) >= max(q.Limit, 1) {
			return false, nil
		}
		events, err := t.tell(ctx, e)
		if err != nil {
			return false, err
		}
		next = 0
		t.list = append(t.list, events...)
		return true, nil
	})
	if end {
		next = 0
	}
	return t.list, next, err
}

// earliest gives the account as it was when all that is kept begins.
func (s *Store) earliest(ctx context.Context, ref Ref, early *TooEarly) (*Past, error) {
	ref, _, err := s.current(ctx, ref)
	if err != nil {
		return nil, err
	}
	first, err := s.firstEntry(ctx, ref)
	if err != nil {
		return nil, err
	}
	if first.Seq == 1 {
		return &Past{core: &core{store: s, ref: ref, part: ref.Partition(), sparing: true}, state: NewState(ref)}, nil
	}
	return s.StateAt(ctx, ref, early.Earliest)
}

// teller turns entries into events.
type teller struct {
	past  *Past
	query HistoryQuery
	list  []Event
}

// tell folds an entry, operation by operation, and gives what of it was asked for.
func (t *teller) tell(ctx context.Context, e *Entry) (list []Event, err error) {
	p := t.past
	if err := p.core.store.warm(ctx, p.state, p.snap, p.state.needs(e.Ops)); err != nil {
		return nil, err
	}
	if t.query.EmailID != "" {
		if err := t.load(ctx, e); err != nil {
			return nil, err
		}
	}
	// The state after all of the entry is what Apply makes of it; between its operations
	// names and messages are looked at in a copy.
	look := p.state.Clone()
	if err := p.state.Apply(*e); err != nil {
		return nil, err
	}
	look.seq, look.time = e.Seq, e.Time
	for _, r := range e.records() {
		p.core.store.keep(p.core.part, r.ref, &r.content)
	}
	for i := range e.Ops {
		ev, messages := look.event(e, i)
		if last := len(list) - 1; last >= 0 && ev.many(&list[last]) {
			ok, err := t.fill(ctx, &ev, messages)
			if err != nil {
				return nil, err
			}
			if ok {
				list[last].Count++
				list[last].Messages = append(list[last].Messages, ev.Messages...)
				list[last].Messages = list[last].Messages[:min(len(list[last].Messages), MaxEventMessages)]
			}
			if err := look.op(e, i); err != nil {
				return nil, err
			}
			continue
		}
		if err := look.op(e, i); err != nil {
			return nil, err
		}
		if ev.What == "" {
			continue
		}
		ok, err := t.fill(ctx, &ev, messages)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, ev)
		}
	}
	return list, nil
}

// many tells whether an event is one of hundreds in an entry that are told together.
func (ev *Event) many(last *Event) bool {
	return (ev.What == "restored" || ev.What == "imported") && ev.What == last.What && ev.Mailbox == last.Mailbox
}

// load reads mailboxes that an entry deletes: their messages go with them.
func (t *teller) load(ctx context.Context, e *Entry) error {
	for i := range e.Ops {
		if d := e.Ops[i].DeleteMailbox; d != nil {
			if _, err := t.past.Load(ctx, d.Mailbox); err != nil {
				return err
			}
		}
	}
	return nil
}

// fill gives the messages of an event, and tells whether it was asked for.
func (t *teller) fill(ctx context.Context, ev *Event, messages []EventMessage) (bool, error) {
	if m := t.query.Mailbox; m != "" && canonical(m) != ev.Mailbox && canonical(m) != ev.To {
		return false, nil
	}
	if t.query.EmailID == "" {
		messages = messages[:min(len(messages), MaxEventMessages)]
	}
	for part := range slices.Chunk(messages, page) {
		refs := make([]ContentRef, len(part))
		for i := range part {
			refs[i] = part[i].ref
		}
		contents, err := t.past.Contents(ctx, refs)
		if err != nil {
			return false, err
		}
		for i := range part {
			part[i].EmailID, part[i].Content = contents[i].EmailID, contents[i]
			if t.query.EmailID == "" || part[i].EmailID == t.query.EmailID {
				ev.Messages = append(ev.Messages, part[i])
			}
		}
	}
	return t.query.EmailID == "" || len(ev.Messages) > 0, nil
}
