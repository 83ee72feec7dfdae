package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

func anything[T any](*T) error { return nil }

// Service gives what holds for all tenants. A scope within it may read it: its settings
// are inherited.
func (d *Directory) Service(ctx context.Context, _ Scope) (Service, error) {
	s, version, _, err := read[Service](ctx, d, serviceKey())
	s.Tag = tag(s.Created, version)
	return s, err
}

// ChangeService changes it; match is the tag of the version meant, or empty.
func (d *Directory) ChangeService(ctx context.Context, s Scope, match string, edit func(*Service) error) (Service, error) {
	if err := s.needService(); err != nil {
		return Service{}, err
	}
	fresh, err := d.ensureService(ctx)
	if err != nil {
		return Service{}, err
	}
	if fresh && match == tag(0, 0) {
		match = tag(0, 1)
	}
	v, version, err := change(ctx, d, serviceKey(), match, func(v *Service) int64 { return v.Created }, anything, func(v *Service) (err error) {
		if err := edit(v); err != nil {
			return err
		}
		if v.Postmaster, err = optionalAddress(v.Postmaster); err != nil {
			return err
		}
		return v.Settings.check(ofService)
	})
	v.Tag = tag(v.Created, version)
	return v, err
}

// ensureService makes the service's record where there is none, and tells whether it
// did: version 0 has then become version 1.
func (d *Directory) ensureService(ctx context.Context) (bool, error) {
	_, _, ok, err := read[Service](ctx, d, serviceKey())
	if err != nil || ok {
		return false, err
	}
	if _, err = d.write(ctx, serviceKey(), &Service{}, 0); isChanged(err) {
		return false, nil
	}
	return err == nil, err
}

// optionalAddress brings an address that may be empty to key form.
func optionalAddress(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	key, _, err := addressOf(s)
	return key, err
}

// CreateTenant makes a tenant; kinds.Exists when there is one of that name.
func (d *Directory) CreateTenant(ctx context.Context, s Scope, name string) (Tenant, error) {
	if err := s.needService(); err != nil {
		return Tenant{}, err
	}
	if err := CheckTenantName(name); err != nil {
		return Tenant{}, err
	}
	t := Tenant{Name: name, Created: d.stamp()}
	version, err := d.write(ctx, tenantKey(name), &t, 0)
	if isChanged(err) {
		return Tenant{}, errExists("tenant's name")
	}
	t.Tag = tag(t.Created, version)
	return t, err
}

// Tenant gives a tenant.
func (d *Directory) Tenant(ctx context.Context, s Scope, name string) (Tenant, error) {
	if !s.sees(name, s.Domain) || CheckTenantName(name) != nil {
		return Tenant{}, errAbsent()
	}
	t, version, ok, err := read[Tenant](ctx, d, tenantKey(name))
	if err == nil && !ok {
		err = errAbsent()
	}
	t.Name, t.Tag = name, tag(t.Created, version)
	return t, err
}

// Tenants lists tenants by name, after the name given.
func (d *Directory) Tenants(ctx context.Context, s Scope, after string, limit int) ([]Tenant, error) {
	if !s.IsService() {
		if after >= s.Tenant {
			return nil, nil
		}
		t, err := d.Tenant(ctx, s, s.Tenant)
		return []Tenant{t}, err
	}
	found, err := d.records.List(ctx, tenantKey("").Space, "", after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]Tenant, 0, len(found))
	for _, r := range found {
		t, err := decode[Tenant](r)
		if err != nil {
			return nil, err
		}
		t.Name, t.Tag = r.ID, tag(t.Created, r.Version)
		list = append(list, t)
	}
	return list, nil
}

// ChangeTenant changes a tenant's Suspended, Postmaster and Settings. Only the service
// suspends. When it returns without error, all sessions of the tenant's accounts have
// been told of a suspension.
func (d *Directory) ChangeTenant(ctx context.Context, s Scope, name, match string, edit func(*Tenant) error) (Tenant, error) {
	if _, err := d.Tenant(ctx, s, name); err != nil {
		return Tenant{}, err
	}
	if err := s.NeedTenant(); err != nil {
		return Tenant{}, err
	}
	t, version, err := change(ctx, d, tenantKey(name), match, func(t *Tenant) int64 { return t.Created }, anything, func(t *Tenant) error {
		was := *t
		if err := edit(t); err != nil {
			return err
		}
		if t.Suspended != was.Suspended && !s.IsService() {
			return kinds.Errorf(kinds.Denied, "directory: only the service suspends a tenant")
		}
		if err := d.newAddress(ctx, s, name, was.Postmaster, &t.Postmaster); err != nil {
			return err
		}
		if !s.IsService() && t.Settings.changesTenant(was.Settings) {
			return kinds.Errorf(kinds.Denied, "directory: only the service says what a tenant may hold")
		}
		t.Unsettled = t.Unsettled || t.Suspended != was.Suspended
		return t.Settings.check(ofTenant)
	})
	if err != nil {
		return Tenant{}, err
	}
	t.Name, t.Tag = name, tag(t.Created, version)
	if !t.Unsettled {
		return t, nil
	}
	return d.settleTenant(ctx, s, t)
}

// DeleteTenant removes a tenant that has no domains, its keys and its routes; kinds.Conflict while
// it has some.
func (d *Directory) DeleteTenant(ctx context.Context, s Scope, name, match string) error {
	t, err := d.Tenant(ctx, s, name)
	if err != nil {
		return err
	}
	if err := s.needService(); err != nil {
		return err
	}
	version, err := versionOf(match, t.Tag)
	if err != nil {
		return err
	}
	domains, err := d.records.List(ctx, claimKey(name, "", "").Space, "domain/", "", 1)
	if err != nil {
		return err
	}
	if len(domains) > 0 {
		return kinds.Errorf(kinds.Conflict, "directory: the tenant still has domains")
	}
	if err := d.clear(ctx, keySpace(name), ""); err != nil {
		return err
	}
	if err := d.clear(ctx, routeSpace, routesOf(name)); err != nil {
		return err
	}
	return stale(d.remove(ctx, tenantKey(name), version))
}

// clear removes all records of a space whose ids begin with prefix.
func (d *Directory) clear(ctx context.Context, space, prefix string) error {
	for {
		found, err := d.records.List(ctx, space, prefix, "", records.MaxPage)
		if err != nil {
			return err
		}
		for _, r := range found {
			if err := d.remove(ctx, r.Key, 0); err != nil {
				return err
			}
		}
		if len(found) < records.MaxPage {
			return nil
		}
	}
}

// ownAddress brings an address that a tenant names for its mail to key form: its domain
// must be the tenant's and in the scope. Whether the address exists is judged when mail
// comes.
func (d *Directory) ownAddress(ctx context.Context, s Scope, tenant, addr string) (string, error) {
	key, domain, err := addressOf(addr)
	if err != nil {
		return "", err
	}
	dom, _, ok, err := read[Domain](ctx, d, domainKey(domain))
	if err != nil {
		return "", err
	}
	if !ok || dom.Tenant != tenant || !s.sees(tenant, domain) {
		return "", kinds.Errorf(kinds.Invalid, "directory: mail can only be led to an address in a domain of the same tenant")
	}
	return key, nil
}

// newAddress is ownAddress for one that may be empty and is only judged when it is new:
// what a domain that has left us still names must not stop other changes.
func (d *Directory) newAddress(ctx context.Context, s Scope, tenant, was string, addr *string) (err error) {
	if *addr != "" && *addr != was {
		*addr, err = d.ownAddress(ctx, s, tenant, *addr)
	}
	return err
}
