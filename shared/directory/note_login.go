package directory

import (
	"context"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// noteLogin notes on the account's record what only a login tells: the day on which an app
// password was used, at most once a day; and a verifier of the password that was typed, "" if it
// was proven without that, where the one that is kept has another count of iterations. The login
// is good whatever comes of this: what isn't noted now is at the next one. A change that somebody
// makes meanwhile goes before.
func (d *Directory) noteLogin(ctx context.Context, found *loginAccount, app *AppPassword, typed string) {
	e := found.e
	e.Apps = slices.Clone(e.Apps)
	kept := &e.Scram
	changed := false
	if app != nil {
		mine := &e.Apps[slices.IndexFunc(e.Apps, func(a AppPassword) bool { return a.ID == app.ID })]
		kept = &mine.Scram
		if today := d.now().UTC().Truncate(24 * time.Hour).UnixMilli(); mine.Used < today {
			mine.Used, changed = today, true
		}
	}
	if typed != "" && outdated(*kept) {
		if verifier, err := d.verifierAnew(ctx, found, app, typed); err != nil {
			d.log.Warn("cannot make a SCRAM verifier anew", "account", e.Account.ID, "kind", kinds.Of(err), "error", err)
		} else if verifier != "" {
			*kept, changed = verifier, true
		}
	}
	if !changed {
		return
	}
	value, err := cbor.Marshal(&e)
	if err == nil { // nothing that is cached has to do with it
		_, err = d.records.Put(ctx, records.Record{Key: entryKey(found.at), Value: value}, found.version)
	}
	if err != nil && !isChanged(err) {
		d.log.Warn("cannot note a login", "account", e.Account.ID, "kind", kinds.Of(err), "error", err)
	}
}

// verifierAnew gives the verifier of the right password, "" where none is to be kept.
func (d *Directory) verifierAnew(ctx context.Context, found *loginAccount, app *AppPassword, typed string) (string, error) {
	params := found.e.scramParams(found.levels)
	if app != nil {
		return d.hasher.app(ctx, inGroups(secretOf(typed)), params)
	}
	prepared, err := prepare(typed)
	if err != nil {
		return "", err
	}
	return d.hasher.app(ctx, prepared, params)
}
