package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Domain is a mail domain.
type Domain struct {
	Name       string    `json:"name"`
	Tenant     string    `json:"tenant"`
	Active     bool      `json:"active" doc:"False until its owner is proven; it then receives nothing."`
	Proof      *Proof    `json:"proof,omitempty" doc:"What proves the owner, while the domain isn't active."`
	Suspended  bool      `json:"suspended"`
	CatchAll   string    `json:"catch_all,omitempty" doc:"Gets mail for unknown users, which is refused otherwise."`
	Postmaster string    `json:"postmaster,omitempty" doc:"Gets mail for postmaster, unless there is such an address."`
	Created    time.Time `json:"created"`
}

// Proof is a DNS record.
type Proof struct {
	Type  string `json:"type" enum:"TXT"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

func viewDomain(d directory.Domain) Domain {
	v := Domain{Name: d.Name, Tenant: d.Tenant, Active: d.Active, Suspended: d.Suspended, CatchAll: d.CatchAll, Postmaster: d.Postmaster, Created: directory.Time(d.Created)}
	if !d.Active {
		v.Proof = &Proof{Type: "TXT", Name: directory.ProofName + d.Name, Value: directory.ProofPrefix + d.Proof}
	}
	return v
}

// DomainPath names a domain.
type DomainPath struct {
	Domain string `path:"domain" maxLength:"255"`
}

// ByTenant filters a list.
type ByTenant struct {
	Tenant string `query:"tenant" maxLength:"63" doc:"Only of this tenant."`
}

func (s *server) domains(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/domains", "list-domains", "List domains: with a key of the service and no tenant, the active ones", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByTenant
		}) (*list[Domain], error) {
			return listed(ctx, s, in.Paged, "domains/"+in.Tenant, in.Tenant, func(who directory.Scope, after string) ([]directory.Domain, string, error) {
				found, err := s.dir.Domains(ctx, who, after, in.limit())
				return found, following(found, in.limit(), func(d directory.Domain) string { return d.Name }), err
			}, viewDomain)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/domains", "create-domain", "Create a domain: active at once with a key of the service, else when its owner is proven", http.StatusCreated),
		func(ctx context.Context, in *struct {
			Body struct {
				Name   string `json:"name" maxLength:"255"`
				Tenant string `json:"tenant,omitempty" maxLength:"63" doc:"The key's own when left out."`
			}
		}) (*made[Domain], error) {
			who := scope(ctx)
			tenant := in.Body.Tenant
			if tenant == "" {
				tenant = who.Tenant
			}
			if tenant == "" {
				return nil, s.problem(ctx, kinds.Errorf(kinds.Invalid, "api: a key of the service names the tenant"))
			}
			d, err := s.dir.CreateDomain(ctx, who, tenant, in.Body.Name)
			return created(ctx, s, "/v1/domains/"+d.Name, d.Tag, viewDomain(d), err)
		})

	huma.Register(api, operation(http.MethodGet, "/v1/domains/{domain}", "get-domain", "Show a domain and what it holds", http.StatusOK),
		func(ctx context.Context, in *DomainPath) (*one[DomainUse], error) {
			d, err := s.dir.Domain(ctx, scope(ctx), in.Domain)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			use, err := s.domainUse(ctx, d)
			return shown(ctx, s, d.Tag, use, err)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/domains/{domain}/verify", "verify-domain", "Look for the proof of a domain's owner, and activate it", http.StatusOK),
		func(ctx context.Context, in *DomainPath) (*one[Domain], error) {
			d, err := s.dir.VerifyDomain(ctx, scope(ctx), in.Domain)
			return shown(ctx, s, d.Tag, viewDomain(d), err)
		})

	huma.Register(api, operation(http.MethodPatch, "/v1/domains/{domain}", "change-domain", "Change a domain: what is left out stays", http.StatusOK),
		func(ctx context.Context, in *struct {
			DomainPath
			MayMatch
			Body struct {
				Suspended  *bool   `json:"suspended,omitempty" doc:"Ends all sessions of the domain's accounts before the answer."`
				CatchAll   *string `json:"catch_all,omitempty" maxLength:"254" doc:"Empty: mail for unknown users is refused."`
				Postmaster *string `json:"postmaster,omitempty" maxLength:"254" doc:"Empty: the tenant's, else the service's."`
			}
		}) (*one[Domain], error) {
			match, err := in.tag()
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			d, err := s.dir.ChangeDomain(ctx, scope(ctx), in.Domain, match, func(d *directory.Domain) error {
				set(&d.Suspended, in.Body.Suspended)
				set(&d.CatchAll, in.Body.CatchAll)
				set(&d.Postmaster, in.Body.Postmaster)
				return nil
			})
			return shown(ctx, s, d.Tag, viewDomain(d), err)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/domains/{domain}", "delete-domain", "Give up a domain that has no addresses", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			DomainPath
			MayMatch
		}) (*none, error) {
			return s.remove(ctx, in.MayMatch, in.Domain, s.giveUp)
		})
}
