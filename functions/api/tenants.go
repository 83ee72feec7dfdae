package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Tenant is a customer of the service.
type Tenant struct {
	Name       string    `json:"name"`
	Suspended  bool      `json:"suspended" doc:"Nobody of the tenant receives mail or logs in."`
	Postmaster string    `json:"postmaster,omitempty" doc:"Gets mail for postmaster in domains that name nobody."`
	Created    time.Time `json:"created"`
}

func viewTenant(t directory.Tenant) Tenant {
	return Tenant{Name: t.Name, Suspended: t.Suspended, Postmaster: t.Postmaster, Created: directory.Time(t.Created)}
}

// TenantPath names a tenant.
type TenantPath struct {
	Tenant string `path:"tenant" maxLength:"63"`
}

func (s *server) tenants(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/tenants", "list-tenants", "List the tenants that the key sees", http.StatusOK),
		func(ctx context.Context, in *Paged) (*list[Tenant], error) {
			return listed(ctx, s, *in, "tenants", "", func(who directory.Scope, after string) ([]directory.Tenant, string, error) {
				found, err := s.dir.Tenants(ctx, who, after, in.limit())
				return found, following(found, in.limit(), func(t directory.Tenant) string { return t.Name }), err
			}, viewTenant)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/tenants", "create-tenant", "Create a tenant", http.StatusCreated),
		func(ctx context.Context, in *struct {
			Body struct {
				Name string `json:"name" maxLength:"63" doc:"1 to 63 of a-z, 0-9 and -."`
			}
		}) (*made[Tenant], error) {
			t, err := s.dir.CreateTenant(ctx, scope(ctx), in.Body.Name)
			return created(ctx, s, "/v1/tenants/"+t.Name, t.Tag, viewTenant(t), err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/tenants/{tenant}", "get-tenant", "Show a tenant and what it holds", http.StatusOK),
		func(ctx context.Context, in *TenantPath) (*one[TenantUse], error) {
			t, err := s.dir.Tenant(ctx, scope(ctx), in.Tenant)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			use, err := s.tenantUse(ctx, t)
			return shown(ctx, s, t.Tag, use, err)
		})

	huma.Register(api, operation(http.MethodPatch, "/v1/tenants/{tenant}", "change-tenant", "Change a tenant: what is left out stays", http.StatusOK),
		func(ctx context.Context, in *struct {
			TenantPath
			MayMatch
			Body struct {
				Suspended  *bool   `json:"suspended,omitempty" doc:"Ends all sessions of the tenant's accounts before the answer."`
				Postmaster *string `json:"postmaster,omitempty" maxLength:"254" doc:"Empty: nobody."`
			}
		}) (*one[Tenant], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			t, err := s.dir.ChangeTenant(ctx, scope(ctx), in.Tenant, match, func(t *directory.Tenant) error {
				set(&t.Suspended, in.Body.Suspended)
				set(&t.Postmaster, in.Body.Postmaster)
				return nil
			})
			return shown(ctx, s, t.Tag, viewTenant(t), err)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/tenants/{tenant}", "delete-tenant", "Delete a tenant that has no domains", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			TenantPath
			MayMatch
		}) (*none, error) {
			return s.remove(ctx, in.MayMatch, in.Tenant, s.dir.DeleteTenant)
		})
}

// set changes a field that was sent.
func set[T any](field, sent *T) {
	if sent != nil {
		*field = *sent
	}
}

// narrow reduces a scope to the tenant that a list asks for; what isn't the key's to
// see isn't there.
func (s *server) narrow(ctx context.Context, tenant string) (directory.Scope, error) {
	who := scope(ctx)
	if tenant == "" || tenant == who.Tenant {
		return who, nil
	}
	if !who.IsService() {
		return who, kinds.Errorf(kinds.NotFound, "api: not the key's tenant")
	}
	if _, err := s.dir.Tenant(ctx, who, tenant); err != nil {
		return who, err
	}
	return directory.Scope{Tenant: tenant, Actor: who.Actor}, nil
}
