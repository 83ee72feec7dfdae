package directory

import (
	"context"
	"slices"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// SetPassword gives an account a new password and ends its sessions.
func (d *Directory) SetPassword(ctx context.Context, s Scope, addr, match, password string) (Account, error) {
	var a Account
	_, dom, e, _, err := d.object(ctx, s, addr, kindAccount)
	if err != nil {
		return a, err
	}
	if e.Public {
		return Account{}, errPublic()
	}
	l, err := d.above(ctx, dom)
	if err != nil {
		return a, err
	}
	hash, scram, err := d.hasher.make(ctx, password, e.scramParams(l))
	if err != nil {
		return a, err
	}
	key, e, version, err := d.changeEntry(ctx, s, addr, match, kindAccount, func(e *entry) error {
		e.Hash, e.Scram = hash, scram
		e.Generation++
		return nil
	})
	if err != nil {
		return a, err
	}
	return accountFrom(key, e, version), d.tell(ctx, s, e)
}

func errPublic() error {
	return kinds.Errorf(kinds.Denied, "directory: a public account has no login")
}

// AddAppPassword gives an account a random password for one program, which is shown
// only now.
func (d *Directory) AddAppPassword(ctx context.Context, s Scope, addr, name string, protocols []string) (AppPassword, string, error) {
	if err := checkName(name); err != nil {
		return AppPassword{}, "", err
	}
	if err := checkProtocols(protocols); err != nil {
		return AppPassword{}, "", err
	}
	_, dom, e, _, err := d.object(ctx, s, addr, kindAccount)
	if err != nil {
		return AppPassword{}, "", err
	}
	l, err := d.above(ctx, dom)
	if err != nil {
		return AppPassword{}, "", err
	}
	shown, hash := newAppPassword()
	app := AppPassword{ID: randomID(10), Name: name, Created: d.stamp(), Protocols: protocols, Hash: hash}
	if app.Scram, err = d.hasher.app(ctx, shown, e.scramParams(l)); err != nil {
		return AppPassword{}, "", err
	}
	_, _, _, err = d.changeEntry(ctx, s, addr, "", kindAccount, func(e *entry) error {
		if e.Public {
			return errPublic()
		}
		if len(e.Apps) >= MaxAppPasswords {
			return kinds.Errorf(kinds.Limit, "directory: an account has at most %d app passwords", MaxAppPasswords)
		}
		e.Apps = append(e.Apps, app)
		return nil
	})
	return app, shown, err
}

// RevokeAppPassword takes an app password away and ends the account's sessions.
func (d *Directory) RevokeAppPassword(ctx context.Context, s Scope, addr, id string) error {
	_, e, _, err := d.changeEntry(ctx, s, addr, "", kindAccount, func(e *entry) error {
		i := slices.IndexFunc(e.Apps, func(a AppPassword) bool { return a.ID == id })
		if i < 0 {
			return errAbsent()
		}
		e.Apps = slices.Delete(e.Apps, i, i+1)
		e.Generation++
		return nil
	})
	if err != nil {
		return err
	}
	return d.tell(ctx, s, e)
}
