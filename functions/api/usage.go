package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/quota"
)

// Sums are what the accounts of domains and tenants hold together; *quota.Keeper. A
// tenant's domain is "".
type Sums interface {
	Room(ctx context.Context, id *directory.Identity, messages, bytes int64) (account.Room, error)
	Use(ctx context.Context, tenant, domain string) (quota.Sum, error)
	Count(ctx context.Context, tenant, domain string) (quota.Sum, error)
	Add(ctx context.Context, tenant, domain string, messages, bytes int64) error
	Forget(ctx context.Context, tenant, domain string) error
}

// countTime is how long a request may count; a gateway goes on where that isn't enough.
const countTime = 20 * time.Second

// SharedUse is what the accounts of a domain or tenant may hold together, and do.
type SharedUse struct {
	Quota        int64       `json:"quota" doc:"Bytes that its accounts may hold together; 0 is none."`
	MessageQuota int64       `json:"message_quota" doc:"Messages that they may hold together; 0 is none."`
	Usage        *SharedSums `json:"usage,omitempty" doc:"What they hold, some seconds late. It is kept only where there is a quota."`
}

// SharedSums are sums over accounts.
type SharedSums struct {
	Messages int64     `json:"messages"`
	Bytes    int64     `json:"bytes"`
	Counted  time.Time `json:"counted" doc:"When the accounts were last asked."`
}

// DomainUse is a domain and what it holds.
type DomainUse struct {
	Domain
	SharedUse
}

// TenantUse is a tenant and what it holds.
type TenantUse struct {
	Tenant
	SharedUse
}

func viewSum(sum quota.Sum) *SharedSums {
	if sum.Counted == 0 {
		return nil
	}
	return &SharedSums{sum.Messages, sum.Bytes, sum.CountedAt()}
}

func (s *server) sharedUse(ctx context.Context, tenant, domain string, q account.Quota) (SharedUse, error) {
	use := SharedUse{Quota: q.Bytes, MessageQuota: q.Messages}
	if s.quota == nil || q == (account.Quota{}) {
		return use, nil
	}
	sum, err := s.quota.Use(ctx, tenant, domain)
	use.Usage = viewSum(sum)
	return use, err
}

func (s *server) domainUse(ctx context.Context, d directory.Domain) (DomainUse, error) {
	use := DomainUse{Domain: viewDomain(d)}
	if !d.Active {
		return use, nil
	}
	effective, err := s.dir.DomainSettings(ctx, d)
	if err == nil {
		use.SharedUse, err = s.sharedUse(ctx, d.Tenant, d.Name, effective.Domain)
	}
	return use, err
}

func (s *server) tenantUse(ctx context.Context, t directory.Tenant) (TenantUse, error) {
	use := TenantUse{Tenant: viewTenant(t)}
	if scope(ctx).NeedTenant() != nil {
		return use, nil // a domain does not learn what others hold
	}
	effective, err := s.dir.TenantSettings(ctx, t)
	if err == nil {
		use.SharedUse, err = s.sharedUse(ctx, t.Name, "", effective.Tenant)
	}
	return use, err
}

// counted is called when the settings of a domain or tenant have changed: a quota that is
// new begins with what is there.
func (s *server) counted(ctx context.Context, tenant, domain string, q account.Quota) {
	if s.quota == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	var err error
	if q == (account.Quota{}) {
		err = s.quota.Forget(ctx, tenant, domain)
	} else {
		_, err = s.quota.Count(ctx, tenant, domain)
	}
	if err != nil {
		s.log.WarnContext(ctx, "cannot count what a domain or tenant holds", "tenant", tenant, "domain", domain, "error", err)
	}
}

// deleteAccount deletes an account and takes what it held from the sums.
func (s *server) deleteAccount(ctx context.Context, who directory.Scope, address, match string) error {
	a, err := s.dir.Account(ctx, who, address)
	if err != nil {
		return err
	}
	held, unknown := s.dir.Usage(ctx, a)
	if err := s.dir.DeleteAccount(ctx, who, address, match); err != nil || s.quota == nil {
		return err
	}
	if unknown == nil {
		unknown = s.quota.Add(ctx, a.Ref.Tenant, a.Domain, -held.Messages, -held.Bytes)
	}
	if unknown != nil { // the next count finds it
		s.log.WarnContext(ctx, "cannot take a deleted account from what its domain holds", "account", a.Ref.ID, "error", unknown)
	}
	return nil
}

// count answers with what was just counted.
func (s *server) count(ctx context.Context, tenant, domain string) (*one[SharedSums], error) {
	if s.quota == nil {
		return nil, s.problem(ctx, kinds.Errorf(kinds.Unavailable, "api: nothing counts here"))
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	sum, err := s.quota.Count(ctx, tenant, domain)
	return shown(ctx, s, "", SharedSums{sum.Messages, sum.Bytes, sum.CountedAt()}, err)
}

func (s *server) usage(api huma.API) {
	huma.Register(api, operation(http.MethodPost, "/v1/domains/{domain}/count", "count-domain", "Ask all accounts of a domain what they hold, and correct its sum", http.StatusOK),
		func(ctx context.Context, in *DomainPath) (*one[SharedSums], error) {
			d, err := s.dir.Domain(ctx, scope(ctx), in.Domain)
			if err == nil && !d.Active {
				err = kinds.Errorf(kinds.Conflict, "api: the domain isn't active")
			}
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return s.count(ctx, d.Tenant, d.Name)
		})

	huma.Register(api, operation(http.MethodPost, "/v1/tenants/{tenant}/count", "count-tenant", "Ask all accounts of a tenant what they hold, and correct its sum", http.StatusOK),
		func(ctx context.Context, in *TenantPath) (*one[SharedSums], error) {
			who := scope(ctx)
			t, err := s.dir.Tenant(ctx, who, in.Tenant)
			if err == nil {
				err = who.NeedTenant()
			}
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			return s.count(ctx, t.Name, "")
		})
}
