package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// restoreTime is how long one request restores: it then answers that there is more to do.
const restoreTime = 10 * time.Second

// Event is one thing that happened to an account.
type Event struct {
	Time      time.Time      `json:"time"`
	What      string         `json:"what" doc:"In mail's words: delivered, moved, flags added, mailbox renamed, ..."`
	Mailbox   string         `json:"mailbox,omitempty" doc:"By its name then."`
	To        string         `json:"to,omitempty" doc:"Where to, of a copy, a move or a new name."`
	Flags     []string       `json:"flags,omitempty"`
	Count     int            `json:"count,omitempty" doc:"How many messages it happened to."`
	Messages  []EventMessage `json:"messages,omitempty" doc:"The first of them."`
	Protocol  string         `json:"protocol,omitempty"`
	Actor     string         `json:"actor,omitempty" doc:"An account's or a key's id, or system."`
	Session   string         `json:"session,omitempty"`
	Operation string         `json:"operation" doc:"What has the same was done at once."`
}

// EventMessage is a message that something happened to.
type EventMessage struct {
	ID      string    `json:"id" doc:"Its EMAILID, the same in all mailboxes."`
	UID     uint32    `json:"uid"`
	Date    time.Time `json:"date" doc:"Its INTERNALDATE."`
	Size    int64     `json:"size"`
	Subject string    `json:"subject,omitempty" doc:"Only where subjects are asked for."`
}

// Restored says what a restore did, or would do.
type Restored struct {
	Messages         int64  `json:"messages" doc:"Put back."`
	Bytes            int64  `json:"bytes" doc:"Of those."`
	Flags            int64  `json:"flags" doc:"Messages whose flags are as they were again."`
	Removed          int64  `json:"removed" doc:"Messages that came later."`
	MailboxesCreated int64  `json:"mailboxes_created"`
	MailboxesRenamed int64  `json:"mailboxes_renamed"`
	MailboxesDeleted int64  `json:"mailboxes_deleted"`
	Subscriptions    int64  `json:"subscriptions" doc:"Changed."`
	Annotations      int64  `json:"annotations" doc:"Of mailboxes and of the account (RFC 5464), changed."`
	Since            uint64 `json:"since" doc:"Where it began, for going on with it."`
	Done             bool   `json:"done" doc:"false: there was no time for all of it; it is sent again with since."`
}

func viewRestored(r account.Restored) Restored {
	return Restored{Messages: r.Messages, Bytes: r.Bytes, Flags: r.Flags, Removed: r.Removed, MailboxesCreated: r.Created,
		MailboxesRenamed: r.Renamed, MailboxesDeleted: r.Deleted, Subscriptions: r.Subscribed, Annotations: r.Annotated, Since: r.Since, Done: r.Done}
}

func viewEvent(e *account.Event, subjects bool) Event {
	v := Event{Time: directory.Time(e.Time), What: e.What, Mailbox: e.Mailbox, To: e.To, Flags: append(flagNames(e.Flags), e.Words...),
		Count: e.Count, Protocol: e.By.Protocol, Actor: e.By.Actor, Session: e.By.Session, Operation: e.Operation}
	for i := range e.Messages {
		m := &e.Messages[i]
		view := EventMessage{ID: m.EmailID, UID: m.UID, Date: directory.Time(m.Date), Size: m.Size}
		if subjects {
			if sum, err := message.Decode(m.Content.Summary); err == nil {
				view.Subject = sum.Envelope.Subject
			}
		}
		v.Messages = append(v.Messages, view)
	}
	return v
}

// RFC 9051, section 2.3.2: the system flags.
func flagNames(f account.Flags) (names []string) {
	for _, flag := range []struct {
		is   account.Flags
		name string
	}{{account.Seen, `\Seen`}, {account.Answered, `\Answered`}, {account.Flagged, `\Flagged`}, {account.Deleted, `\Deleted`}, {account.Draft, `\Draft`}} {
		if f&flag.is != 0 {
			names = append(names, flag.name)
		}
	}
	return names
}

// pastProblem explains what is wrong with a question about an account that is there.
func (s *server) pastProblem(ctx context.Context, err error) error {
	early := (*account.TooEarly)(nil)
	switch kind := kinds.Of(err); {
	case errors.As(err, &early):
		err = kinds.Errorf(kind, "api: the account's past is known from %s on", early.Earliest.Format(time.RFC3339))
	case kind == kinds.NotFound:
		err = kinds.Errorf(kinds.Invalid, "api: there was no mailbox of that name then")
	case kind == kinds.Exists:
		err = kinds.Errorf(kind, "api: there is a mailbox of that name")
	case kind == kinds.Invalid || kind == kinds.Limit:
		if text, ok := strings.CutPrefix(err.Error(), "account: "); ok {
			err = kinds.Errorf(kind, "api: %s", text)
		}
	}
	return s.problem(ctx, err)
}

func (s *server) past(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/history", "account-history", "Tell what happened to an account, in order", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			Paged
			Mailbox  string    `query:"mailbox" maxLength:"1000" doc:"Only what happened to this mailbox, by its name then."`
			Message  string    `query:"message" maxLength:"20" doc:"Only what happened to the message with this EMAILID."`
			Since    time.Time `query:"since"`
			Until    time.Time `query:"until"`
			Subjects bool      `query:"subjects" doc:"Tell messages' subjects, too. Bodies are never told."`
		}) (*list[Event], error) {
			a, err := s.mailOf(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			of := "history/" + string(a.Ref.ID)
			text, err := position(of, in.Cursor)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			q := account.HistoryQuery{Since: in.Since, Until: in.Until, Mailbox: in.Mailbox, EmailID: in.Message, Limit: in.limit()}
			if text != "" {
				if q.After, err = strconv.ParseUint(text, 10, 64); err != nil {
					return nil, s.problem(ctx, kinds.Wrap(kinds.Invalid, err, "api: a cursor"))
				}
				q.Since = time.Time{}
			}
			events, next, err := s.mail.Accounts.History(ctx, a.Ref, q)
			if err != nil {
				return nil, s.pastProblem(ctx, err)
			}
			text = ""
			if next > 0 {
				text = strconv.FormatUint(next, 10)
			}
			return fill(of, events, text, func(e account.Event) Event { return viewEvent(&e, in.Subjects) }), nil
		})

	huma.Register(api, operation(http.MethodPost, "/v1/accounts/{address}/restore", "restore-account", "Make an account, or one mailbox of it, as it was at a time", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			Body struct {
				At      time.Time `json:"at"`
				Mailbox string    `json:"mailbox,omitempty" maxLength:"1000" doc:"Only the messages of the one that had this name then."`
				Into    string    `json:"into,omitempty" maxLength:"1000" doc:"Restore into a new mailbox, or a tree of them, of this name."`
				Exact   bool      `json:"exact,omitempty" doc:"Remove what came later."`
				DryRun  bool      `json:"dry_run,omitempty" doc:"Only say what would be done."`
				Since   uint64    `json:"since,omitempty" doc:"Of the answer to a restore that isn't done, to go on with it."`
			}
		}) (*one[Restored], error) {
			a, err := s.mailOf(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			b := &in.Body
			done, err := s.restore(ctx, a, account.Restore{At: b.At, Mailbox: b.Mailbox, Into: b.Into, Exact: b.Exact, Dry: b.DryRun, Since: b.Since, For: restoreTime})
			if err != nil {
				return nil, s.pastProblem(ctx, err)
			}
			return shown(ctx, s, a.Tag, viewRestored(done), nil)
		})
}

// restore holds a restore against all quotas, does it and counts it.
func (s *server) restore(ctx context.Context, a directory.Account, r account.Restore) (done account.Restored, err error) {
	open, err := s.mail.Accounts.Open(ctx, a.Ref)
	if err != nil {
		return done, err
	}
	defer open.Close()
	by := account.By{Actor: scope(ctx).Actor, Protocol: "api"}
	var planned account.Restored
	if !r.Dry && r.Since == 0 { // one that is gone on with was let in as a whole
		dry := r
		dry.Dry = true
		if planned, err = open.Restore(ctx, by, dry); err != nil {
			return done, err
		}
	}
	if !r.Dry {
		if r.Room, err = s.room(ctx, a, planned); err != nil {
			return done, err
		}
	}
	done, err = open.Restore(ctx, by, r)
	if !r.Dry {
		// Grants that came back lead others to the account again.
		if _, failed := s.mail.Sharing.Missing(context.WithoutCancel(ctx), a.Ref, open.State(), true); failed != nil {
			s.log.WarnContext(ctx, "cannot write hints to what is shared", "account", a.Ref.ID, "error", failed)
		}
	}
	if r.Dry || s.quota == nil {
		return done, err
	}
	if done.Messages != done.Removed || done.Bytes != done.RemovedBytes {
		if err := s.quota.Add(context.WithoutCancel(ctx), a.Ref.Tenant, a.Domain, done.Messages-done.Removed, done.Bytes-done.RemovedBytes); err != nil {
			s.log.WarnContext(ctx, "cannot add what was restored to what its domain holds", "account", a.Ref.ID, "error", err)
		}
	}
	return done, err
}

// room gives what a restore is held against.
func (s *server) room(ctx context.Context, a directory.Account, planned account.Restored) (account.Room, error) {
	id := &directory.Identity{Account: a.Ref, Tenant: a.Ref.Tenant, Domain: a.Domain, Address: a.Address}
	if s.quota != nil && planned.Messages > 0 {
		return s.quota.Room(ctx, id, max(0, planned.Messages-planned.Removed), max(0, planned.Bytes-planned.RemovedBytes))
	}
	l, err := s.dir.Limits(ctx, id)
	return account.Room{Quota: l.Account}, err
}
