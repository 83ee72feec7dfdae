package directory

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// maxAliases is how many aliases may lie between a login name and its account.
const maxAliases = 4

// Authenticate judges a login over a protocol (Submission, IMAP, POP3). username is the
// account's address or an alias that leads to it alone. A wrong password costs exactly one
// evaluation of a password hash, whether or not there is such an account; a right one costs
// one now and then, an app password none.
//
// Errors: kinds.Unauthenticated; and, only after the right password, kinds.Suspended
// and kinds.Denied (the protocol is switched off for the account or app password).
func (d *Directory) Authenticate(ctx context.Context, username, password, protocol string) (*Identity, error) {
	found, _, err := d.login(ctx, username)
	if err != nil {
		return nil, err
	}
	hash := ""
	if found != nil {
		hash = found.e.Hash
	}
	var app *AppPassword
	if found != nil {
		app = found.e.app(password)
	}
	right := app != nil
	if !right {
		if right, err = d.hasher.matches(ctx, hash, password); err != nil {
			return nil, err
		}
	}
	if found == nil || !right {
		return nil, kinds.Errorf(kinds.Unauthenticated, "directory: wrong name or password")
	}
	id, err := found.admit(app, protocol)
	if err == nil {
		d.noteLogin(ctx, found, app, password)
	}
	return id, err
}

// admit lets in who has proven to be the account's owner, by an app password if app isn't
// nil: unless the account is suspended, or may not use the protocol.
func (found *loginAccount) admit(app *AppPassword, protocol string) (*Identity, error) {
	l := found.levels
	if found.e.Suspended || l.domain.Suspended || l.tenant.Suspended {
		return nil, kinds.Errorf(kinds.Suspended, "directory: the account, its domain or its tenant is suspended")
	}
	id := &Identity{Account: found.e.Account, Tenant: found.e.Tenant, Domain: domainOf(found.at), Address: found.at, Generation: found.e.Generation}
	allowed := slices.Contains(found.settings().Protocols, protocol)
	if app != nil {
		id.AppPassword = app.ID
		allowed = allowed && (len(app.Protocols) == 0 || slices.Contains(app.Protocols, protocol))
	}
	if !allowed {
		return nil, kinds.Errorf(kinds.Denied, "directory: %s is switched off for this login", protocol)
	}
	return id, nil
}

// loginAccount is the account that a login name leads to.
type loginAccount struct {
	at      string
	e       entry
	version uint64 // of its record
	levels  levels
}

func (found *loginAccount) settings() Effective {
	return Inherit(found.levels.settings(found.e.Settings)...)
}

// login finds the account of a login name, nil if there is none, and what is above where it
// would be. It doesn't ask the cache: a password that was changed is wrong at once,
// everywhere.
func (d *Directory) login(ctx context.Context, username string) (found *loginAccount, l levels, err error) {
	a, err := address.Parse(username)
	if err != nil || a.Domain == "" || a.IsLiteral() {
		return nil, l, nil
	}
	at, tenant := a.Key(), ""
	for range maxAliases {
		var e entry
		var ok bool
		var version uint64
		e, version, l, ok, err = d.fresh(ctx, at)
		if err != nil || !ok || tenant != "" && tenant != e.Tenant {
			return nil, l, err
		}
		switch e.Kind {
		case kindAccount:
			if e.Public {
				return nil, l, nil
			}
			return &loginAccount{at: at, e: e, version: version, levels: l}, l, nil
		case kindAlias:
			at, tenant = e.Targets[0], e.Tenant
		default:
			return nil, l, nil
		}
	}
	return nil, l, nil
}

// fresh reads the entry of an address and all that is above it, past the cache, with as many
// reads whether or not the address is there.
func (d *Directory) fresh(ctx context.Context, at string) (e entry, version uint64, l levels, ok bool, err error) {
	found, err := d.records.Get(ctx, entryKey(at), domainKey(domainOf(at)), serviceKey())
	if err != nil {
		return e, 0, l, false, err
	}
	have := 0
	for _, r := range found {
		switch r.Key {
		case serviceKey():
			l.service, err = decode[Service](r)
		case domainKey(domainOf(at)):
			l.domain, err = decode[Domain](r)
			have++
		default:
			e, err = decode[entry](r)
			version = r.Version
			have++
		}
		if err != nil {
			return e, 0, l, false, err
		}
	}
	if l.domain.Tenant == "" {
		return e, 0, l, false, nil
	}
	l.tenant, _, ok, err = read[Tenant](ctx, d, tenantKey(l.domain.Tenant))
	return e, version, l, ok && have == 2 && e.Tenant == l.domain.Tenant, err
}

// appPassword is the form in which people are given one: lower-case base32 in groups.
// People type it with or without the groups' dashes, or with blanks.
const (
	appBytes = 17 // 136 random bits: no slow hash is needed to keep them
	appGroup = 7
)

// newAppPassword makes a secret.
func newAppPassword() (shown string, hash []byte) {
	secret := randomID(appBytes)
	sum := sha256.Sum256([]byte(secret))
	return inGroups(secret), sum[:]
}

func inGroups(secret string) string {
	var groups []string
	for part := range slices.Chunk([]byte(secret), appGroup) {
		groups = append(groups, string(part))
	}
	return strings.Join(groups, "-")
}

// secretOf gives the secret of an app password as it was typed.
func secretOf(typed string) string {
	return strings.NewReplacer("-", "", " ", "").Replace(strings.ToLower(typed))
}

// app gives the app password that was typed, nil if it is none. All are compared.
func (e *entry) app(typed string) (found *AppPassword) {
	if len(typed) > MaxPassword {
		return nil
	}
	sum := sha256.Sum256([]byte(secretOf(typed)))
	for i := range e.Apps {
		if subtle.ConstantTimeCompare(sum[:], e.Apps[i].Hash) == 1 {
			found = &e.Apps[i]
		}
	}
	return found
}
