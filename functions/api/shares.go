package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Share is what somebody may do with a mailbox that is not theirs.
type Share struct {
	Mailbox    string `json:"mailbox" doc:"Its name."`
	With       string `json:"with" doc:"An account or group by its address, or anyone, which is all accounts of the tenant; a dash before it takes rights away."`
	Rights     string `json:"rights" doc:"Letters as IMAP has them (RFC 4314): lrswipkxtea."`
	SharedSeen bool   `json:"shared_seen" doc:"All who read the mailbox share one \\Seen; otherwise each has their own."`
}

func (s *server) shares(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}/shares", "list-shares", "List what an account shares", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*list[Share], error) {
			a, err := s.opened(ctx, in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			defer a.Close()
			found := []Share{}
			for _, m := range a.State().Mailboxes() {
				for _, g := range m.ACL {
					name, err := s.mail.Sharing.Name(ctx, a.Ref().Tenant, g.Who)
					if err != nil {
						return nil, s.problem(ctx, err)
					}
					found = append(found, Share{Mailbox: m.Name, With: name, Rights: g.Rights.Letters(), SharedSeen: m.SharedSeen})
				}
			}
			return fill("shares/"+in.Address, found, "", func(s Share) Share { return s }), nil
		})

	huma.Register(api, operation(http.MethodPut, "/v1/accounts/{address}/shares", "share-mailbox", "Say what somebody may do with a mailbox, in place of what they could", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			Body struct {
				Mailbox    string `json:"mailbox" maxLength:"2000" doc:"Its name."`
				With       string `json:"with" maxLength:"300" doc:"An account or group by its address, or anyone."`
				Rights     string `json:"rights" maxLength:"20" doc:"lrswipkxtea; none take the share away."`
				SharedSeen *bool  `json:"shared_seen,omitempty" doc:"Whether all who read the mailbox share one \\Seen. What is left out stays."`
			}
		}) (*struct{ Body Share }, error) {
			share, err := s.share(ctx, in.Address, in.Body.Mailbox, in.Body.With, in.Body.Rights, in.Body.SharedSeen)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return &struct{ Body Share }{share}, nil
		})
}

// share grants rights to a mailbox.
func (s *server) share(ctx context.Context, address, mailbox, with, letters string, sharedSeen *bool) (Share, error) {
	a, err := s.opened(ctx, address)
	if err != nil {
		return Share{}, err
	}
	defer a.Close()
	rights, err := account.ParseRights(letters)
	if err != nil {
		return Share{}, explain(err)
	}
	m := a.State().Mailbox(mailbox)
	if m == nil {
		return Share{}, kinds.Errorf(kinds.NotFound, "api: no such mailbox")
	}
	_, domain, _ := strings.Cut(address, "@")
	who, err := s.mail.Sharing.Known(ctx, a.Ref().Tenant, domain, m, with)
	switch {
	case kinds.Is(err, kinds.NotFound):
		return Share{}, kinds.Errorf(kinds.Invalid, "api: there is no such account or group in the tenant")
	case err != nil:
		return Share{}, err
	case strings.TrimPrefix(who, "-") == account.User(a.Ref().ID):
		return Share{}, kinds.Errorf(kinds.Invalid, "api: the owner may do all, always")
	}
	by := account.By{Actor: scope(ctx).Actor, Protocol: "api"}
	if err := s.mail.Sharing.Grant(ctx, by, a, m.ID, who, func(account.Rights) account.Rights { return rights }); err != nil {
		return Share{}, explain(err)
	}
	if sharedSeen != nil {
		if err := a.ShareSeen(ctx, by, m.ID, *sharedSeen); err != nil {
			return Share{}, explain(err)
		}
	}
	share := Share{Mailbox: m.Name, Rights: rights.Letters()}
	if now := a.State().MailboxByID(m.ID); now != nil {
		share.SharedSeen = now.SharedSeen
	}
	share.With, err = s.mail.Sharing.Name(ctx, a.Ref().Tenant, who)
	return share, err
}

// shareInbox lets all accounts of the tenant do something with the INBOX of a public account
// that has just been made.
func (s *server) shareInbox(ctx context.Context, of directory.Account, rights account.Rights) error {
	a, err := s.mail.Accounts.Open(ctx, of.Ref)
	if err != nil {
		return err
	}
	defer a.Close()
	by := account.By{Actor: scope(ctx).Actor, Protocol: "api"}
	return s.mail.Sharing.Grant(ctx, by, a, account.Inbox, account.Anyone, func(account.Rights) account.Rights { return rights })
}
