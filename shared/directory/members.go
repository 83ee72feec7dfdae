package directory

import (
	"context"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Principal is an account or a group, as somebody who is granted something.
type Principal struct {
	Account *account.Ref // nil: it is a group
	Group   string       // its address in key form
}

// Principal finds who an address of the tenant stands for: an account, also by an alias that
// leads to it alone, or a group. What is another tenant's is kinds.NotFound, as what is not there.
func (d *Directory) Principal(ctx context.Context, tenant, addr string) (Principal, error) {
	at, _, err := addressOf(addr)
	if err != nil {
		return Principal{}, errAbsent()
	}
	for range maxAliases {
		e, _, _, ok, err := d.fresh(ctx, at)
		switch {
		case err != nil:
			return Principal{}, err
		case !ok || e.Tenant != tenant:
			return Principal{}, errAbsent()
		case e.Kind == kindAccount:
			return Principal{Account: &e.Account}, nil
		case e.Kind == kindGroup:
			return Principal{Group: at}, nil
		}
		at = e.Targets[0]
	}
	return Principal{}, errAbsent()
}

// InGroup tells whether an account is in a group of its tenant, by itself or by way of aliases
// and other groups. What it answers from is CacheFor old at most.
func (d *Directory) InGroup(ctx context.Context, ref account.Ref, group string) (bool, error) {
	r, _, ok := d.members.get(group)
	if !ok {
		var err error
		if r, err = d.membersOf(ctx, group); err != nil {
			return false, err
		}
	}
	if r.Tenant != ref.Tenant {
		return false, nil
	}
	for i := range r.Recipients {
		if r.Recipients[i].Account.ID == ref.ID {
			return true, nil
		}
	}
	return false, nil
}

// membersOf reads a group; one that is not there, or of a domain that is not ours, has no
// members.
func (d *Directory) membersOf(ctx context.Context, group string) (*Resolution, error) {
	begun := d.members.begin()
	key, domain, err := addressOf(group)
	if err != nil {
		return &Resolution{}, nil
	}
	entries, l, read, err := d.fetch(ctx, domain, key)
	if kinds.Is(err, kinds.Denied) {
		return &Resolution{}, nil
	}
	if err != nil {
		return nil, err
	}
	r := &Resolution{}
	if e, ok := entries[key]; ok && e.Kind == kindGroup {
		look := &lookup{key: key, at: key, found: &e, levels: l, read: read}
		r, err = d.expand(ctx, look, e)
		switch {
		case kinds.Is(err, kinds.NotFound), kinds.Is(err, kinds.Suspended):
			r = &Resolution{}
		case err != nil:
			return nil, err
		}
		read = look.read
	}
	d.members.put(begun, group, r, read)
	return r, nil
}
