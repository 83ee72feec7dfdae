package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Suppression is an address to which a tenant's mail is not sent any more.
type Suppression struct {
	ID      string    `json:"id"`
	Tenant  string    `json:"tenant"`
	Address string    `json:"address"`
	Reason  string    `json:"reason" enum:"bounce,complaint"`
	Said    string    `json:"said,omitempty" doc:"What the other side said."`
	Since   time.Time `json:"since"`
}

func viewSuppression(a spool.Suppressed) Suppression {
	return Suppression{ID: a.ID, Tenant: a.Tenant, Address: a.Address, Reason: a.Reason, Said: a.Said, Since: time.UnixMilli(a.AtMS).UTC()}
}

// SuppressionPath names an address that is suppressed.
type SuppressionPath struct {
	ID string `path:"id" maxLength:"640"`
}

func (s *server) suppressions(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/suppressions", "list-suppressions", "List addresses to which no mail is sent any more", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByTenant
		}) (*list[Suppression], error) {
			return listed(ctx, s, in.Paged, "suppressions/"+in.Tenant, in.Tenant, func(who directory.Scope, after string) ([]spool.Suppressed, string, error) {
				if err := who.NeedTenant(); err != nil {
					return nil, "", err
				}
				found, err := s.outgoing.ListSuppressed(ctx, who.Tenant, after, in.limit())
				return found, following(found, in.limit(), func(a spool.Suppressed) string { return a.ID }), err
			}, viewSuppression)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/suppressions/{id}", "delete-suppression", "Let an address be sent to again", http.StatusNoContent),
		func(ctx context.Context, in *SuppressionPath) (*none, error) {
			return nil, s.problem(ctx, s.unsuppress(ctx, in.ID))
		})
}

func (s *server) unsuppress(ctx context.Context, id string) error {
	who := scope(ctx)
	if tenant, _, _ := strings.Cut(id, ":"); who.Tenant != "" && who.Tenant != tenant {
		return kinds.Errorf(kinds.NotFound, "api: no such address")
	}
	if err := who.NeedTenant(); err != nil {
		return err
	}
	return s.outgoing.Unsuppress(ctx, id)
}
