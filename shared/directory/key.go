package directory

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// An API key reads gw1.TENANT.ID.SECRET; a key of the service has - for its tenant.
const (
	keyPrefix   = "gw1"
	keyService  = "-"
	keyID       = 10 // random bytes
	keySecret   = 20
	maxKeyBytes = 160
)

// keySpace holds the keys of a tenant, "" for the service's.
func keySpace(tenant string) string {
	if tenant == "" {
		tenant = keyService
	}
	return "dir/keys/" + tenant
}

// parseKey takes an API key apart. Errors are kinds.Unauthenticated.
func parseKey(s string) (tenant, id, secret string, err error) {
	part := strings.Split(s[:min(len(s), maxKeyBytes+1)], ".")
	if len(s) > maxKeyBytes || len(part) != 4 || part[0] != keyPrefix || len(part[3]) != lower32.EncodedLen(keySecret) {
		return "", "", "", errKey()
	}
	tenant, id, err = parseKeyID(part[1] + "." + part[2])
	if _, bad := lower32.DecodeString(part[3]); err != nil || bad != nil {
		return "", "", "", errKey()
	}
	return tenant, id, part[3], nil
}

// parseKeyID takes apart what names a key: TENANT.ID. Errors are kinds.NotFound.
func parseKeyID(s string) (tenant, id string, err error) {
	tenant, id, _ = strings.Cut(s, ".")
	if tenant == keyService {
		tenant = ""
	} else if CheckTenantName(tenant) != nil {
		return "", "", errAbsent()
	}
	if _, err := lower32.DecodeString(id); err != nil || len(id) != lower32.EncodedLen(keyID) {
		return "", "", errAbsent()
	}
	return tenant, id, nil
}

func errKey() error { return kinds.Errorf(kinds.Unauthenticated, "directory: no such API key") }

func keyFrom(tenant string, r records.Record) (Key, error) {
	k, err := decode[Key](r)
	k.ID, k.Tenant, k.Tag = strings.TrimPrefix(keySpace(tenant), "dir/keys/")+"."+r.ID, tenant, tag(k.Created, r.Version)
	return k, err
}

// CreateKey makes an API key for the service (no tenant), a tenant or one domain of it.
// The secret is shown only now; it is kept as a hash.
func (d *Directory) CreateKey(ctx context.Context, s Scope, tenant, domain, name string) (Key, string, error) {
	return d.createKey(ctx, s, tenant, domain, Key{Name: name})
}

// CreateMailKey is CreateKey for a key that may read and add mail, too. It is for a scope to
// give that may so itself, or is the service's.
func (d *Directory) CreateMailKey(ctx context.Context, s Scope, tenant, domain, name string) (Key, string, error) {
	return d.createKey(ctx, s, tenant, domain, Key{Name: name, Mail: true})
}

func (d *Directory) createKey(ctx context.Context, s Scope, tenant, domain string, k Key) (Key, string, error) {
	if err := s.NeedTenant(); err != nil {
		return Key{}, "", err
	}
	if err := checkName(k.Name); err != nil {
		return Key{}, "", err
	}
	if tenant == "" {
		if err := s.needService(); err != nil {
			return Key{}, "", err
		}
		if domain != "" {
			return Key{}, "", kinds.Errorf(kinds.Invalid, "directory: a key of a domain names its tenant too")
		}
	} else if _, err := d.Tenant(ctx, s, tenant); err != nil {
		return Key{}, "", err
	}
	if domain != "" {
		dom, err := d.Domain(ctx, Scope{Tenant: tenant}, domain)
		if err != nil {
			return Key{}, "", err
		}
		domain = dom.Name
	}
	if k.Mail && !s.IsService() {
		if err := s.NeedMail(); err != nil {
			return Key{}, "", err
		}
	}
	id, secret := randomID(keyID), randomID(keySecret)
	sum := sha256.Sum256([]byte(secret))
	k.Domain, k.Created, k.Hash = domain, d.stamp(), sum[:]
	at := records.Key{Space: keySpace(tenant), ID: id}
	version, err := d.write(ctx, at, &k, 0)
	if err != nil {
		return Key{}, "", err
	}
	public := strings.TrimPrefix(at.Space, "dir/keys/") + "." + id
	k.ID, k.Tenant, k.Tag = public, tenant, tag(k.Created, version)
	return k, keyPrefix + "." + public + "." + secret, nil
}

// Login gives the scope of an API key: kinds.Unauthenticated when it is none, and
// kinds.Suspended when its tenant is.
func (d *Directory) Login(ctx context.Context, key string) (Scope, error) {
	tenant, id, secret, err := parseKey(key)
	if err != nil {
		return Scope{}, err
	}
	ask := []records.Key{{Space: keySpace(tenant), ID: id}}
	if tenant != "" {
		ask = append(ask, tenantKey(tenant))
	}
	found, err := d.records.Get(ctx, ask...)
	if err != nil {
		return Scope{}, err
	}
	if len(found) < len(ask) {
		return Scope{}, errKey()
	}
	k, err := keyFrom(tenant, found[0])
	if err != nil {
		return Scope{}, err
	}
	if sum := sha256.Sum256([]byte(secret)); subtle.ConstantTimeCompare(sum[:], k.Hash) != 1 {
		return Scope{}, errKey()
	}
	if tenant != "" {
		if t, err := decode[Tenant](found[1]); err != nil {
			return Scope{}, err
		} else if t.Suspended {
			return Scope{}, kinds.Errorf(kinds.Suspended, "directory: the tenant is suspended")
		}
	}
	return Scope{Tenant: tenant, Domain: k.Domain, Actor: k.ID, Mail: k.Mail}, nil
}

// Keys lists the keys of a tenant ("": of the service), after the position given, and
// gives the position of the next page.
func (d *Directory) Keys(ctx context.Context, s Scope, tenant, after string, limit int) ([]Key, string, error) {
	if !s.sees(tenant, s.Domain) {
		return nil, "", errAbsent()
	}
	if err := s.NeedTenant(); err != nil {
		return nil, "", err
	}
	limit = max(1, min(limit, MaxPage))
	found, err := d.records.List(ctx, keySpace(tenant), "", after, limit)
	if err != nil {
		return nil, "", err
	}
	list, position := make([]Key, 0, len(found)), ""
	for _, r := range found {
		k, err := keyFrom(tenant, r)
		if err != nil {
			return nil, "", err
		}
		list = append(list, k)
		position = r.ID
	}
	if len(found) < limit {
		position = ""
	}
	return list, position, nil
}

// Key gives a key by its id.
func (d *Directory) Key(ctx context.Context, s Scope, id string) (Key, error) {
	at, err := s.key(id)
	if err != nil {
		return Key{}, err
	}
	found, err := d.records.Get(ctx, at)
	if err != nil {
		return Key{}, err
	}
	if len(found) == 0 {
		return Key{}, errAbsent()
	}
	tenant, _, _ := parseKeyID(id)
	return keyFrom(tenant, found[0])
}

// DeleteKey revokes a key at once.
func (d *Directory) DeleteKey(ctx context.Context, s Scope, id, match string) error {
	k, err := d.Key(ctx, s, id)
	if err != nil {
		return err
	}
	version, err := versionOf(match, k.Tag)
	if err != nil {
		return err
	}
	at, err := s.key(id)
	if err != nil {
		return err
	}
	return stale(d.remove(ctx, at, version))
}

// key gives the record of a key that the scope may see.
func (s Scope) key(id string) (records.Key, error) {
	tenant, local, err := parseKeyID(id)
	if err != nil || !s.sees(tenant, s.Domain) {
		return records.Key{}, errAbsent()
	}
	return records.Key{Space: keySpace(tenant), ID: local}, s.NeedTenant()
}
