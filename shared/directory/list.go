package directory

import (
	"context"
	"strings"

	"github.com/godwit-mail/godwit/shared/records"
)

// maxDomainsAPage bounds the work of one page over a tenant's domains; a page may then
// be short, or empty, and still not be the last.
const maxDomainsAPage = 20

// placed is an entry and where it is.
type placed struct {
	key     string
	version uint64
	e       entry
}

func (p placed) local() string { return p.key[:strings.LastIndexByte(p.key, '@')] }

// page lists entries of a kind (0: any) in a domain, by local part, after the one given.
// Fewer than limit means the end.
func (d *Directory) page(ctx context.Context, dom Domain, kind uint8, after string, limit int) ([]placed, error) {
	list := make([]placed, 0, min(limit, 64))
	for {
		found, err := d.records.List(ctx, addressSpace(dom.Name), "", after, records.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			after = r.ID
			e, err := decode[entry](r)
			if err != nil {
				return nil, err
			}
			if e.Tenant != dom.Tenant || kind != 0 && e.Kind != kind {
				continue
			}
			list = append(list, placed{r.ID + "@" + dom.Name, r.Version, e})
			if len(list) == limit {
				return list, nil
			}
		}
		if len(found) < records.MaxPage {
			return list, nil
		}
	}
}

// Page says which part of a list is wanted. Positions are made by the lists themselves.
type Page struct {
	Domain string // only of this domain; empty: of all in the scope
	After  string // the position that the page before gave
	Limit  int    // 1..MaxPage
}

// entries lists entries of a kind by domain and local part, and gives the position of
// the next page, empty at the end.
func (d *Directory) entries(ctx context.Context, s Scope, kind uint8, p Page) ([]placed, string, error) {
	p.Limit = max(1, min(p.Limit, MaxPage))
	domain, local, _ := strings.Cut(p.After, "/")
	if p.Domain != "" {
		dom, err := d.activeDomain(ctx, s, p.Domain)
		if err != nil || p.After != "" && domain != dom.Name {
			return nil, "", err
		}
		list, err := d.page(ctx, dom, kind, local, p.Limit)
		return list, next(list, p.Limit), err
	}
	var list []placed
	if domain != "" {
		if dom, err := d.activeDomain(ctx, s, domain); err == nil {
			if list, err = d.page(ctx, dom, kind, local, p.Limit); err != nil {
				return nil, "", err
			}
		}
	}
	domains, err := d.Domains(ctx, s, domain, maxDomainsAPage)
	if err != nil {
		return nil, "", err
	}
	for _, dom := range domains {
		if len(list) == p.Limit {
			return list, next(list, p.Limit), nil
		}
		domain = dom.Name
		if !dom.Active {
			continue
		}
		more, err := d.page(ctx, dom, kind, "", p.Limit-len(list))
		if err != nil {
			return nil, "", err
		}
		list = append(list, more...)
	}
	switch {
	case len(list) == p.Limit:
		return list, next(list, p.Limit), nil
	case len(domains) == maxDomainsAPage:
		return list, domain + "/\xff", nil // after all that this domain has
	}
	return list, "", nil
}

// next is the position after a full page.
func next(list []placed, limit int) string {
	if len(list) < limit {
		return ""
	}
	last := list[len(list)-1]
	return domainOf(last.key) + "/" + last.local()
}

// Accounts lists accounts by domain and local part.
func (d *Directory) Accounts(ctx context.Context, s Scope, p Page) ([]Account, string, error) {
	return collect(ctx, d, s, kindAccount, p, func(f placed) Account { return accountFrom(f.key, f.e, f.version) })
}

// Aliases lists aliases by domain and local part.
func (d *Directory) Aliases(ctx context.Context, s Scope, p Page) ([]Alias, string, error) {
	return collect(ctx, d, s, kindAlias, p, func(f placed) Alias { return aliasFrom(f.key, f.e, f.version) })
}

// Groups lists groups by domain and local part.
func (d *Directory) Groups(ctx context.Context, s Scope, p Page) ([]Group, string, error) {
	return collect(ctx, d, s, kindGroup, p, func(f placed) Group { return groupFrom(f.key, f.e, f.version) })
}

func collect[T any](ctx context.Context, d *Directory, s Scope, kind uint8, p Page, from func(placed) T) ([]T, string, error) {
	found, next, err := d.entries(ctx, s, kind, p)
	list := make([]T, 0, len(found))
	for _, f := range found {
		list = append(list, from(f))
	}
	return list, next, err
}
