package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/sharing"
)

// Limits of what moves mail. A request that an API gateway hands to a Lambda may have 6 MB
// with all that base64 adds, and so may its answer.
const (
	maxBatch     = 4_000_000 // bytes of a request with messages, or of a part of one
	maxMessages  = 1000      // in one request
	maxMessage   = 100 << 20 // bytes of a message, as for APPEND
	maxTransfers = 4         // requests with messages that one process works on at a time
)

// Mail is what the endpoints for mail need.
type Mail struct {
	Accounts *account.Store
	Blobs    blob.Store
	Sharing  *sharing.Sharing // nil: one over the others
}

// Mailbox is a mailbox of an account.
type Mailbox struct {
	ID          string `json:"id" doc:"As IMAP has it (RFC 8474): it stays when the mailbox is renamed."`
	Name        string `json:"name" doc:"Levels are separated by a slash."`
	SpecialUse  string `json:"special_use,omitempty" doc:"As IMAP has it (RFC 6154)."`
	Subscribed  bool   `json:"subscribed"`
	Messages    int    `json:"messages"`
	Unseen      int    `json:"unseen"`
	Bytes       int64  `json:"bytes"`
	UIDValidity uint32 `json:"uid_validity"`
	UIDNext     uint32 `json:"uid_next"`
}

// Message is a message in a mailbox.
type Message struct {
	UID      uint32    `json:"uid"`
	Flags    []string  `json:"flags" nullable:"false" doc:"System flags and keywords, as IMAP has them."`
	Date     time.Time `json:"date" doc:"When it arrived (IMAP's INTERNALDATE)."`
	Size     int64     `json:"size" doc:"Octets."`
	EmailID  string    `json:"email_id" doc:"As IMAP has it (RFC 8474): all copies of a message have one."`
	ThreadID string    `json:"thread_id"`
}

// MailboxPath names a mailbox.
type MailboxPath struct {
	AccountPath
	Mailbox string `path:"mailbox" maxLength:"64" doc:"Its id."`
}

func viewMailbox(s *account.State, m *account.Mailbox) Mailbox {
	return Mailbox{ID: m.ObjectID(s.Ref()), Name: m.Name, SpecialUse: m.SpecialUse, Subscribed: s.Subscribed(m.Name), Messages: m.Count,
		Unseen: m.Unseen, Bytes: m.Bytes, UIDValidity: m.UIDValidity, UIDNext: m.UIDNext}
}

// mailOf gives the account at an address to a key that may see its mail.
func (s *server) mailOf(ctx context.Context, address string) (directory.Account, error) {
	who := scope(ctx)
	a, err := s.dir.Account(ctx, who, address)
	if err == nil {
		err = who.NeedMail()
	}
	return a, err
}

// opened opens the account at an address for a key that may see its mail.
func (s *server) opened(ctx context.Context, address string) (*account.Account, error) {
	a, err := s.mailOf(ctx, address)
	if err != nil {
		return nil, err
	}
	return s.mail.Accounts.Open(ctx, a.Ref)
}

// mailbox finds a mailbox by its id and reads its messages.
func loaded(ctx context.Context, a *account.Account, id string) (*account.Mailbox, error) {
	for _, m := range a.State().Mailboxes() {
		if m.ObjectID(a.Ref()) == id {
			state, err := a.Load(ctx, m.ID)
			if err != nil {
				return nil, err
			}
			if m = state.MailboxByID(m.ID); m != nil {
				return m, nil
			}
		}
	}
	return nil, kinds.Errorf(kinds.NotFound, "api: no such mailbox")
}

func (s *server) mailboxes(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/mailboxes", "list-mailboxes", "List the mailboxes of an account", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			AccountPath
		}) (*list[Mailbox], error) {
			after, err := position("mailboxes/"+in.Address, in.Cursor)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			a, err := s.opened(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			defer a.Close()
			state := a.State()
			found := slices.DeleteFunc(slices.Clone(state.Mailboxes()), func(m *account.Mailbox) bool { return m.Name <= after })
			slices.SortFunc(found, func(x, y *account.Mailbox) int { return strings.Compare(x.Name, y.Name) })
			found = found[:min(len(found), in.limit())]
			next := following(found, in.limit(), func(m *account.Mailbox) string { return m.Name })
			return fill("mailboxes/"+in.Address, found, next, func(m *account.Mailbox) Mailbox { return viewMailbox(state, m) }), nil
		})

	huma.Register(api, operation(http.MethodPost, "/v1/accounts/{address}/mailboxes", "create-mailbox", "Create a mailbox, those above it, and a subscription to it", http.StatusCreated),
		func(ctx context.Context, in *struct {
			AccountPath
			Body struct {
				Name string `json:"name" maxLength:"2000" doc:"Levels are separated by a slash."`
			}
		}) (*made[Mailbox], error) {
			a, err := s.opened(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			defer a.Close()
			by := account.By{Actor: scope(ctx).Actor, Protocol: "api"}
			id, err := a.CreateMailbox(ctx, by, in.Body.Name, "")
			if err != nil {
				return nil, s.problem(ctx, explain(err))
			}
			if err := a.SetSubscribed(ctx, by, in.Body.Name, true); err != nil {
				return nil, s.problem(ctx, err)
			}
			state := a.State()
			m := state.MailboxByID(id)
			if m == nil {
				return nil, s.problem(ctx, kinds.Errorf(kinds.NotFound, "api: no such mailbox"))
			}
			view := viewMailbox(state, m)
			return created(ctx, s, "/v1/accounts/"+segment(in.Address)+"/mailboxes/"+view.ID+"/messages", view.ID, view, nil)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/mailboxes/{mailbox}/messages", "list-messages", "List the messages of a mailbox", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			MailboxPath
		}) (*list[Message], error) {
			of := "messages/" + in.Address + "/" + in.Mailbox
			after, err := uidPosition(of, in.Cursor)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			a, err := s.opened(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			defer a.Close()
			l, err := listMessages(ctx, a, in.Mailbox, of, after, in.limit())
			return l, s.problem(ctx, err)
		})

	s.octets(api)
}

// explain lets a client read what is wrong with what it has sent.
func explain(err error) error {
	switch kind := kinds.Of(err); kind {
	case kinds.Invalid, kinds.Limit, kinds.Exists:
		return kinds.Errorf(kind, "api: %s", strings.TrimPrefix(err.Error(), "account: "))
	}
	return err
}
