package directory_test

import (
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestTheMostSpecificRouteHolds(t *testing.T) {
	w := newWorld(t)
	for _, r := range []directory.Route{
		{To: "*", Way: directory.Way{Name: directory.Direct}},
		{To: "*", Kind: "report", Way: directory.Way{Name: directory.Hold}},
		{To: "*.example.net", Way: smart("service-below")},
		{To: "mail.example.net", Way: smart("service-mail")},
		{Tenant: "one", To: "*", Way: smart("one")},
		{Tenant: "one", To: "*.net", Way: smart("net")},
		{Tenant: "one", To: "*.net", Kind: "submission", Way: directory.Way{Name: directory.SES}},
		{Tenant: "one", To: "*.example.net", Way: smart("below")},
		{Domain: "one.test", To: "*", Kind: "forward", Way: smart("domain-forward")},
	} {
		_, err := w.SetRoute(t.Context(), root, r)
		porttest.OK(t, err)
	}
	for _, c := range []struct{ tenant, from, to, kind, want string }{
		{"two", "two.test", "a.test", "submission", "direct "},
		{"two", "two.test", "a.test", "report", "hold "},
		{"two", "two.test", "example.net", "report", "hold "}, // "*.example.net" is what lies below it
		{"two", "two.test", "mail.example.net", "report", "smarthost service-mail"},
		{"two", "one.test", "x.mail.example.net", "forward", "smarthost service-below"},
		{"one", "other.test", "a.test", "report", "smarthost one"},
		{"one", "other.test", "example.net", "report", "smarthost net"},
		{"one", "other.test", "example.net", "submission", "ses "},
		{"one", "", "mail.example.net", "dsn", "smarthost below"},
		{"one", "one.test", "mail.example.net", "forward", "smarthost domain-forward"},
		{"one", "one.test", "mail.example.net", "submission", "smarthost below"},
	} {
		r, found, err := w.FindRoute(t.Context(), c.tenant, c.from, c.to, c.kind)
		porttest.OK(t, err)
		if got := r.Way.Name + " " + r.Way.Host; !found || got != c.want {
			t.Errorf("%s %s to %s %s: %q, want %q", c.tenant, c.from, c.to, c.kind, got, c.want)
		}
	}
	porttest.OK(t, w.DeleteRoute(t.Context(), root, "_:_:any:+", ""))
	if r, found, err := w.FindRoute(t.Context(), "two", "", "a.test", "submission"); err != nil || found {
		t.Errorf("after its removal: %+v, %v", r, err)
	}
}

func smart(host string) directory.Way {
	return directory.Way{Name: directory.Smarthost, Host: host, Port: 587, TLS: "verified"}
}

func TestARouteThatCanNotWorkIsRefused(t *testing.T) {
	w := newWorld(t)
	way := func(edit func(*directory.Way)) directory.Route {
		y := smart("relay.test")
		edit(&y)
		return directory.Route{Way: y}
	}
	for say, r := range map[string]directory.Route{
		"SES takes no null sender":    {Way: directory.Way{Name: directory.SES}},
		"forwards, notifications":     {Kind: "forward", Way: directory.Way{Name: directory.SES}},
		"the way is":                  {Way: directory.Way{Name: "pigeon"}},
		"kind of a route":             {Kind: "spam", Way: smart("relay.test")},
		"host and port":               way(func(y *directory.Way) { y.Port = 0 }),
		"TLS with a smarthost":        way(func(y *directory.Way) { y.TLS = "" }),
		"belong together":             way(func(y *directory.Way) { y.Username = "us" }),
		"control characters":          way(func(y *directory.Way) { y.Username, y.Password = "us", "a\r\nb" }),
		"not PEM":                     way(func(y *directory.Way) { y.Certificate = "x" }),
		"only a smarthost":            {Way: directory.Way{Name: directory.Direct, Password: "x"}},
		"only SES":                    {Way: directory.Way{Name: directory.Direct, Set: "x"}},
		"name of a configuration set": {Kind: "submission", Way: directory.Way{Name: directory.SES, Set: "a b"}},
		"address literal":             {To: "[127.0.0.1]", Way: directory.Way{Name: directory.Direct}},
		"messages a minute":           {Way: directory.Way{Name: directory.Direct, Rate: -1}},
		"address: ":                   {To: "a*.test", Way: directory.Way{Name: directory.Direct}},
	} {
		if _, err := w.SetRoute(t.Context(), root, r); (!kinds.Is(err, kinds.Invalid)) || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", say, err)
		}
	}
}

func TestOnlyTheServiceSetsRoutes(t *testing.T) {
	w := newWorld(t)
	mine := directory.Scope{Tenant: "one"}
	if _, err := w.SetRoute(t.Context(), mine, directory.Route{Tenant: "one", Way: smart("relay.test")}); !kinds.Is(err, kinds.Denied) {
		t.Errorf("a tenant set a route: %v", err)
	}
	set, err := w.SetRoute(t.Context(), root, directory.Route{Tenant: "one", Way: smart("relay.test")})
	porttest.OK(t, err)
	if _, err := w.Route(t.Context(), mine, set.ID); err != nil {
		t.Error(err)
	}
	if err := w.DeleteRoute(t.Context(), mine, set.ID, ""); !kinds.Is(err, kinds.Denied) {
		t.Errorf("a tenant removed a route: %v", err)
	}
	for _, s := range []directory.Scope{{Tenant: "two"}, {Tenant: "two", Domain: "two.test"}} {
		if err := w.DeleteRoute(t.Context(), s, set.ID, ""); !kinds.Is(err, kinds.NotFound) {
			t.Errorf("of another tenant's: %v", err)
		}
	}
}

// What is never shown can't be given again with a change; it doesn't go to another host.
func TestAChangeOfARouteKeepsItsPassword(t *testing.T) {
	w := newWorld(t)
	way := smart("relay.test")
	way.Username, way.Password = "us", "secret"
	_, err := w.SetRoute(t.Context(), root, directory.Route{Way: way})
	porttest.OK(t, err)
	way.Password, way.Rate = "", 7
	r, err := w.SetRoute(t.Context(), root, directory.Route{Way: way})
	porttest.OK(t, err)
	if r.Way.Password != "secret" || r.Way.Rate != 7 {
		t.Errorf("%+v", r.Way)
	}
	for _, edit := range []func(*directory.Way){func(w *directory.Way) { w.Host = "evil.test" }, func(w *directory.Way) { w.Username = "other" }} {
		other := way
		edit(&other)
		if _, err := w.SetRoute(t.Context(), root, directory.Route{Way: other}); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("the password went to %+v: %v", other, err)
		}
	}
}

func TestRoutesGoWithTheirTenantAndDomain(t *testing.T) {
	w := newWorld(t)
	_, err := w.CreateTenant(t.Context(), root, "brief")
	porttest.OK(t, err)
	_, err = w.CreateDomain(t.Context(), root, "brief", "brief.test")
	porttest.OK(t, err)
	for _, r := range []directory.Route{{Tenant: "brief"}, {Domain: "brief.test"}} {
		r.Way = directory.Way{Name: directory.Direct}
		_, err := w.SetRoute(t.Context(), root, r)
		porttest.OK(t, err)
	}
	count := func(want int) {
		t.Helper()
		list, err := w.Routes(t.Context(), root, "", 100)
		porttest.OK(t, err)
		if len(list) != want {
			t.Errorf("%d routes: %+v", len(list), list)
		}
	}
	count(2)
	porttest.OK(t, w.DeleteDomain(t.Context(), root, "brief.test", ""))
	count(1)
	porttest.OK(t, w.DeleteTenant(t.Context(), root, "brief", ""))
	count(0)
}
