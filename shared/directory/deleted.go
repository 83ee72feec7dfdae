package directory

import (
	"context"
	"errors"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Deleted is an account that was deleted and can come back.
type Deleted struct {
	Ref     account.Ref
	Address string // that it had
	Name    string
	Deleted int64
	Until   int64 // when it is too late
}

// deleted is the note of a deleted account: all that was at its address. It is written when
// its journal is closed, before its address is free, and expires by itself.
type deleted struct {
	Address string `cbor:"1,keyasint"`
	Deleted int64  `cbor:"2,keyasint"`
	Entry   entry  `cbor:"3,keyasint"`
}

// deletedKey names the note; a space is a domain.
func deletedKey(domain string, id account.ID) records.Key {
	return records.Key{Space: "dir/deleted/" + domain, ID: string(id)}
}

// grace is how long an account that was deleted can come back.
func (d *Directory) grace() time.Duration {
	if d.graceTime > 0 {
		return d.graceTime
	}
	return account.DefaultWindow
}

// noteDeleted keeps what is at an address.
func (d *Directory) noteDeleted(ctx context.Context, key string, e entry) error {
	now := d.now()
	value, err := cbor.Marshal(&deleted{Address: key, Deleted: now.UnixMilli(), Entry: e})
	if err != nil {
		return kinds.Wrap(kinds.Internal, err, "directory: encode a record")
	}
	r := records.Record{Key: deletedKey(domainOf(key), e.Account.ID), Value: value, Expires: now.Add(d.grace())}
	_, err = d.records.Put(ctx, r, 0)
	if there := (*records.Changed)(nil); errors.As(err, &there) && there.Current != nil {
		_, err = d.records.Put(ctx, r, there.Current.Version) // of a try before, or of a deletion before
	}
	return err
}

// Deleted lists a domain's deleted accounts by their ids, after the one given.
func (d *Directory) Deleted(ctx context.Context, s Scope, domain, after string, limit int) ([]Deleted, error) {
	dom, err := d.activeDomain(ctx, s, domain)
	if err != nil {
		return nil, err
	}
	var list []Deleted
	for len(list) < limit {
		found, err := d.records.List(ctx, deletedKey(dom.Name, "").Space, "", after, records.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			after = r.ID
			n, err := decode[deleted](r)
			if err != nil {
				return nil, err
			}
			if n.Entry.Tenant == dom.Tenant && len(list) < limit {
				list = append(list, Deleted{Ref: n.Entry.Account, Address: n.Address, Name: n.Entry.Name, Deleted: n.Deleted, Until: r.Expires.UnixMilli()})
			}
		}
		if len(found) < records.MaxPage {
			break
		}
	}
	return list, nil
}

// Undelete says how a deleted account comes back.
type Undelete struct {
	ID       account.ID // which of those that had the address; "": the last
	As       string     // at this address of the tenant; "": at the one that it had
	Password string     // a new one, which ends app passwords; "": all are as they were
}

// UndeleteAccount opens a deleted account again, with all that it had, and gives it an address,
// which must be free. One that was interrupted is completed by the next. NotFound when there is
// no such account, or when it is too late; kinds.Exists when the address is taken.
func (d *Directory) UndeleteAccount(ctx context.Context, s Scope, addr string, u Undelete) (Account, error) {
	was, dom, err := d.seenAddress(ctx, s, addr)
	if err != nil {
		return Account{}, errAbsentIf(err)
	}
	note, err := d.findDeleted(ctx, dom, was, u.ID)
	if err != nil {
		return Account{}, err
	}
	key := was
	if u.As != "" {
		home := dom.Tenant
		if key, dom, err = d.seenAddress(ctx, s, u.As); err != nil {
			return Account{}, err
		}
		if dom.Tenant != home {
			return Account{}, errAbsent()
		}
	}
	e := note.Entry
	if u.Password != "" {
		l, err := d.above(ctx, dom)
		if err != nil {
			return Account{}, err
		}
		if e.Hash, e.Scram, err = d.hasher.make(ctx, u.Password, e.scramParams(l)); err != nil {
			return Account{}, err
		}
		e.Apps = nil
	}
	e.Generation++ // sessions from before it was deleted end
	e, version, err := d.house(ctx, s, dom, key, e)
	if err != nil {
		return Account{}, err
	}
	if e, version, err = d.bar(ctx, s, key, e, version); err != nil {
		return Account{}, err
	}
	if err := d.nominate(ctx, s, dom, key); err != nil {
		return Account{}, err
	}
	d.log.InfoContext(ctx, "account undeleted", "tenant", dom.Tenant, "domain", dom.Name, "account", e.Account.ID, "by", s.Actor)
	return accountFrom(key, e, version), d.remove(ctx, deletedKey(domainOf(was), e.Account.ID), 0)
}

// house opens a closed account's journal and puts its record at an address. The journal comes
// first: mail for an address whose journal is closed would be refused.
func (d *Directory) house(ctx context.Context, s Scope, dom Domain, key string, e entry) (entry, uint64, error) {
	old, version, ok, err := read[entry](ctx, d, entryKey(key))
	if err != nil {
		return e, 0, err
	}
	if ok && old.Account.ID == e.Account.ID {
		return old, version, d.accounts.Close(ctx, e.Account, s.by(), "") // it was interrupted
	}
	if ok && old.Tenant == dom.Tenant {
		return e, 0, errExists("address")
	}
	at := claimKey(dom.Tenant, "account", string(e.Account.ID))
	c, claimed, there, err := read[claim](ctx, d, at)
	if err != nil {
		return e, 0, err
	}
	if there && c.Address != key {
		if lives, _, ok, err := read[entry](ctx, d, entryKey(c.Address)); err != nil || ok && lives.Account.ID == e.Account.ID {
			if err == nil {
				err = errExists("account") // somebody else gave it that address meanwhile
			}
			return e, 0, err
		}
	}
	if !there || c.Address != key {
		if _, err := d.write(ctx, at, &claim{Created: e.Created, Address: key}, claimed); err != nil {
			return e, 0, stale(err)
		}
	}
	if err := d.accounts.Close(ctx, e.Account, s.by(), ""); err != nil {
		return e, 0, err
	}
	version, err = d.write(ctx, entryKey(key), &e, version)
	if !isChanged(err) {
		return e, version, err
	}
	if err := d.accounts.Close(ctx, e.Account, s.by(), "deleted"); err != nil {
		return e, 0, err
	}
	return e, 0, errExists("address")
}

// findDeleted finds the note of an account that had an address.
func (d *Directory) findDeleted(ctx context.Context, dom Domain, key string, id account.ID) (best deleted, err error) {
	for after := ""; ; {
		found, err := d.records.List(ctx, deletedKey(dom.Name, "").Space, string(id), after, records.MaxPage)
		if err != nil {
			return best, err
		}
		for _, r := range found {
			after = r.ID
			n, err := decode[deleted](r)
			if err != nil {
				return best, err
			}
			if n.Entry.Tenant == dom.Tenant && n.Address == key && (id == "" || n.Entry.Account.ID == id) && n.Deleted > best.Deleted {
				best = n
			}
		}
		if len(found) < records.MaxPage {
			break
		}
	}
	if best.Deleted == 0 {
		return best, errAbsent()
	}
	return best, nil
}
