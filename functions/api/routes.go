package api

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
)

// Route says how some mail leaves for other hosts. A password and a certificate's key are
// taken and never shown.
type Route struct {
	ID               string    `json:"id"`
	Tenant           string    `json:"tenant,omitempty" doc:"Whose mail; of all tenants when left out."`
	Domain           string    `json:"domain,omitempty" doc:"The domain that sends; any of the tenant's when left out."`
	Kind             string    `json:"kind"`
	To               string    `json:"to" doc:"The domain that mail goes to: example.net, *.example.net for what lies below it, or *."`
	Way              string    `json:"way" enum:"direct,smarthost,ses,hold"`
	Smarthost        string    `json:"smarthost,omitempty" doc:"Host and port."`
	TLS              string    `json:"tls,omitempty"`
	Username         string    `json:"username,omitempty"`
	Password         bool      `json:"has_password,omitempty"`
	Certificate      bool      `json:"has_certificate,omitempty"`
	ConfigurationSet string    `json:"configuration_set,omitempty" doc:"Of SES."`
	Rate             int       `json:"rate,omitempty" doc:"Messages a minute to one domain, of each process that sends; 0 is any number."`
	Created          time.Time `json:"created"`
}

func viewRoute(r directory.Route) Route {
	v := Route{ID: r.ID, Tenant: r.Tenant, Domain: r.Domain, Kind: r.Kind, To: r.To, Way: r.Way.Name, TLS: r.Way.TLS, Username: r.Way.Username,
		Password: r.Way.Password != "", Certificate: r.Way.Certificate != "", ConfigurationSet: r.Way.Set, Rate: r.Way.Rate, Created: directory.Time(r.Created)}
	if r.Way.Host != "" {
		v.Smarthost = net.JoinHostPort(r.Way.Host, strconv.Itoa(int(r.Way.Port)))
	}
	return v
}

// RouteSet is a route as it is set.
type RouteSet struct {
	Tenant           string `json:"tenant,omitempty" maxLength:"63"`
	Domain           string `json:"domain,omitempty" maxLength:"255"`
	Kind             string `json:"kind,omitempty" enum:"any,submission,forward,dsn,report" default:"any"`
	To               string `json:"to,omitempty" maxLength:"257" default:"*"`
	Way              string `json:"way" enum:"direct,smarthost,ses,hold"`
	Smarthost        string `json:"smarthost,omitempty" maxLength:"260" doc:"Host and port."`
	TLS              string `json:"tls,omitempty" enum:"opportunistic,encrypted,verified,implicit" doc:"Of a smarthost, which is verified when left out."`
	Username         string `json:"username,omitempty" maxLength:"1024"`
	Password         string `json:"password,omitempty" maxLength:"1024" doc:"When left out, the old one stays for the same host and user."`
	Certificate      string `json:"certificate,omitempty" maxLength:"32768" doc:"PEM, with its key. When left out, the old one stays for the same host."`
	ConfigurationSet string `json:"configuration_set,omitempty" maxLength:"64"`
	Rate             int    `json:"rate,omitempty" minimum:"0" maximum:"1000000"`
}

func (in RouteSet) route() (directory.Route, error) {
	r := directory.Route{Tenant: in.Tenant, Domain: in.Domain, Kind: in.Kind, To: in.To, Way: directory.Way{Name: in.Way, TLS: in.TLS,
		Username: in.Username, Password: in.Password, Certificate: in.Certificate, Set: in.ConfigurationSet, Rate: in.Rate}}
	if in.Way == directory.Smarthost && in.TLS == "" {
		r.Way.TLS = "verified"
	}
	if in.Smarthost != "" {
		return r, r.Way.SetHost(in.Smarthost)
	}
	return r, nil
}

// RoutePath names a route.
type RoutePath struct {
	ID string `path:"id" maxLength:"640"`
}

func (s *server) routes(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/routes", "list-routes", "List routes of mail to other hosts", http.StatusOK),
		func(ctx context.Context, in *struct {
			Paged
			ByTenant
		}) (*list[Route], error) {
			return listed(ctx, s, in.Paged, "routes/"+in.Tenant, in.Tenant, func(who directory.Scope, after string) ([]directory.Route, string, error) {
				found, err := s.dir.Routes(ctx, who, after, in.limit())
				return found, following(found, in.limit(), func(r directory.Route) string { return r.ID }), err
			}, viewRoute)
		})

	set := operation(http.MethodPut, "/v1/routes", "set-route", "Set the route of some mail to other hosts", http.StatusOK)
	set.Description = "Of the routes that fit a mail, that of a domain holds before that of a tenant, and that before one of the service; then that of the longest pattern; " +
		"then that of the mail's kind. Needs a key of the service. Whoever sends hears of it within half a minute."
	huma.Register(api, set, func(ctx context.Context, in *struct{ Body RouteSet }) (*one[Route], error) {
		r, err := in.Body.route()
		if err == nil {
			r, err = s.dir.SetRoute(ctx, scope(ctx), r)
		}
		return shown(ctx, s, r.Tag, viewRoute(r), err)
	})

	huma.Register(api, operation(http.MethodGet, "/v1/routes/{id}", "get-route", "Show a route", http.StatusOK),
		func(ctx context.Context, in *RoutePath) (*one[Route], error) {
			r, err := s.dir.Route(ctx, scope(ctx), in.ID)
			return shown(ctx, s, r.Tag, viewRoute(r), err)
		})

	huma.Register(api, operation(http.MethodDelete, "/v1/routes/{id}", "delete-route", "Remove a route", http.StatusNoContent),
		func(ctx context.Context, in *struct {
			RoutePath
			MayMatch
		}) (*none, error) {
			return s.remove(ctx, in.MayMatch, in.ID, s.dir.DeleteRoute)
		})
}
