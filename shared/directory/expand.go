package directory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/records"
)

// Limits on what one address may lead to. A loop is harmless: no address is visited
// twice.
const (
	maxDepth   = 8    // aliases and groups within each other; what lies deeper gets nothing
	maxVisited = 2000 // addresses
)

// levels are the records from which an account inherits.
type levels struct {
	service Service
	tenant  Tenant
	domain  Domain
}

func (l levels) settings(account Settings) []Settings {
	return []Settings{l.service.Settings, l.tenant.Settings, l.domain.Settings, account}
}

// fetch reads addresses of one domain and what is above them, the latter from the cache
// if it can. It gives the entries that are there and the time of the oldest answer.
// A domain that is not ours, or not proven, is kinds.Denied.
func (d *Directory) fetch(ctx context.Context, domain string, addresses ...string) (map[string]entry, levels, time.Time, error) {
	var l levels
	oldest, begun := d.now(), d.scopes.begin()
	cached := func(k records.Key) (any, bool) {
		v, read, ok := d.scopes.get(k.Space + "/" + k.ID)
		if ok && read.Before(oldest) {
			oldest = read
		}
		return v, ok
	}
	keep := func(k records.Key, v any) { d.scopes.put(begun, k.Space+"/"+k.ID, v, d.now()) }

	var keys []records.Key
	for _, a := range addresses {
		keys = append(keys, entryKey(a))
	}
	domainAt, serviceAt := domainKey(domain), serviceKey()
	known, haveDomain := cached(domainAt)
	if haveDomain {
		l.domain = known.(Domain)
	} else {
		keys = append(keys, domainAt)
	}
	if v, ok := cached(serviceAt); ok {
		l.service = v.(Service)
	} else {
		keys = append(keys, serviceAt)
	}
	var found []records.Record
	var err error
	if len(keys) > 0 {
		found, err = d.records.Get(ctx, keys...)
	}
	if err != nil {
		return nil, l, oldest, err
	}
	entries := make(map[string]entry, len(found))
	for _, r := range found {
		switch r.Key {
		case domainAt:
			if l.domain, err = decode[Domain](r); err == nil {
				l.domain.Name = domain
				keep(domainAt, l.domain)
			}
			haveDomain = true
		case serviceAt:
			if l.service, err = decode[Service](r); err == nil {
				keep(serviceAt, l.service)
			}
		default:
			entries[r.ID+"@"+domain], err = decode[entry](r)
		}
		if err != nil {
			return nil, l, oldest, err
		}
	}
	if !haveDomain {
		return nil, l, oldest, kinds.Errorf(kinds.Denied, "directory: not our domain")
	}
	if v, ok := cached(tenantKey(l.domain.Tenant)); ok {
		l.tenant = v.(Tenant)
	} else {
		tenant, _, ok, err := read[Tenant](ctx, d, tenantKey(l.domain.Tenant))
		if err != nil {
			return nil, l, oldest, err
		}
		if !ok {
			return nil, l, oldest, kinds.Errorf(kinds.Denied, "directory: the domain's tenant is gone")
		}
		l.tenant = tenant
		keep(tenantKey(l.domain.Tenant), tenant)
	}
	for a, e := range entries {
		if e.Tenant != l.domain.Tenant {
			delete(entries, a) // left over from an earlier owner of the domain
		}
	}
	return entries, l, oldest, nil
}

// expand follows aliases and groups to accounts of the same tenant, and to other hosts.
func (d *Directory) expand(ctx context.Context, l *lookup, first entry) (*Resolution, error) {
	r := &Resolution{Tenant: l.domain.Tenant, Domain: domainOf(l.key), sole: true}
	x := expansion{r: r, visited: map[string]bool{l.at: true}, accounts: map[string]bool{}}
	x.take(l.at, first, l.levels)
	if err := x.settle(ctx, d); err != nil {
		return nil, err
	}
	for depth := 0; len(x.next) > 0 && depth < maxDepth; depth++ {
		if x.tooMany {
			return nil, kinds.Errorf(kinds.Limit, "directory: the address leads to more than %d others", maxVisited)
		}
		targets := x.next
		x.next = nil
		for domain, batch := range batches(targets) {
			entries, levels, read, err := d.fetch(ctx, domain, batch...)
			if kinds.Is(err, kinds.Denied) {
				continue // the domain has left us
			}
			if err != nil {
				return nil, err
			}
			if read.Before(l.read) {
				l.read = read
			}
			if levels.domain.Tenant != r.Tenant {
				continue // it belongs to another tenant now
			}
			for _, at := range batch {
				if e, ok := entries[at]; ok {
					x.take(at, e, levels)
				}
			}
		}
		if err := x.settle(ctx, d); err != nil {
			return nil, err
		}
	}
	switch {
	case len(r.Recipients)+len(r.Remote) > 0:
		return r, nil
	case x.suspended:
		return nil, kinds.Errorf(kinds.Suspended, "directory: the account is suspended")
	}
	return nil, errNoUser()
}

type expansion struct {
	r         *Resolution
	visited   map[string]bool // addresses
	accounts  map[string]bool // ids
	next      []string
	away      []string // elsewhere, unless their domain is the tenant's by now
	suspended bool
	tooMany   bool
}

// take adds an account, or queues where an alias or group leads.
func (x *expansion) take(at string, e entry, l levels) {
	if e.Kind != kindAccount {
		x.r.sole = x.r.sole && e.Kind == kindAlias
		for _, t := range e.Targets {
			if x.tooMany = x.tooMany || len(x.visited) >= maxVisited; x.tooMany {
				return
			}
			x.follow(t)
		}
		return
	}
	if e.Suspended || l.domain.Suspended {
		x.suspended = true
		return
	}
	id := string(e.Account.ID)
	if x.accounts[id] {
		return
	}
	x.accounts[id] = true
	x.r.Recipients = append(x.r.Recipients, Recipient{Account: e.Account, Address: at, Limits: l.limits(e.Settings), Public: e.Public})
}

// follow queues a target that is new.
func (x *expansion) follow(t string) {
	if x.visited[t] {
		return
	}
	x.visited[t] = true
	if to, away := strings.CutPrefix(t, elsewhereMark); away {
		x.away = append(x.away, to)
	} else {
		x.next = append(x.next, t)
	}
}

// settle finds which of the addresses elsewhere are the tenant's own by now, with one Get for
// all. One of another tenant stays elsewhere: mail for it goes the way of all mail.
func (x *expansion) settle(ctx context.Context, d *Directory) error {
	for part := range slices.Chunk(x.away, records.MaxGet) {
		ours := map[string]bool{}
		var keys []records.Key
		for _, to := range part {
			if domain := domainOf(to); !ours[domain] {
				ours[domain] = true
				keys = append(keys, domainKey(domain))
			}
		}
		found, err := d.records.Get(ctx, keys...)
		if err != nil {
			return err
		}
		clear(ours)
		for _, r := range found {
			dom, err := decode[Domain](r)
			if err != nil {
				return err
			}
			ours[r.ID] = dom.Tenant == x.r.Tenant
		}
		for _, to := range part {
			if a, err := address.Parse(to); err == nil && ours[a.Domain] {
				x.follow(a.Key())
			} else {
				x.r.Remote, x.r.sole = append(x.r.Remote, to), false
			}
		}
	}
	x.away = nil
	return nil
}

// batches parts addresses by domain, in runs that one Get can take, in order.
func batches(addresses []string) func(yield func(string, []string) bool) {
	return func(yield func(string, []string) bool) {
		var order []string
		by := map[string][]string{}
		for _, a := range addresses {
			domain := domainOf(a)
			if by[domain] == nil {
				order = append(order, domain)
			}
			by[domain] = append(by[domain], a)
		}
		const most = records.MaxGet - 2 // beside them the domain and the service
		for _, domain := range order {
			for rest := by[domain]; len(rest) > 0; rest = rest[min(most, len(rest)):] {
				if !yield(domain, rest[:min(most, len(rest))]) {
					return
				}
			}
		}
	}
}

// domainOf is the domain of an address in key form.
func domainOf(key string) string { return key[strings.LastIndexByte(key, '@')+1:] }
