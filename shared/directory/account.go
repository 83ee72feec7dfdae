package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// MaxAppPasswords of one account.
const MaxAppPasswords = 50

// maxName is the longest name of a thing, in bytes.
const maxName = 200

// NewAccount is what an account begins with.
type NewAccount struct {
	Address  string
	Name     string
	Password string // none for a public one
	Settings Settings
	Public   bool
}

// CreateAccount makes an account with its journal. The journal comes first, then the
// tenant's note of the id, at last the record at the address, whose conditional put
// decides: who dies before it leaves nothing that anybody meets, and may try again.
// kinds.Exists when the address is taken, by whatever.
func (d *Directory) CreateAccount(ctx context.Context, s Scope, n NewAccount) (Account, error) {
	key, dom, err := d.seenAddress(ctx, s, n.Address)
	if err != nil {
		return Account{}, err
	}
	if err := checkName(n.Name); err != nil {
		return Account{}, err
	}
	if err := n.Settings.check(ofAccount); err != nil {
		return Account{}, err
	}
	version, err := d.vacant(ctx, key, dom)
	if err != nil {
		return Account{}, err
	}
	l, err := d.above(ctx, dom)
	if err != nil {
		return Account{}, err
	}
	ref := account.NewRef(dom.Tenant)
	e := entry{Tenant: dom.Tenant, Kind: kindAccount, Created: d.stamp(), Account: ref, Name: n.Name, Settings: n.Settings, Public: n.Public}
	if n.Public {
		if n.Password != "" {
			return Account{}, kinds.Errorf(kinds.Invalid, "directory: a public account has no password")
		}
	} else if e.Hash, e.Scram, err = d.hasher.make(ctx, n.Password, e.scramParams(l)); err != nil {
		return Account{}, err
	}
	if err := d.accounts.Create(ctx, ref, s.by()); err != nil {
		return Account{}, err
	}
	at := claimKey(dom.Tenant, "account", string(ref.ID))
	if _, err := d.write(ctx, at, &claim{Created: e.Created, Address: key}, 0); err != nil {
		return Account{}, err
	}
	version, err = d.write(ctx, entryKey(key), &e, version)
	if isChanged(err) {
		_ = d.remove(ctx, at, 0) // it leads nowhere, whether or not this is done
		return Account{}, errExists("address")
	}
	if err != nil {
		return Account{}, err
	}
	d.log.InfoContext(ctx, "account created", "tenant", dom.Tenant, "domain", dom.Name, "account", ref.ID, "by", s.Actor)
	if n.Public {
		return accountFrom(key, e, version), nil
	}
	return accountFrom(key, e, version), d.nominate(ctx, s, dom, key)
}

// nominate makes the first account of a domain its postmaster, and the first of all the
// service's: somebody must read that mail. An administrator may name others.
func (d *Directory) nominate(ctx context.Context, s Scope, dom Domain, key string) error {
	if dom.Postmaster != "" {
		return nil
	}
	_, err := d.ChangeDomain(ctx, s, dom.Name, "", func(v *Domain) error {
		if v.Postmaster == "" {
			v.Postmaster = key
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = d.ChangeService(ctx, ServiceScope(s.Actor), "", func(v *Service) error {
		if v.Postmaster == "" {
			v.Postmaster = key
		}
		return nil
	})
	return err
}

// vacant gives the version to overwrite at an address that is free: 0, or that of a
// record that an earlier owner of the domain has left.
func (d *Directory) vacant(ctx context.Context, key string, dom Domain) (uint64, error) {
	old, version, ok, err := read[entry](ctx, d, entryKey(key))
	if err == nil && ok && old.Tenant == dom.Tenant {
		err = errExists("address")
	}
	return version, err
}

// above reads what a domain inherits from.
func (d *Directory) above(ctx context.Context, dom Domain) (levels, error) {
	l := levels{domain: dom}
	found, err := d.records.Get(ctx, tenantKey(dom.Tenant), serviceKey())
	for _, r := range found {
		if r.Key == serviceKey() {
			l.service, err = decode[Service](r)
		} else {
			l.tenant, err = decode[Tenant](r)
		}
		if err != nil {
			break
		}
	}
	return l, err
}

func accountFrom(key string, e entry, version uint64) Account {
	return Account{Ref: e.Account, Address: key, Domain: domainOf(key), Tag: tag(e.Created, version), Created: e.Created,
		Name: e.Name, Suspended: e.Suspended, Settings: e.Settings, AppPasswords: e.Apps, Public: e.Public, Identities: e.Identities, Stopped: e.Stopped}
}

// object reads what is at an address, if it is of the kind and in the scope.
func (d *Directory) object(ctx context.Context, s Scope, addr string, kind uint8) (string, Domain, entry, uint64, error) {
	key, dom, err := d.seenAddress(ctx, s, addr)
	if err != nil {
		return key, dom, entry{}, 0, errAbsentIf(err)
	}
	e, version, ok, err := read[entry](ctx, d, entryKey(key))
	if err == nil && (!ok || e.Tenant != dom.Tenant || e.Kind != kind) {
		err = errAbsent()
	}
	return key, dom, e, version, err
}

// errAbsentIf says of a malformed address and of a pending domain what is true of both:
// nothing is there.
func errAbsentIf(err error) error {
	switch kinds.Of(err) {
	case kinds.Invalid, kinds.Limit, kinds.Conflict:
		return errAbsent()
	}
	return err
}

// Account gives an account by its address.
func (d *Directory) Account(ctx context.Context, s Scope, addr string) (Account, error) {
	key, _, e, version, err := d.object(ctx, s, addr, kindAccount)
	return accountFrom(key, e, version), err
}

// AccountByRef gives the account with this id in the reference's tenant.
func (d *Directory) AccountByRef(ctx context.Context, ref account.Ref) (Account, error) {
	c, _, ok, err := read[claim](ctx, d, claimKey(ref.Tenant, "account", string(ref.ID)))
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, errAbsent()
	}
	a, err := d.Account(ctx, Scope{Tenant: ref.Tenant}, c.Address)
	if err == nil && a.Ref.ID != ref.ID {
		err = errAbsent()
	}
	return a, err
}

// AccountSettings gives what an account's settings amount to.
func (d *Directory) AccountSettings(ctx context.Context, a Account) (Effective, error) {
	dom, err := d.Domain(ctx, Scope{Tenant: a.Ref.Tenant}, a.Domain)
	if err != nil {
		return Effective{}, err
	}
	l, err := d.above(ctx, dom)
	return Inherit(l.settings(a.Settings)...), err
}

// DomainSettings gives what a domain's settings amount to.
func (d *Directory) DomainSettings(ctx context.Context, dom Domain) (Effective, error) {
	l, err := d.above(ctx, dom)
	return Inherit(l.settings(Settings{})...), err
}

// TenantSettings gives what a tenant's settings amount to.
func (d *Directory) TenantSettings(ctx context.Context, t Tenant) (Effective, error) {
	service, _, _, err := read[Service](ctx, d, serviceKey())
	return Inherit(service.Settings, t.Settings), err
}

// changeEntry changes what is at an address.
func (d *Directory) changeEntry(ctx context.Context, s Scope, addr, match string, kind uint8, edit func(*entry) error) (string, entry, uint64, error) {
	key, dom, _, _, err := d.object(ctx, s, addr, kind)
	if err != nil {
		return key, entry{}, 0, err
	}
	same := func(e *entry) error {
		if e.Tenant != dom.Tenant || e.Kind != kind {
			return errAbsent()
		}
		return nil
	}
	e, version, err := change(ctx, d, entryKey(key), match, func(e *entry) int64 { return e.Created }, same, edit)
	return key, e, version, err
}

// ChangeAccount changes an account's Name, Suspended and Settings. When it returns
// without error, the account's sessions have been told of a suspension.
func (d *Directory) ChangeAccount(ctx context.Context, s Scope, addr, match string, edit func(*Account) error) (Account, error) {
	key, e, version, err := d.changeEntry(ctx, s, addr, match, kindAccount, func(e *entry) error {
		a := accountFrom("", *e, 0)
		if err := edit(&a); err != nil {
			return err
		}
		e.Name, e.Suspended, e.Settings = a.Name, a.Suspended, a.Settings
		if e.Settings.Scram != nil && !*e.Settings.Scram {
			e.forgetScram()
		}
		if err := checkName(e.Name); err != nil {
			return err
		}
		return e.Settings.check(ofAccount)
	})
	if err != nil {
		return Account{}, err
	}
	e, version, err = d.bar(ctx, s, key, e, version)
	return accountFrom(key, e, version), err
}

// DeleteAccount closes an account's journal, keeps a note by which it can come back for as long
// as Config.Grace, then frees its address. One that was interrupted is completed by the next.
func (d *Directory) DeleteAccount(ctx context.Context, s Scope, addr, match string) error {
	key, dom, e, version, err := d.object(ctx, s, addr, kindAccount)
	if err != nil {
		return err
	}
	if _, err := versionOf(match, tag(e.Created, version)); err != nil {
		return err
	}
	if err := d.accounts.Close(ctx, e.Account, s.by(), "deleted"); err != nil {
		return err
	}
	if err := d.noteDeleted(ctx, key, e); err != nil {
		return err
	}
	if err := d.dismiss(ctx, s, dom, key); err != nil {
		return err
	}
	if err := d.removeAt(ctx, entryKey(key), e.Account); err != nil {
		return err
	}
	d.log.InfoContext(ctx, "account deleted", "tenant", dom.Tenant, "domain", dom.Name, "account", e.Account.ID, "by", s.Actor)
	return d.remove(ctx, claimKey(dom.Tenant, "account", string(e.Account.ID)), 0)
}

// removeAt frees an address that still belongs to the account: its journal is closed,
// so whatever version its record has got to meanwhile goes.
func (d *Directory) removeAt(ctx context.Context, k records.Key, ref account.Ref) error {
	for range retries {
		e, version, ok, err := read[entry](ctx, d, k)
		if err != nil || !ok || e.Account.ID != ref.ID {
			return err
		}
		if err := d.remove(ctx, k, version); !isChanged(err) {
			return err
		}
	}
	return kinds.Errorf(kinds.Conflict, "directory: too many changes at once")
}

// dismiss takes a postmaster's duty from an account that goes.
func (d *Directory) dismiss(ctx context.Context, s Scope, dom Domain, key string) error {
	service, err := d.Service(ctx, s)
	if err != nil {
		return err
	}
	if service.Postmaster == key {
		_, err := d.ChangeService(ctx, ServiceScope(s.Actor), "", func(v *Service) error {
			if v.Postmaster == key {
				v.Postmaster = ""
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if dom.Postmaster != key {
		return nil
	}
	_, err = d.ChangeDomain(ctx, s, dom.Name, "", func(v *Domain) error {
		if v.Postmaster == key {
			v.Postmaster = ""
		}
		return nil
	})
	return err
}

// Usage gives an account's running totals.
func (d *Directory) Usage(ctx context.Context, a Account) (account.Totals, error) {
	return d.accounts.Usage(ctx, a.Ref)
}

func checkName(name string) error {
	if len(name) > maxName {
		return kinds.Errorf(kinds.Limit, "directory: a name has at most %d bytes", maxName)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return kinds.Errorf(kinds.Invalid, "directory: a name has no control characters")
		}
	}
	return nil
}
