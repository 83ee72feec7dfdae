package outbound

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Routes find the route of a mail; *directory.Directory.
type Routes interface {
	FindRoute(ctx context.Context, tenant, from, to, kind string) (directory.Route, bool, error)
	// RouteFor gives a route by its id, as far as the tenant's mail may take it.
	RouteFor(ctx context.Context, tenant, id string) (directory.Route, bool, error)
}

// Router chooses by which way mail leaves, and who sends it so. Safe for concurrent use.
type Router struct {
	Routes  Routes                          // nil: there are none
	Default func(kind string) directory.Way // the way of mail for which there is no route
	// Who sends by a way; nil: this process does not do it.
	Direct    Sender
	Smarthost func(directory.Way) (Tidier, error)                 // for one smarthost, kept while mail goes there
	SES       func(m *spool.Mail, configurationSet string) Sender // for one mail
	Now       func() time.Time

	mu     sync.Mutex
	relays map[string]*kept // by what tells smarthosts apart
	brakes brakes
}

// Tidier is a Sender that keeps connections; *relay.Sender.
type Tidier interface {
	Sender
	Tidy(all bool)
}

// Only makes a router by which all mail leaves by one sender.
func Only(s Sender) *Router {
	return &Router{Default: func(string) directory.Way { return directory.Way{Name: directory.Direct} }, Direct: s, Now: time.Now}
}

// Route says how a mail leaves for recipients in a domain; chosen is what somebody chose
// for them, as spool.Recipient has it. Without a sender the way is directory.Hold, or one
// that this process does not do. kinds.Throttled: the route's rate is used up.
func (r *Router) Route(ctx context.Context, m *spool.Mail, domain, chosen string) (directory.Way, Sender, error) {
	route, err := r.route(ctx, m, domain, chosen)
	way := route.Way
	if err != nil {
		return way, nil, err
	}
	var s Sender
	switch {
	case way.Name == directory.Direct && r.Direct != nil:
		s = r.Direct
	case way.Name == directory.SES && r.SES != nil:
		s = r.SES(m, way.Set)
	case way.Name == directory.Smarthost && r.Smarthost != nil:
		if s, err = r.relay(way); err != nil {
			return way, nil, err
		}
	}
	if s != nil && way.Rate > 0 {
		return way, s, r.brakes.pass(route.ID+" "+domain, way.Rate, r.Now())
	}
	return way, s, nil
}

func (r *Router) route(ctx context.Context, m *spool.Mail, domain, chosen string) (directory.Route, error) {
	kind := kindOf(m)
	usual := directory.Route{Way: r.Default(kind)}
	switch chosen {
	case directory.Direct, directory.SES:
		return directory.Route{Way: directory.Way{Name: chosen}}, nil
	case spool.Usual:
		return usual, nil
	}
	if r.Routes == nil {
		return usual, nil
	}
	if id, ok := strings.CutPrefix(chosen, spool.ByRoute); ok {
		if route, ok, err := r.Routes.RouteFor(ctx, m.Tenant, id); ok || err != nil {
			return route, err
		} // it was removed: as if nobody had chosen
	}
	from := cmp.Or(m.Path, m.From)
	from = strings.ToLower(from[strings.LastIndexByte(from, '@')+1:])
	route, ok, err := r.Routes.FindRoute(ctx, m.Tenant, from, domain, kind)
	if err == nil && (!ok || route.Way.Name == directory.Hold && chosen == spool.Released) {
		return usual, nil
	}
	return route, err
}

// kindOf is the kind of a mail for its route: a receipt that a user sends goes where other
// mail of the null sender goes.
func kindOf(m *spool.Mail) string {
	if m.From == "" && m.Kind == spool.Submission {
		return spool.Notification
	}
	return m.Kind
}

// Limits of the smarthosts to which connections are kept.
const (
	maxRelays = 256
	relayIdle = 10 * time.Minute
)

type kept struct {
	Tidier
	used time.Time
}

// relay gives the sender to a smarthost: the same for the same one, so that it knows what
// is being sent there.
func (r *Router) relay(w directory.Way) (Sender, error) {
	key := fmt.Sprintf("%q %d %q %q %q %q", w.Host, w.Port, w.TLS, w.Username, w.Password, w.Certificate)
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.relays[key]; k != nil {
		k.used = now
		return k.Tidier, nil
	}
	s, err := r.Smarthost(w)
	if err != nil {
		return nil, err
	}
	if r.relays == nil {
		r.relays = map[string]*kept{}
	}
	if len(r.relays) >= maxRelays {
		r.drop()
	}
	r.relays[key] = &kept{s, now}
	return s, nil
}

// drop forgets the smarthost that was not used for the longest time. Who sends there goes
// on.
func (r *Router) drop() {
	oldest := ""
	for key, k := range r.relays {
		if oldest == "" || k.used.Before(r.relays[oldest].used) {
			oldest = key
		}
	}
	go r.relays[oldest].Tidy(true)
	delete(r.relays, oldest)
}

// Tidy ends connections that have waited too long, all of them if all is set.
func (r *Router) Tidy(all bool) {
	var list, gone []Tidier
	r.mu.Lock()
	for key, k := range r.relays {
		if all || r.Now().Sub(k.used) > relayIdle {
			delete(r.relays, key)
			gone = append(gone, k.Tidier)
		} else {
			list = append(list, k.Tidier)
		}
	}
	r.mu.Unlock()
	if direct, ok := r.Direct.(Tidier); ok {
		direct.Tidy(all)
	}
	for _, s := range list {
		s.Tidy(false)
	}
	for _, s := range gone {
		s.Tidy(true)
	}
}
