package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Account is who owns mail.
type Account struct {
	Address   string    `json:"address"`
	ID        string    `json:"id" doc:"Random, and never used again."`
	Tenant    string    `json:"tenant"`
	Domain    string    `json:"domain"`
	Name      string    `json:"name,omitempty"`
	Suspended bool      `json:"suspended" doc:"Itself; its domain or tenant may be besides."`
	Public    bool      `json:"public,omitempty" doc:"It belongs to nobody: there is no login, and others of the tenant find it in IMAP below Shared/."`
	Created   time.Time `json:"created"`
}

// Sending is what an account may send, beside its settings.
type Sending struct {
	Identities []string  `json:"identities" nullable:"false" doc:"Addresses, and domains as *@domain, that it may send as beside its own."`
	Held       bool      `json:"held" doc:"Its mail to other hosts is held."`
	Since      time.Time `json:"since,omitzero"`
	Reason     string    `json:"reason,omitempty"`
}

func viewSending(a directory.Account) Sending {
	v := Sending{Identities: append([]string{}, a.Identities...)}
	if a.Stopped != nil {
		v.Held, v.Since, v.Reason = true, directory.Time(a.Stopped.At), a.Stopped.Reason
	}
	return v
}

// AccountUse is an account and what it holds.
type AccountUse struct {
	Account
	Quota        int64 `json:"quota" doc:"Bytes; 0 is none."`
	MessageQuota int64 `json:"message_quota" doc:"Messages; 0 is none."`
	Usage        Usage `json:"usage"`
}

// Usage is what an account holds, exactly.
type Usage struct {
	Messages  int64 `json:"messages"`
	Bytes     int64 `json:"bytes"`
	Mailboxes int64 `json:"mailboxes"`
}

// NewAccount is an account just made.
type NewAccount struct {
	Account
	Password string `json:"password,omitempty" doc:"The one that was generated, when none was sent. It is shown only now."`
}

func viewAccount(a directory.Account) Account {
	return Account{Address: a.Address, ID: string(a.Ref.ID), Tenant: a.Ref.Tenant, Domain: a.Domain, Name: a.Name, Suspended: a.Suspended, Public: a.Public, Created: directory.Time(a.Created)}
}

// AccountPath names what is at an address.
type AccountPath struct {
	Address string `path:"address" maxLength:"254"`
}

// ByDomain filters a list.
type ByDomain struct {
	ByTenant
	Domain string `query:"domain" maxLength:"255" doc:"Only in this domain."`
}

// of names the list, for its cursors.
func (b ByDomain) of(what string) string { return what + "/" + b.Tenant + "/" + b.Domain }

// generate makes a password: 130 random bits.
func generate() string { return strings.ToLower(rand.Text()) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// segment makes an address fit for a path.
func segment(s string) string { return url.PathEscape(s) }

func (s *server) accounts(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/accounts", "list-accounts", "List accounts", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByDomain
		}) (*list[Account], error) {
			return listedByDomain(ctx, s, in.Paged, in.ByDomain, "accounts", s.dir.Accounts, viewAccount)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/accounts", "create-account", "Create an account", http.StatusCreated),
		func(ctx context.Context, in *struct {
			Body struct {
				Address  string    `json:"address" maxLength:"254"`
				Name     string    `json:"name,omitempty" maxLength:"200"`
				Password string    `json:"password,omitempty" maxLength:"1024" doc:"8 bytes or more; one is generated when it is left out."`
				Settings *Settings `json:"settings,omitempty"`
				Public   bool      `json:"public,omitempty" doc:"Make an account that belongs to nobody: it has no login."`
				Anyone   string    `json:"anyone,omitempty" maxLength:"20" doc:"What all accounts of the tenant may do with the INBOX of a public account: lrsp when it is left out, letters of lrswipkxtea. With p it takes mail at its address."`
			}
		}) (*made[NewAccount], error) {
			rights, err := account.ParseRights(orElse(in.Body.Anyone, "lrsp"))
			if err != nil || in.Body.Anyone != "" && !in.Body.Public {
				_, domain, _ := strings.Cut(in.Body.Address, "@")
				if _, err = s.dir.Domain(ctx, scope(ctx), domain); err == nil {
					err = kinds.Errorf(kinds.Invalid, "api: anyone takes letters of lrswipkxtea, and is for a public account")
				}
				return nil, s.problem(ctx, err)
			}
			if in.Body.Public && s.mail == nil {
				return nil, s.problem(ctx, kinds.Errorf(kinds.Denied, "api: there is no looking into accounts here"))
			}
			n := directory.NewAccount{Address: in.Body.Address, Name: in.Body.Name, Password: in.Body.Password, Public: in.Body.Public}
			generated := ""
			if n.Password == "" && !n.Public {
				generated = generate()
				n.Password = generated
			}
			if in.Body.Settings != nil {
				n.Settings = in.Body.Settings.settings()
			}
			a, err := s.dir.CreateAccount(ctx, scope(ctx), n)
			if err == nil && n.Public {
				err = s.shareInbox(ctx, a, rights)
			}
			return created(ctx, s, "/v1/accounts/"+segment(a.Address), a.Tag, NewAccount{viewAccount(a), generated}, err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/accounts/{address}", "get-account", "Show an account and what it holds", http.StatusOK),
		func(ctx context.Context, in *AccountPath) (*one[AccountUse], error) {
			a, err := s.dir.Account(ctx, scope(ctx), in.Address)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			effective, err := s.dir.AccountSettings(ctx, a)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			use, err := s.dir.Usage(ctx, a)
			return shown(ctx, s, a.Tag, AccountUse{Account: viewAccount(a), Quota: effective.Account.Bytes, MessageQuota: effective.Account.Messages, Usage: Usage(use)}, err)
		})

	huma.Register(api, operation(http.MethodPatch, "/v1/accounts/{address}", "change-account", "Change an account: what is left out stays", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			MayMatch
			Body struct {
				Name      *string `json:"name,omitempty" maxLength:"200"`
				Suspended *bool   `json:"suspended,omitempty" doc:"Ends the account's sessions before the answer."`
			}
		}) (*one[Account], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			a, err := s.dir.ChangeAccount(ctx, scope(ctx), in.Address, match, func(a *directory.Account) error {
				set(&a.Name, in.Body.Name)
				set(&a.Suspended, in.Body.Suspended)
				return nil
			})
			return shown(ctx, s, a.Tag, viewAccount(a), err)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/accounts/{address}", "delete-account", "Delete an account and free its address", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			AccountPath
			MayMatch
		}) (*none, error) {
			return s.remove(ctx, in.MayMatch, in.Address, s.deleteAccount)
		})
}
