package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Where a domain's owner puts the proof, and what stands before it.
const (
	ProofName   = "_godwit."
	ProofPrefix = "godwit-domain="
)

// CreateDomain lays a tenant's claim to a domain. By the service it is active at once;
// else it is pending until VerifyDomain finds its proof. An active domain belongs to
// one tenant: kinds.Exists.
func (d *Directory) CreateDomain(ctx context.Context, s Scope, tenant, name string) (Domain, error) {
	if err := s.NeedTenant(); err != nil {
		return Domain{}, err
	}
	name, err := domainName(name)
	if err != nil {
		return Domain{}, err
	}
	if _, err := d.Tenant(ctx, s, tenant); err != nil {
		return Domain{}, err
	}
	c := claim{Created: d.stamp(), Proof: randomID(20)}
	_, err = d.write(ctx, claimKey(tenant, "domain", name), &c, 0)
	if err != nil && !isChanged(err) {
		return Domain{}, err
	}
	claimed := isChanged(err)
	if !s.IsService() {
		if claimed {
			return Domain{}, errExists("domain")
		}
		return d.Domain(ctx, s, name)
	}
	dom, err := d.activate(ctx, tenant, name)
	if kinds.Is(err, kinds.Exists) && !claimed {
		_ = d.remove(ctx, claimKey(tenant, "domain", name), 1) // it blocks nobody if this fails
	}
	return dom, err
}

// activate makes a claim good: of several tenants the first to prove it has the domain.
func (d *Directory) activate(ctx context.Context, tenant, name string) (Domain, error) {
	dom := Domain{Name: name, Active: true, Tenant: tenant, Created: d.stamp()}
	version, err := d.write(ctx, domainKey(name), &dom, 0)
	if isChanged(err) {
		return Domain{}, errExists("domain")
	}
	dom.Tag = tag(dom.Created, version)
	return dom, err
}

// VerifyDomain activates a pending domain when DNS has a TXT record at ProofName + its
// name that says ProofPrefix + its Proof: else kinds.Conflict. A domain that is active
// already stays so. The service activates by creating.
func (d *Directory) VerifyDomain(ctx context.Context, s Scope, name string) (Domain, error) {
	dom, err := d.Domain(ctx, s, name)
	if err != nil || dom.Active {
		return dom, err
	}
	if d.lookupTXT == nil {
		return dom, kinds.Errorf(kinds.Unavailable, "directory: this service doesn't look up DNS; ask its operator to create the domain")
	}
	texts, err := d.lookupTXT(ctx, ProofName+dom.Name)
	if err != nil {
		d.log.InfoContext(ctx, "proof of a domain not found", "domain", dom.Name, "tenant", dom.Tenant, "err", err)
	}
	if !slices.ContainsFunc(texts, func(t string) bool { return strings.TrimSpace(t) == ProofPrefix+dom.Proof }) {
		return dom, kinds.Errorf(kinds.Conflict, "directory: no TXT record at %s%s says %s%s", ProofName, dom.Name, ProofPrefix, dom.Proof)
	}
	return d.activate(ctx, dom.Tenant, dom.Name)
}

// Domain gives a domain of the scope, active or pending. Pending ones have no owner
// that the service could name, so it sees active ones only.
func (d *Directory) Domain(ctx context.Context, s Scope, name string) (Domain, error) {
	name, err := domainName(name)
	if err != nil {
		return Domain{}, errAbsent()
	}
	keys := []records.Key{domainKey(name)}
	if !s.IsService() {
		keys = append(keys, claimKey(s.Tenant, "domain", name))
	}
	found, err := d.records.Get(ctx, keys...)
	if err != nil {
		return Domain{}, err
	}
	var pending *Domain
	for _, r := range found {
		if r.Key == keys[0] {
			dom, err := activeFrom(r)
			if err != nil {
				return dom, err
			}
			if s.sees(dom.Tenant, name) {
				return dom, nil
			}
			continue
		}
		c, err := decode[claim](r)
		if err != nil {
			return Domain{}, err
		}
		pending = &Domain{Name: name, Tag: "p" + tag(c.Created, r.Version), Tenant: s.Tenant, Created: c.Created, Proof: c.Proof}
	}
	if pending != nil && s.sees(s.Tenant, name) {
		return *pending, nil
	}
	return Domain{}, errAbsent()
}

func activeFrom(r records.Record) (Domain, error) {
	dom, err := decode[Domain](r)
	dom.Name, dom.Active, dom.Tag = r.ID, true, tag(dom.Created, r.Version)
	return dom, err
}

// activeDomain is Domain for what needs an active one: kinds.Conflict when pending.
func (d *Directory) activeDomain(ctx context.Context, s Scope, name string) (Domain, error) {
	dom, err := d.Domain(ctx, s, name)
	if err == nil && !dom.Active {
		err = kinds.Errorf(kinds.Conflict, "directory: the domain waits for the proof of its owner")
	}
	return dom, err
}

// Domains lists domains by name, after the name given: the service's active ones, or a
// tenant's active and pending ones.
func (d *Directory) Domains(ctx context.Context, s Scope, after string, limit int) ([]Domain, error) {
	if s.Domain != "" {
		if after >= s.Domain {
			return nil, nil
		}
		dom, err := d.Domain(ctx, s, s.Domain)
		if kinds.Is(err, kinds.NotFound) {
			return nil, nil
		}
		return []Domain{dom}, err
	}
	if s.IsService() {
		found, err := d.records.List(ctx, domainKey("").Space, "", after, limit)
		list := make([]Domain, 0, len(found))
		for _, r := range found {
			dom, err := activeFrom(r)
			if err != nil {
				return nil, err
			}
			list = append(list, dom)
		}
		return list, err
	}
	const prefix = "domain/"
	found, err := d.records.List(ctx, claimKey(s.Tenant, "", "").Space, prefix, prefix+after, limit)
	list := make([]Domain, 0, len(found))
	for _, r := range found {
		dom, err := d.Domain(ctx, s, strings.TrimPrefix(r.ID, prefix))
		if err != nil && !kinds.Is(err, kinds.NotFound) {
			return nil, err
		}
		if err == nil {
			list = append(list, dom)
		}
	}
	return list, err
}

// ChangeDomain changes an active domain's Suspended, CatchAll, Postmaster and Settings.
// When it returns without error, all sessions of the domain's accounts have been told
// of a suspension.
func (d *Directory) ChangeDomain(ctx context.Context, s Scope, name, match string, edit func(*Domain) error) (Domain, error) {
	dom, err := d.activeDomain(ctx, s, name)
	if err != nil {
		return dom, err
	}
	name, tenant := dom.Name, dom.Tenant
	same := func(v *Domain) error {
		if v.Tenant != tenant {
			return errAbsent()
		}
		return nil
	}
	dom, version, err := change(ctx, d, domainKey(name), match, func(v *Domain) int64 { return v.Created }, same, func(v *Domain) error {
		was := *v
		if err := edit(v); err != nil {
			return err
		}
		if err := d.newAddress(ctx, s, tenant, was.CatchAll, &v.CatchAll); err != nil {
			return err
		}
		if err := d.newAddress(ctx, s, tenant, was.Postmaster, &v.Postmaster); err != nil {
			return err
		}
		if s.Domain != "" && v.Settings.changesDomain(was.Settings) {
			return kinds.Errorf(kinds.Denied, "directory: a domain doesn't say itself what it may hold")
		}
		v.Unsettled = v.Unsettled || v.Suspended != was.Suspended
		return v.Settings.check(ofDomain)
	})
	if err != nil {
		return Domain{}, err
	}
	dom.Name, dom.Active, dom.Tag = name, true, tag(dom.Created, version)
	if !dom.Unsettled {
		return dom, nil
	}
	return d.settleDomain(ctx, s, dom)
}

// DeleteDomain gives a domain up; kinds.Conflict while it has addresses.
func (d *Directory) DeleteDomain(ctx context.Context, s Scope, name, match string) error {
	dom, err := d.Domain(ctx, s, name)
	if err != nil {
		return err
	}
	if err := s.NeedTenant(); err != nil {
		return err
	}
	version, err := versionOf(match, dom.Tag)
	if err != nil {
		return err
	}
	if dom.Active {
		left, err := d.page(ctx, dom, 0, "", 1)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return kinds.Errorf(kinds.Conflict, "directory: the domain still has addresses")
		}
		if err := stale(d.remove(ctx, domainKey(dom.Name), version)); err != nil {
			return err
		}
		version = 0
	}
	if err := d.clear(ctx, routeSpace, routesOf(dom.Tenant)+dom.Name+":"); err != nil {
		return err
	}
	return stale(d.remove(ctx, claimKey(dom.Tenant, "domain", dom.Name), version))
}
