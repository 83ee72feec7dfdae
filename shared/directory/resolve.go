package directory

import (
	"context"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/srs"
)

// Resolution is where mail for an address goes.
type Resolution struct {
	Tenant, Domain string
	Recipients     []Recipient // each account once
	Remote         []string    // addresses of other hosts, each once
	// Return: the address is one by which we have sent mail on; what goes to it, back to its
	// sender, is a notification or nothing.
	Return bool

	sole bool // reached without a group, a catch-all or the duty of a postmaster, and nobody elsewhere is
}

// Recipient is one account that gets the mail.
type Recipient struct {
	Account account.Ref
	Address string // the account's own
	Limits  Limits
	Public  bool // it takes mail where anyone may post
}

// Resolve says which accounts get mail for addr, and which addresses of other hosts. In this
// order it is looked for as it stands, without its +tag, as a reverse-path of forwarded mail,
// as postmaster, and in the domain's catch-all.
//
// Errors: kinds.NotFound (the domain is ours, the user isn't there), kinds.Suspended,
// kinds.Denied (the domain is not ours), kinds.Invalid, kinds.Limit (a group too large).
func (d *Directory) Resolve(ctx context.Context, addr address.Address) (*Resolution, error) {
	if addr.Domain == "" {
		// RFC 5321, section 4.5.1: the reserved mailbox name "postmaster" may be used in a RCPT command without domain qualification
		if !addr.IsPostmaster() {
			return nil, kinds.Errorf(kinds.Invalid, "directory: an address without domain")
		}
		return d.servicePostmaster(ctx)
	}
	if addr.IsLiteral() {
		return nil, kinds.Errorf(kinds.Denied, "directory: an address literal is none of our domains")
	}
	if known, _, ok := d.resolved.get(addr.Key()); ok {
		return known, nil
	}
	begun := d.resolved.begin()
	l, err := d.look(ctx, addr)
	if err != nil {
		return nil, err
	}
	if l.found != nil {
		r, err := d.expand(ctx, l, *l.found)
		if err == nil {
			d.resolved.put(begun, addr.Key(), r, l.read)
		}
		return r, err
	}
	// What follows is found because the address is not there, and is never kept.
	if d.forward && srs.Is(addr.Local) {
		return d.goesBack(ctx, l, addr)
	}
	if addr.IsPostmaster() {
		return d.postmaster(ctx, l)
	}
	if l.domain.CatchAll != "" {
		return d.follow(ctx, l, l.domain.CatchAll)
	}
	return nil, errNoUser()
}

func errNoUser() error { return kinds.Errorf(kinds.NotFound, "directory: no such user") }

// lookup is the first step from an address.
type lookup struct {
	key    string // of the address as it stands
	at     string // where found was: key, or key without the +tag
	found  *entry
	levels // of its domain
	read   time.Time
}

// look finds an address as it stands or without its +tag: one Get when the domain's
// tenant is known, else two.
func (d *Directory) look(ctx context.Context, addr address.Address) (*lookup, error) {
	l := &lookup{key: addr.Key(), read: d.now()}
	ask := []string{l.key}
	base, _, tagged := addr.Subaddress()
	if tagged {
		ask = append(ask, base.Key())
	}
	entries, levels, read, err := d.fetch(ctx, addr.Domain, ask...)
	if err != nil {
		return nil, err
	}
	l.levels = levels
	if read.Before(l.read) {
		l.read = read
	}
	if levels.tenant.Suspended || levels.domain.Suspended {
		return nil, kinds.Errorf(kinds.Suspended, "directory: the domain or its tenant is suspended")
	}
	for i, at := range ask {
		e, ok := entries[at]
		if ok && (i == 0 || Inherit(levels.settings(e.Settings)...).Subaddresses) {
			l.at, l.found = at, &e
			break
		}
	}
	return l, nil
}

// postmaster finds who answers for a domain that has no such address.
// RFC 5321, section 4.5.1: Any system that includes an SMTP server supporting mail relaying or delivery MUST support the reserved mailbox "postmaster" as a case-insensitive local name.
func (d *Directory) postmaster(ctx context.Context, l *lookup) (*Resolution, error) {
	for _, name := range []string{l.domain.Postmaster, l.tenant.Postmaster} {
		if name == "" {
			continue
		}
		if r, err := d.follow(ctx, l, name); err == nil || kinds.Of(err).Temporary() {
			return r, err
		}
	}
	return d.servicePostmaster(ctx)
}

// servicePostmaster may belong to another tenant than the domain that was written to.
func (d *Directory) servicePostmaster(ctx context.Context) (*Resolution, error) {
	service, _, _, err := read[Service](ctx, d, serviceKey())
	if err != nil {
		return nil, err
	}
	addr, err := address.Parse(service.Postmaster)
	if err != nil || addr.Domain == "" {
		return nil, errNoUser()
	}
	l, err := d.look(ctx, addr)
	if kinds.Is(err, kinds.Denied) || err == nil && l.found == nil {
		return nil, errNoUser()
	}
	if err != nil {
		return nil, err
	}
	r, err := d.expand(ctx, l, *l.found)
	if err == nil {
		r.sole = false
	}
	return r, err
}

// follow resolves an address that a domain or tenant of the lookup names.
func (d *Directory) follow(ctx context.Context, l *lookup, name string) (*Resolution, error) {
	return d.expand(ctx, l, entry{Tenant: l.domain.Tenant, Kind: kindGroup, Targets: []string{name}})
}
