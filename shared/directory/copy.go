package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/records"
)

// Dump gives all records of the directory, for a backup: hashes of passwords and of keys are
// in them. What is changed meanwhile may be in it or not.
func Dump(ctx context.Context, r records.Driver, each func([]records.Record) error) error {
	space := func(name string, found func(records.Record)) error {
		for after := ""; ; {
			list, err := r.List(ctx, name, "", after, records.MaxPage)
			if err != nil {
				return err
			}
			for i := range list {
				after = list[i].ID
				found(list[i])
			}
			if len(list) > 0 {
				if err := each(list); err != nil {
					return err
				}
			}
			if len(list) < records.MaxPage {
				return nil
			}
		}
	}
	none := func(records.Record) {}
	spaces := []string{keySpace(""), routeSpace}
	err := space(serviceKey().Space, none)
	if err == nil {
		err = space(tenantKey("").Space, func(r records.Record) { spaces = append(spaces, claimKey(r.ID, "", "").Space, keySpace(r.ID)) })
	}
	if err == nil {
		err = space(domainKey("").Space, func(r records.Record) { spaces = append(spaces, addressSpace(r.ID)) })
	}
	for _, s := range spaces {
		if err == nil {
			err = space(s, none)
		}
	}
	return err
}

// Copy is a directory as Dump gave it.
type Copy struct {
	Accounts []CopiedAccount // by address
	records  map[records.Key][]byte
}

// CopiedAccount is an account of a Copy.
type CopiedAccount struct {
	Address, Domain string
	Ref             account.Ref
}

// ReadCopy takes the records apart.
func ReadCopy(list []records.Record) (*Copy, error) {
	c := &Copy{records: make(map[records.Key][]byte, len(list))}
	for _, r := range list {
		if !isOurs(r.Space) || r.ID == "" {
			return nil, kinds.Errorf(kinds.Corrupt, "directory: a record of %.100q in a copy of the directory", r.Space)
		}
		c.records[r.Key] = r.Value
	}
	for key := range c.records {
		domain, ok := strings.CutPrefix(key.Space, addressSpace(""))
		if !ok {
			continue
		}
		e, err := copied[entry](c, key)
		if err != nil {
			return nil, err
		}
		dom, err := copied[Domain](c, domainKey(domain))
		if err != nil || dom == nil || dom.Tenant != e.Tenant {
			if err != nil {
				return nil, err
			}
			continue // left by an earlier owner of the domain
		}
		if e.Kind == kindAccount {
			c.Accounts = append(c.Accounts, CopiedAccount{Address: key.ID + "@" + domain, Domain: domain, Ref: e.Account})
		}
	}
	slices.SortFunc(c.Accounts, func(a, b CopiedAccount) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Address, b.Address))
	})
	return c, nil
}

// isOurs tells whether the directory has records in the space.
func isOurs(space string) bool {
	return space == serviceKey().Space || space == tenantKey("").Space || space == domainKey("").Space ||
		strings.HasPrefix(space, addressSpace("")) || strings.HasPrefix(space, claimKey("", "", "").Space) || strings.HasPrefix(space, "dir/keys/") ||
		space == routeSpace
}

// copied gives a record of a copy, nil when it isn't there.
func copied[T any](c *Copy, k records.Key) (*T, error) {
	value, ok := c.records[k]
	if !ok {
		return nil, nil
	}
	v, err := decode[T](records.Record{Key: k, Value: value})
	return &v, err
}

// Account gives the account of a copy with that address, however it is written.
func (c *Copy) Account(addr string) (CopiedAccount, error) {
	key, _, err := addressOf(addr)
	if err != nil {
		return CopiedAccount{}, err
	}
	for _, a := range c.Accounts {
		if a.Address == key {
			return a, nil
		}
	}
	return CopiedAccount{}, kinds.Errorf(kinds.NotFound, "directory: there is no account of that address in the backup")
}

// Domain gives a domain of a copy as it is kept.
func (c *Copy) Domain(name string) (string, error) {
	name, err := domainName(name)
	if err != nil {
		return "", err
	}
	if _, ok := c.records[domainKey(name)]; !ok {
		return "", kinds.Errorf(kinds.NotFound, "directory: there is no domain of that name in the backup")
	}
	return name, nil
}

// Vacant fails with kinds.Exists when something is at the address.
func (d *Directory) Vacant(ctx context.Context, addr string) error {
	key, domain, err := addressOf(addr)
	if err != nil {
		return err
	}
	dom, err := d.Domain(ctx, ServiceScope("backup"), domain)
	if kinds.Is(err, kinds.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = d.vacant(ctx, key, dom)
	return err
}

// RestoreDomain makes sure that there is the domain of an address, and gives its tenant:
// where it is missing, it and its tenant are made as they are in the copy. kinds.NotFound
// when the copy has neither.
func (d *Directory) RestoreDomain(ctx context.Context, c *Copy, addr string) (tenant string, err error) {
	a, err := address.Parse(addr)
	if err != nil {
		return "", err
	}
	there, err := d.Domain(ctx, ServiceScope("backup"), a.Domain)
	if err == nil || !kinds.Is(err, kinds.NotFound) {
		return there.Tenant, err
	}
	dom, err := copied[Domain](c, domainKey(a.Domain))
	if err != nil {
		return "", err
	}
	if dom == nil {
		return "", kinds.Errorf(kinds.NotFound, "directory: there is no domain %s, neither here nor in the backup", a.Domain)
	}
	if err := CheckTenantName(dom.Tenant); err != nil {
		return "", err
	}
	for _, k := range []records.Key{tenantKey(dom.Tenant), claimKey(dom.Tenant, "domain", a.Domain), domainKey(a.Domain)} {
		if _, err := d.putCopied(ctx, c, k); err != nil {
			return "", err
		}
	}
	there, err = d.Domain(ctx, ServiceScope("backup"), a.Domain)
	if err == nil && there.Tenant != dom.Tenant {
		err = errExists("domain")
	}
	return dom.Tenant, err
}

// RestoreAccount gives the account at an address of the copy, whose journal is now ref's, the
// address as, with its passwords, name and settings. kinds.Exists when the address is taken.
func (d *Directory) RestoreAccount(ctx context.Context, c *Copy, addr, as string, ref account.Ref) error {
	from, _, err := addressOf(addr)
	if err != nil {
		return err
	}
	e, err := copied[entry](c, entryKey(from))
	if err != nil || e == nil || e.Kind != kindAccount {
		return errAbsentOr(err)
	}
	key, domain, err := addressOf(as)
	if err != nil {
		return err
	}
	dom, err := d.Domain(ctx, ServiceScope("backup"), domain)
	if err != nil {
		return err
	}
	version, err := d.vacant(ctx, key, dom)
	if err != nil {
		return err
	}
	l, err := d.above(ctx, dom)
	if err != nil {
		return err
	}
	e.Account, e.Tenant, e.Barred = ref, dom.Tenant, e.Suspended || dom.Suspended || l.tenant.Suspended
	if e.Barred || e.Generation > 0 {
		e.Generation++
		if err := d.tell(ctx, Scope{Actor: "backup"}, *e); err != nil {
			return err
		}
	}
	if _, err := d.write(ctx, claimKey(dom.Tenant, "account", string(ref.ID)), &claim{Created: e.Created, Address: key}, 0); err != nil {
		return err
	}
	if _, err = d.write(ctx, entryKey(key), e, version); isChanged(err) {
		return errExists("address")
	}
	return err
}

// RestoreRest restores what else a domain of the copy has: aliases and groups. Of "" it is
// all domains, tenants, API keys and the service's settings as well. What is there stays as
// it is. It tells how many records it wrote.
func (d *Directory) RestoreRest(ctx context.Context, c *Copy, domain string) (n int, err error) {
	keys := make([]records.Key, 0, len(c.records))
	for k := range c.records {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b records.Key) int {
		return cmp.Or(-cmp.Compare(a.Space, b.Space), cmp.Compare(a.ID, b.ID)) // tenants, service, keys, domains, addresses
	})
	for _, k := range keys {
		of, isAddress := strings.CutPrefix(k.Space, addressSpace(""))
		if !isAddress && domain != "" || isAddress && domain != "" && of != domain {
			continue
		}
		if isAddress {
			e, err := copied[entry](c, k)
			if err != nil {
				return n, err
			}
			dom, err := d.Domain(ctx, ServiceScope("backup"), of)
			if kinds.Is(err, kinds.NotFound) || err == nil && dom.Tenant != e.Tenant || e.Kind == kindAccount {
				continue
			}
			if err != nil {
				return n, err
			}
		} else if strings.HasPrefix(k.ID, "account/") {
			continue // they lead to accounts of before
		}
		wrote, err := d.putCopied(ctx, c, k)
		if err != nil {
			return n, err
		}
		if wrote {
			n++
		}
	}
	return n, nil
}

// putCopied writes a record of the copy unless there is one.
func (d *Directory) putCopied(ctx context.Context, c *Copy, k records.Key) (bool, error) {
	value, ok := c.records[k]
	if !ok {
		return false, nil
	}
	defer d.forget()
	_, err := d.records.Put(ctx, records.Record{Key: k, Value: value}, 0)
	if isChanged(err) {
		return false, nil
	}
	return err == nil, err
}

func errAbsentOr(err error) error {
	if err != nil {
		return err
	}
	return errAbsent()
}
