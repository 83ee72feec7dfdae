package directory

import (
	"context"
	"encoding/base32"
	"strings"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// lower32 is RFC 4648's base32 in lower case, without padding: nothing in it is
// mistaken for something else when it is read out or typed.
var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Scope is what a caller may see and change: the service, a tenant, or one domain of a
// tenant. All that lies outside it is kinds.NotFound; what lies inside but is not for
// the caller to do is kinds.Denied.
type Scope struct {
	Tenant string // empty: the service
	Domain string // empty: the whole tenant
	Actor  string // who, for the accounts' histories and the log: a key's id
	Mail   bool   // whether it may read and add the mail of accounts, and not only administer them
}

// ServiceScope is the whole service.
func ServiceScope(actor string) Scope { return Scope{Actor: actor} }

// IsService tells whether the scope is the whole service.
func (s Scope) IsService() bool { return s.Tenant == "" }

func (s Scope) sees(tenant, domain string) bool {
	return (s.Tenant == "" || s.Tenant == tenant) && (s.Domain == "" || s.Domain == domain)
}

func (s Scope) by() account.By { return account.By{Actor: s.Actor, Protocol: "api"} }

// needService refuses what only the service may do.
func (s Scope) needService() error {
	if !s.IsService() {
		return kinds.Errorf(kinds.Denied, "directory: this needs a key of the service")
	}
	return nil
}

// NeedTenant refuses, with kinds.Denied, what a key of one domain may not do.
func (s Scope) NeedTenant() error {
	if s.Domain != "" {
		return kinds.Errorf(kinds.Denied, "directory: this needs a key of the tenant")
	}
	return nil
}

// NeedMail refuses, with kinds.Denied, what only a key for mail may do.
func (s Scope) NeedMail() error {
	if !s.Mail {
		return kinds.Errorf(kinds.Denied, "directory: this needs a key that may read and add mail (godwit key create --mail)")
	}
	return nil
}

// CheckTenantName tells whether a tenant may have this name: 1 to 63 of a-z, 0-9 and -,
// neither the first nor the last a -.
func CheckTenantName(name string) error {
	ok := name != "" && len(name) <= 63 && name[0] != '-' && name[len(name)-1] != '-'
	for i := range len(name) {
		c := name[i]
		ok = ok && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-')
	}
	if !ok {
		return kinds.Errorf(kinds.Invalid, "directory: a tenant's name is 1 to 63 of a-z, 0-9 and -, which is neither first nor last")
	}
	return nil
}

// domainName reads a domain as the API is given it.
func domainName(s string) (string, error) {
	name, err := address.ParseDomain(strings.TrimSuffix(s, "."))
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(name, "[") {
		return "", kinds.Errorf(kinds.Invalid, "directory: an address literal is no domain")
	}
	return name, nil
}

// addressOf reads an address that names an object of the directory: its key form.
func addressOf(s string) (key, domain string, err error) {
	a, err := address.Parse(s)
	if err != nil {
		return "", "", err
	}
	if a.Domain == "" || a.IsLiteral() {
		return "", "", kinds.Errorf(kinds.Invalid, "directory: the address needs a domain")
	}
	return a.Key(), a.Domain, nil
}

// seenAddress is addressOf for an object that must lie in a domain of the scope.
func (d *Directory) seenAddress(ctx context.Context, s Scope, addr string) (string, Domain, error) {
	key, name, err := addressOf(addr)
	if err != nil {
		return "", Domain{}, err
	}
	dom, err := d.activeDomain(ctx, s, name)
	return key, dom, err
}
