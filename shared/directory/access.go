package directory

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many accounts are told of a suspension side by side.
const atOnce = 8

// tell notes an account's standing in its journal, which ends the sessions of lower
// generations. The record is written first, under a higher generation: whoever logs in
// after this note has met the new record.
func (d *Directory) tell(ctx context.Context, s Scope, e entry) error {
	return d.accounts.Access(ctx, e.Account, s.by(), e.Barred, e.Generation)
}

// bar brings an account's record and journal to whether it is suspended, by itself or
// from above. It may be run again at any time.
func (d *Directory) bar(ctx context.Context, s Scope, key string, e entry, version uint64) (entry, uint64, error) {
	_, _, l, ok, err := d.fresh(ctx, key)
	if err != nil || !ok {
		return e, version, err
	}
	above := l.domain.Suspended || l.tenant.Suspended
	if e.Barred != (e.Suspended || above) {
		_, e, version, err = d.changeEntry(ctx, s, key, "", kindAccount, func(e *entry) error {
			if e.Barred != (e.Suspended || above) {
				e.Barred = e.Suspended || above
				e.Generation++
			}
			return nil
		})
		if err != nil {
			return e, version, err
		}
	}
	if e.Generation == 0 {
		return e, version, nil // nothing has ever been told
	}
	return e, version, d.tell(ctx, s, e)
}

// barAll bars each account of a domain.
func (d *Directory) barAll(ctx context.Context, s Scope, dom Domain) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	after := ""
	for {
		found, err := d.page(ctx, dom, kindAccount, after, MaxPage)
		if err != nil {
			_ = g.Wait()
			return err
		}
		for _, f := range found {
			g.Go(func() error {
				_, _, err := d.bar(ctx, s, f.key, f.e, f.version)
				return err
			})
		}
		if len(found) < MaxPage {
			return g.Wait()
		}
		after = found[len(found)-1].local()
	}
}

// settleDomain tells all accounts of a domain, and notes that this is done.
func (d *Directory) settleDomain(ctx context.Context, s Scope, dom Domain) (Domain, error) {
	if err := d.barAll(ctx, s, dom); err != nil {
		return dom, err
	}
	told := dom.Suspended
	v, version, err := change(ctx, d, domainKey(dom.Name), "", func(v *Domain) int64 { return v.Created }, anything, func(v *Domain) error {
		if v.Suspended == told {
			v.Unsettled = false
		}
		return nil
	})
	v.Name, v.Active, v.Tag = dom.Name, true, tag(v.Created, version)
	return v, err
}

// settleTenant tells all accounts of a tenant, and notes that this is done.
func (d *Directory) settleTenant(ctx context.Context, s Scope, t Tenant) (Tenant, error) {
	whole := Scope{Tenant: t.Name, Actor: s.Actor}
	after := ""
	for {
		domains, err := d.Domains(ctx, whole, after, MaxPage)
		if err != nil {
			return t, err
		}
		for _, dom := range domains {
			after = dom.Name
			if !dom.Active {
				continue
			}
			if err := d.barAll(ctx, whole, dom); err != nil {
				return t, err
			}
		}
		if len(domains) == 0 {
			break
		}
	}
	told := t.Suspended
	v, version, err := change(ctx, d, tenantKey(t.Name), "", func(v *Tenant) int64 { return v.Created }, anything, func(v *Tenant) error {
		if v.Suspended == told {
			v.Unsettled = false
		}
		return nil
	})
	v.Name, v.Tag = t.Name, tag(v.Created, version)
	return v, err
}
