package directory

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Limits of what a route says.
const (
	maxSecret      = 1 << 10  // octets of a username or a password
	maxCertificate = 32 << 10 // octets
	maxRate        = 1_000_000
)

// RouteKinds are the kinds of mail that a route may be for.
func RouteKinds() []string { return []string{AnyKind, "submission", "forward", "dsn", "report"} }

// TLSPolicies are how a connection to a smarthost may have to be kept from others.
func TLSPolicies() []string { return []string{"opportunistic", "encrypted", "verified", "implicit"} }

// SetRoute makes a route, or gives the one of the same scope, kind and pattern another way.
// A way that names the same host and user as before and no password, or no certificate,
// keeps the old one. Only the service sets routes: by them mail may leave by networks that
// tenants have no business in, past the limits that are its own.
func (d *Directory) SetRoute(ctx context.Context, s Scope, r Route) (Route, error) {
	if err := d.checkRoute(ctx, s, &r); err != nil {
		return Route{}, err
	}
	key := records.Key{Space: routeSpace, ID: r.id()}
	for range retries {
		old, version, ok, err := read[Route](ctx, d, key)
		if err != nil {
			return Route{}, err
		}
		next := r
		if next.Created = old.Created; !ok {
			next.Created = d.stamp()
			list, err := d.listRoutes(ctx, r.Tenant)
			if err != nil {
				return Route{}, err
			}
			if len(list) >= MaxRoutes {
				return Route{}, kinds.Errorf(kinds.Limit, "directory: there are at most %d routes", MaxRoutes)
			}
		}
		next.Way.keep(old.Way)
		if err := next.check(); err != nil {
			return Route{}, err
		}
		version, err = d.write(ctx, key, &next, version)
		if isChanged(err) {
			continue
		}
		next.ID, next.Tag = key.ID, tag(next.Created, version)
		return next, err
	}
	return Route{}, kinds.Errorf(kinds.Conflict, "directory: too many changes at once")
}

// checkRoute brings to form what names the route, within the scope.
func (d *Directory) checkRoute(ctx context.Context, s Scope, r *Route) error {
	if r.Tenant != "" {
		if _, err := d.Tenant(ctx, s, r.Tenant); err != nil {
			return err
		}
	}
	if r.Domain != "" {
		dom, err := d.activeDomain(ctx, s, r.Domain)
		if err != nil {
			return err
		}
		if r.Tenant != "" && dom.Tenant != r.Tenant {
			return errAbsent()
		}
		r.Domain, r.Tenant = dom.Name, dom.Tenant
	}
	if err := s.needService(); err != nil {
		return err
	}
	r.Kind, r.To = cmp.Or(r.Kind, AnyKind), cmp.Or(r.To, "*")
	if r.To == "*" {
		return nil
	}
	below, wild := strings.CutPrefix(r.To, "*.")
	name, err := domainName(below)
	if err != nil {
		return err
	}
	if r.To = name; wild {
		r.To = "*." + name
	}
	return nil
}

func (r Route) id() string {
	return routesOf(r.Tenant) + strings.Join([]string{cmp.Or(r.Domain, anyScope), r.Kind, strings.Replace(r.To, "*", "+", 1)}, ":")
}

// keep takes over what is never shown, and so can't be given again with a change.
func (w *Way) keep(old Way) {
	if w.Name != Smarthost || w.Host != old.Host || w.Port != old.Port {
		return
	}
	if w.Password == "" && w.Username == old.Username {
		w.Password = old.Password
	}
	w.Certificate = cmp.Or(w.Certificate, old.Certificate)
}

// check tells what is wrong with a route.
func (r Route) check() error {
	if !slices.Contains(RouteKinds(), r.Kind) {
		return kinds.Errorf(kinds.Invalid, "directory: the kind of a route is one of %s", strings.Join(RouteKinds(), ", "))
	}
	if r.Way.Name == SES && r.Kind != "submission" {
		return kinds.Errorf(kinds.Invalid, "directory: SES takes no null sender and no sender that isn't ours, so forwards, notifications and reports need another way: set the route of SES for the kind submission")
	}
	if r.Way.Rate < 0 || r.Way.Rate > maxRate {
		return kinds.Errorf(kinds.Invalid, "directory: a rate is 0 to %d messages a minute", maxRate)
	}
	return r.Way.check()
}

// check tells what is wrong with a way.
func (w Way) check() error {
	if w.Name != Smarthost && (w.Host != "" || w.TLS != "" || w.Username != "" || w.Password != "" || w.Certificate != "") {
		return kinds.Errorf(kinds.Invalid, "directory: only a smarthost has a host, TLS, a user and a certificate")
	}
	if w.Name != SES && w.Set != "" {
		return kinds.Errorf(kinds.Invalid, "directory: only SES has configuration sets")
	}
	switch w.Name {
	case Direct, Hold:
		return nil
	case SES:
		if len(w.Set) > 64 || strings.Trim(w.Set, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
			return kinds.Errorf(kinds.Invalid, "directory: the name of a configuration set is at most 64 letters, digits, - and _")
		}
		return nil
	case Smarthost:
		return w.checkSmarthost()
	}
	return kinds.Errorf(kinds.Invalid, "directory: the way is direct, smarthost, ses or hold")
}

func (w Way) checkSmarthost() error {
	_, isName := domainName(w.Host)
	_, isIP := netip.ParseAddr(w.Host)
	switch {
	case w.Port == 0 || isName != nil && isIP != nil:
		return kinds.Errorf(kinds.Invalid, "directory: a smarthost is a host and port (relay.example.net:587)")
	case !slices.Contains(TLSPolicies(), w.TLS):
		return kinds.Errorf(kinds.Invalid, "directory: TLS with a smarthost is one of %s", strings.Join(TLSPolicies(), ", "))
	case (w.Username == "") != (w.Password == ""):
		return kinds.Errorf(kinds.Invalid, "directory: a user and a password at the smarthost belong together")
	case len(w.Username) > maxSecret || len(w.Password) > maxSecret || strings.ContainsAny(w.Username+w.Password, "\x00\r\n"):
		return kinds.Errorf(kinds.Invalid, "directory: the user or the password is too long or has control characters")
	}
	if w.Certificate != "" {
		if len(w.Certificate) > maxCertificate {
			return kinds.Errorf(kinds.Limit, "directory: the certificate is larger than %d octets", maxCertificate)
		}
		if _, err := tls.X509KeyPair([]byte(w.Certificate), []byte(w.Certificate)); err != nil {
			return kinds.Errorf(kinds.Invalid, "directory: the certificate is not PEM with a certificate and its key")
		}
	}
	return nil
}

// SetHost takes a host and port apart (relay.example.net:587).
func (w *Way) SetHost(s string) error {
	host, port, err := net.SplitHostPort(s)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" || n == 0 {
		return kinds.Errorf(kinds.Invalid, "directory: a smarthost is a host and port (relay.example.net:587)")
	}
	w.Host, w.Port = strings.ToLower(host), uint16(n)
	return nil
}

// Routes lists routes of a tenant, or of the service and all tenants for the service's
// scope, after the id given.
func (d *Directory) Routes(ctx context.Context, s Scope, after string, limit int) ([]Route, error) {
	if err := s.NeedTenant(); err != nil {
		return nil, err
	}
	prefix := ""
	if s.Tenant != "" {
		prefix = routesOf(s.Tenant)
	}
	return routesFrom(d.records.List(ctx, routeSpace, prefix, after, max(1, min(limit, MaxPage))))
}

// Route gives a route by its id.
func (d *Directory) Route(ctx context.Context, s Scope, id string) (Route, error) {
	tenant, _, _ := strings.Cut(id, ":")
	if tenant == anyScope {
		tenant = ""
	}
	if id == "" || len(id) > records.MaxKey || !s.sees(tenant, s.Domain) {
		return Route{}, errAbsent()
	}
	if err := s.NeedTenant(); err != nil {
		return Route{}, err
	}
	found, err := d.records.Get(ctx, records.Key{Space: routeSpace, ID: id})
	if err != nil {
		return Route{}, err
	}
	if len(found) == 0 {
		return Route{}, errAbsent()
	}
	return routeFrom(found[0])
}

// DeleteRoute removes a route.
func (d *Directory) DeleteRoute(ctx context.Context, s Scope, id, match string) error {
	r, err := d.Route(ctx, s, id)
	if err != nil {
		return err
	}
	if err := s.needService(); err != nil {
		return err
	}
	version, err := versionOf(match, r.Tag)
	if err != nil {
		return err
	}
	return stale(d.remove(ctx, records.Key{Space: routeSpace, ID: id}, version))
}
