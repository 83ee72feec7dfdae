package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
)

// DeletedAccount is one that can come back.
type DeletedAccount struct {
	Address string    `json:"address" doc:"That it had."`
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Deleted time.Time `json:"deleted"`
	Until   time.Time `json:"until" doc:"After this it is too late."`
}

func (s *server) deleted(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/domains/{domain}/deleted-accounts", "list-deleted-accounts", "List a domain's deleted accounts that can come back", http.StatusOK),
		func(ctx context.Context, in *struct {
			DomainPath
			Paged
		}) (*list[DeletedAccount], error) {
			return listed(ctx, s, in.Paged, "deleted/"+in.Domain, "", func(who directory.Scope, after string) ([]directory.Deleted, string, error) {
				found, err := s.dir.Deleted(ctx, who, in.Domain, after, in.limit())
				return found, following(found, in.limit(), func(d directory.Deleted) string { return string(d.Ref.ID) }), err
			}, func(d directory.Deleted) DeletedAccount {
				return DeletedAccount{d.Address, string(d.Ref.ID), d.Name, directory.Time(d.Deleted), directory.Time(d.Until)}
			})
		})

	huma.Register(api, operation(http.MethodPost, "/v1/accounts/{address}/undelete", "undelete-account", "Give a deleted account back its mail and its address, or another one", http.StatusOK),
		func(ctx context.Context, in *struct {
			AccountPath
			Body struct {
				ID       string `json:"id,omitempty" maxLength:"64" doc:"Which of those that had the address; the last one when it is left out."`
				As       string `json:"as,omitempty" maxLength:"254" doc:"Another address, of the same tenant."`
				Password string `json:"password,omitempty" maxLength:"1024" doc:"A new one, which ends app passwords. All are as they were when it is left out."`
			}
		}) (*one[Account], error) {
			a, err := s.dir.UndeleteAccount(ctx, scope(ctx), in.Address, directory.Undelete{ID: account.ID(in.Body.ID), As: in.Body.As, Password: in.Body.Password})
			if err == nil {
				s.cameBack(ctx, a)
			}
			return shown(ctx, s, a.Tag, viewAccount(a), err)
		})
}

// cameBack adds what an account holds to the sums. It is let in whatever their quotas are.
func (s *server) cameBack(ctx context.Context, a directory.Account) {
	if s.quota == nil {
		return
	}
	held, err := s.dir.Usage(ctx, a)
	if err == nil {
		err = s.quota.Add(ctx, a.Ref.Tenant, a.Domain, held.Messages, held.Bytes)
	}
	if err != nil { // the next count finds it
		s.log.WarnContext(ctx, "cannot add an account to what its domain holds", "account", a.Ref.ID, "error", err)
	}
}
