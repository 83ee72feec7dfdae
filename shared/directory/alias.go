package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// MaxMembers of one group.
const MaxMembers = 1000

// CreateAlias makes an address that leads to one other, of the same tenant or (Config.Forward)
// of another host.
func (d *Directory) CreateAlias(ctx context.Context, s Scope, addr, target string) (Alias, error) {
	key, e, err := d.claimAddress(ctx, s, addr, kindAlias, []string{target})
	return aliasFrom(key, e, 1), err
}

// CreateGroup makes an address that leads to any number of others, as an alias does to one.
func (d *Directory) CreateGroup(ctx context.Context, s Scope, addr string, members []string) (Group, error) {
	key, e, err := d.claimAddress(ctx, s, addr, kindGroup, members)
	return groupFrom(key, e, 1), err
}

func (d *Directory) claimAddress(ctx context.Context, s Scope, addr string, kind uint8, targets []string) (string, entry, error) {
	key, dom, err := d.seenAddress(ctx, s, addr)
	if err != nil {
		return "", entry{}, err
	}
	e := entry{Tenant: dom.Tenant, Kind: kind, Created: d.stamp()}
	if e.Targets, err = d.targets(ctx, s, dom.Tenant, nil, targets); err != nil {
		return "", e, err
	}
	version, err := d.vacant(ctx, key, dom)
	if err != nil {
		return "", e, err
	}
	if version > 0 {
		// What an earlier owner of the domain has left is removed, so that the new
		// record begins at version 1 as all do.
		if err := stale(d.remove(ctx, entryKey(key), version)); err != nil {
			return "", e, err
		}
	}
	if _, err := d.write(ctx, entryKey(key), &e, 0); isChanged(err) {
		return "", e, errExists("address")
	} else if err != nil {
		return "", e, err
	}
	return key, e, nil
}

// elsewhereMark begins a target that was no address of the tenant when it was named. An
// address that was one, and whose domain has left us, leads nowhere: the domain's next owner
// gets none of our mail.
const elsewhereMark = ">"

// elsewhere is how an address of another host is kept: with the case of its local part.
func elsewhere(a address.Address) string { return elsewhereMark + a.String() }

// targets brings addresses to key form, each once and in order; those that were there
// before are not judged again. What is not the tenant's is elsewhere, also what another
// tenant has: nobody learns from it who is with us.
func (d *Directory) targets(ctx context.Context, s Scope, tenant string, before, addrs []string) ([]string, error) {
	if len(addrs) > MaxMembers {
		return nil, kinds.Errorf(kinds.Limit, "directory: a group has at most %d members", MaxMembers)
	}
	var list []string
	ours := map[string]bool{}
	for _, a := range addrs {
		key, domain, err := addressOf(a)
		if err != nil {
			return nil, err
		}
		away, _ := address.Parse(a)
		switch {
		case ours[domain], slices.Contains(before, key):
		case slices.Contains(before, elsewhere(away)):
			key = elsewhere(away)
		default:
			_, err := d.ownAddress(ctx, s, tenant, a)
			switch {
			case err == nil:
				ours[domain] = true
			case d.forward && kinds.Is(err, kinds.Invalid) && strings.Contains(domain, "."):
				key = elsewhere(away)
			default:
				return nil, err
			}
		}
		list = append(list, key)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// Alias gives an alias by its address.
func (d *Directory) Alias(ctx context.Context, s Scope, addr string) (Alias, error) {
	key, _, e, version, err := d.object(ctx, s, addr, kindAlias)
	if err != nil {
		return Alias{}, err
	}
	return aliasFrom(key, e, version), nil
}

// Group gives a group by its address.
func (d *Directory) Group(ctx context.Context, s Scope, addr string) (Group, error) {
	key, _, e, version, err := d.object(ctx, s, addr, kindGroup)
	if err != nil {
		return Group{}, err
	}
	return groupFrom(key, e, version), nil
}

// ChangeAlias leads an alias to another address.
func (d *Directory) ChangeAlias(ctx context.Context, s Scope, addr, match, target string) (Alias, error) {
	key, e, version, err := d.retarget(ctx, s, addr, match, kindAlias, []string{target})
	if err != nil {
		return Alias{}, err
	}
	return aliasFrom(key, e, version), nil
}

// ChangeGroup gives a group other members.
func (d *Directory) ChangeGroup(ctx context.Context, s Scope, addr, match string, members []string) (Group, error) {
	key, e, version, err := d.retarget(ctx, s, addr, match, kindGroup, members)
	return groupFrom(key, e, version), err
}

func (d *Directory) retarget(ctx context.Context, s Scope, addr, match string, kind uint8, targets []string) (string, entry, uint64, error) {
	return d.changeEntry(ctx, s, addr, match, kind, func(e *entry) (err error) {
		e.Targets, err = d.targets(ctx, s, e.Tenant, e.Targets, targets)
		return err
	})
}

// DeleteAlias removes an alias.
func (d *Directory) DeleteAlias(ctx context.Context, s Scope, addr, match string) error {
	return d.release(ctx, s, addr, match, kindAlias)
}

// DeleteGroup removes a group.
func (d *Directory) DeleteGroup(ctx context.Context, s Scope, addr, match string) error {
	return d.release(ctx, s, addr, match, kindGroup)
}

// release frees an address; what it leads to is not touched. It removes the version
// that was read, so that nothing else that took the address meanwhile goes with it.
func (d *Directory) release(ctx context.Context, s Scope, addr, match string, kind uint8) error {
	key, _, e, version, err := d.object(ctx, s, addr, kind)
	if err != nil {
		return err
	}
	if _, err := versionOf(match, tag(e.Created, version)); err != nil {
		return err
	}
	return stale(d.remove(ctx, entryKey(key), version))
}

func aliasFrom(key string, e entry, version uint64) Alias {
	a := Alias{Address: key, Domain: domainOf(key), Tag: tag(e.Created, version), Created: e.Created}
	if len(e.Targets) > 0 {
		a.Target = strings.TrimPrefix(e.Targets[0], elsewhereMark)
	}
	return a
}

func groupFrom(key string, e entry, version uint64) Group {
	members := make([]string, len(e.Targets))
	for i, t := range e.Targets {
		members[i] = strings.TrimPrefix(t, elsewhereMark)
	}
	slices.Sort(members)
	return Group{Address: key, Domain: domainOf(key), Members: members, Tag: tag(e.Created, version), Created: e.Created}
}
