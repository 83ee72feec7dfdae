package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/records"
)

// The ways by which mail leaves.
const (
	Direct    = "direct"    // to the mail exchangers of its domain
	Smarthost = "smarthost" // to a host that takes all
	SES       = "ses"       // Amazon's service
	Hold      = "hold"      // it doesn't, until somebody releases it
)

// Way is how mail leaves, and what that needs.
type Way struct {
	Name        string `cbor:"1,keyasint"`
	Host        string `cbor:"2,keyasint,omitempty"` // of a smarthost
	Port        uint16 `cbor:"3,keyasint,omitempty"`
	TLS         string `cbor:"4,keyasint,omitempty"` // opportunistic, encrypted, verified or implicit
	Username    string `cbor:"5,keyasint,omitempty"`
	Password    string `cbor:"6,keyasint,omitempty"` // both "": nobody logs in
	Certificate string `cbor:"7,keyasint,omitempty"` // ours and its key, PEM; "": none
	Set         string `cbor:"8,keyasint,omitempty"` // SES's configuration set
	Rate        int    `cbor:"9,keyasint,omitempty"` // messages a minute to one domain; 0: any
}

// AnyKind is the kind of a route for all kinds of mail.
const AnyKind = "any"

// Route says how some mail leaves. Of those that fit a mail, the one of the narrowest
// scope holds; of these the one of the longest pattern; of these one of the mail's kind.
type Route struct {
	Tenant  string `cbor:"1,keyasint,omitempty"` // "": all of the service
	Domain  string `cbor:"2,keyasint,omitempty"` // of ours, that sends; "": all of the tenant
	Kind    string `cbor:"3,keyasint"`           // a kind of mail, or AnyKind
	To      string `cbor:"4,keyasint"`           // "example.net", "*.example.net" for what lies below it, or "*"
	Way     Way    `cbor:"5,keyasint"`
	Created int64  `cbor:"6,keyasint"`
	ID      string `cbor:"-"`
	Tag     string `cbor:"-"`
}

// MaxRoutes of the service, and of a tenant.
const MaxRoutes = 500

const routeSpace = "dir/routes"

// anyScope stands in ids for what a route does not name: nothing is called so, and no
// shell or flag makes something else of it.
const anyScope = "_"

// routesOf begins the ids of a tenant's routes.
func routesOf(tenant string) string { return cmp.Or(tenant, anyScope) + ":" }

func routeFrom(r records.Record) (Route, error) {
	v, err := decode[Route](r)
	v.ID, v.Tag = r.ID, tag(v.Created, r.Version)
	return v, err
}

// FindRoute gives the route that holds for a mail of a tenant; ok is false when there is
// none. from is the sender's domain, which may be "". It answers from what is at most
// CacheFor old.
func (d *Directory) FindRoute(ctx context.Context, tenant, from, to, kind string) (best Route, ok bool, err error) {
	list, err := d.routesFor(ctx, tenant)
	for _, r := range list {
		if r.fits(from, to, kind) && (!ok || best.yieldsTo(r)) {
			best, ok = r, true
		}
	}
	return best, ok, err
}

// RouteFor gives a route by its id, as far as mail of the tenant may take it. It answers
// from what is at most CacheFor old.
func (d *Directory) RouteFor(ctx context.Context, tenant, id string) (Route, bool, error) {
	list, err := d.routesFor(ctx, tenant)
	i := slices.IndexFunc(list, func(r Route) bool { return r.ID == id })
	if i < 0 {
		return Route{}, false, err
	}
	return list[i], true, err
}

// routesFor gives all routes that mail of a tenant may take.
func (d *Directory) routesFor(ctx context.Context, tenant string) ([]Route, error) {
	if list, _, ok := d.routes.get(tenant); ok {
		return list, nil
	}
	begun, now := d.routes.begin(), d.now()
	var all []Route
	for _, of := range []string{"", tenant} {
		list, err := d.listRoutes(ctx, of)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	d.routes.put(begun, tenant, all, now)
	return all, nil
}

func (d *Directory) listRoutes(ctx context.Context, tenant string) ([]Route, error) {
	return routesFrom(d.records.List(ctx, routeSpace, routesOf(tenant), "", records.MaxPage))
}

func routesFrom(found []records.Record, err error) ([]Route, error) {
	list := make([]Route, len(found))
	for i := range found {
		if err == nil {
			list[i], err = routeFrom(found[i])
		}
	}
	return list, err
}

func (r Route) fits(from, to, kind string) bool {
	return (r.Domain == "" || r.Domain == from) && (r.Kind == AnyKind || r.Kind == kind) && r.takes(to)
}

// takes tells whether the route's pattern fits a domain.
func (r Route) takes(domain string) bool {
	if below, ok := strings.CutPrefix(r.To, "*"); ok {
		return strings.HasSuffix(domain, below) && domain != below
	}
	return r.To == domain
}

// yieldsTo tells whether another route that fits is the more specific one.
func (r Route) yieldsTo(o Route) bool {
	if a, b := r.depth(), o.depth(); a != b {
		return a < b
	}
	if a, b := r.exactness(), o.exactness(); a != b {
		return a < b
	}
	return r.Kind == AnyKind && o.Kind != AnyKind
}

func (r Route) depth() int {
	switch {
	case r.Domain != "":
		return 2
	case r.Tenant != "":
		return 1
	}
	return 0
}

// exactness orders patterns: a domain before what lies above it, the longest of these first.
func (r Route) exactness() int {
	if strings.HasPrefix(r.To, "*") {
		return len(r.To)
	}
	return 1000
}
