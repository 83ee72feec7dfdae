package sharing

import (
	"context"
	"strings"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// What no level of a mailbox's name can hold, and may be in an address, is written as a
// quoted-printable octet is.
var escape = strings.NewReplacer("=", "=3D", "/", "=2F", "*", "=2A", "%", "=25")
var unescape = strings.NewReplacer("=3D", "=", "=2F", "/", "=2A", "*", "=25", "%")

// nameOf gives the name that an account has for another one.
func nameOf(who *directory.Identity, addr string) string {
	local, domain := split(addr)
	if domain == who.Domain {
		return escape.Replace(local)
	}
	return escape.Replace(addr)
}

// address is the reverse of nameOf.
func address(who *directory.Identity, name string) (string, error) {
	if name == "" || len(name) > 3*254 {
		return "", kinds.Errorf(kinds.NotFound, "sharing: no such name")
	}
	addr := unescape.Replace(name)
	if !strings.Contains(addr, "@") {
		addr += "@" + who.Domain
	}
	return addr, nil
}

func split(addr string) (local, domain string) {
	i := strings.LastIndexByte(addr, '@')
	return addr[:max(i, 0)], addr[i+1:]
}

// Identify finds the identifier of whom people call so: "anyone", or an account or group by its
// address, for which the local part is enough in who's own domain. A "-" before it stays.
// kinds.NotFound for nobody of the tenant.
func (s *Sharing) Identify(ctx context.Context, tenant, domain, text string) (string, error) {
	name, negative := strings.CutPrefix(text, "-")
	sign := ""
	if negative {
		sign = "-"
	}
	if name == account.Anyone {
		return sign + name, nil
	}
	if !strings.Contains(name, "@") && domain != "" {
		name += "@" + domain
	}
	p, err := s.cfg.Directory.Principal(ctx, tenant, name)
	switch {
	case err != nil:
		return "", err
	case p.Account != nil:
		return sign + account.User(p.Account.ID), nil
	}
	return sign + account.Group(p.Group), nil
}

// Name is how people call who has an identifier: the reverse of Identify. An account that is no
// more is called by its identifier.
func (s *Sharing) Name(ctx context.Context, tenant, who string) (string, error) {
	bare, negative := strings.CutPrefix(who, "-")
	sign := ""
	if negative {
		sign = "-"
	}
	if group, ok := strings.CutPrefix(bare, "group:"); ok {
		return sign + group, nil
	}
	id, ok := strings.CutPrefix(bare, "user:")
	if !ok {
		return who, nil
	}
	a, err := s.cfg.Directory.AccountByRef(ctx, account.Ref{ID: account.ID(id), Tenant: tenant})
	if kinds.Is(err, kinds.NotFound) {
		return who, nil
	}
	return sign + a.Address, err
}

// Known finds the identifier among those of a mailbox's grants that is called so, also one that
// stands for nobody any more.
func (s *Sharing) Known(ctx context.Context, tenant, domain string, m *account.Mailbox, text string) (string, error) {
	for _, g := range m.ACL {
		name, err := s.Name(ctx, tenant, g.Who)
		if err != nil {
			return "", err
		}
		if name == text {
			return g.Who, nil
		}
	}
	return s.Identify(ctx, tenant, domain, text)
}
