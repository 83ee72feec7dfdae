package backup

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Target is the service into which a backup is restored. It may be in use.
type Target struct {
	Directory *directory.Directory
	Accounts  *account.Store
	Blobs     blob.Store
	Now       func() time.Time
	Log       *slog.Logger
}

// Choice says what is restored. At most one of Account and Domain is set; neither is all.
type Choice struct {
	Account  string // one account, of that address
	As       string // the address that it gets; "": the one that it had
	Domain   string // all of one domain
	DryRun   bool   // nothing is written
	Existing bool   // accounts whose address is taken are left as they are; else they are an error before anything is written
	Partial  bool   // messages that the backup has not, or not whole, are left out; else their account is an error
}

// Restored is what became of one account.
type Restored struct {
	Address, As string
	Totals      account.Totals
	Done        bool    // or, in a dry run, it would be
	Exists      bool    // the address was taken: nothing was written
	Lost        []error // messages that were left out, each with what is broken
	Err         error   // it could not be restored; others were
}

// Outcome is what a restore has done.
type Outcome struct {
	Accounts []Restored
	Others   int // domains, aliases, groups, keys and settings that were written
}

// Restore writes accounts of the backup as new ones: with a new id, and UIDVALIDITYs that
// are higher than any before, so that no client, and nothing that the service still has of
// the old account, is mixed up with what is restored. Their passwords, settings, mail, flags
// and dates are those of the backup. An account comes into sight when all of it is there; one
// that was interrupted leaves nothing that anybody sees.
func (b *Backup) Restore(ctx context.Context, to Target, what Choice, told Told) (out Outcome, err error) {
	list, domain, err := b.choose(what)
	if err != nil {
		return out, err
	}
	for i := range list {
		err := to.Directory.Vacant(ctx, list[i].As)
		if kinds.Is(err, kinds.Exists) {
			list[i].Exists, err = true, nil
			if !what.Existing {
				return out, kinds.Errorf(kinds.Exists, "backup: there is something at %s already; restore it under another name, or leave out what is there", list[i].As)
			}
		}
		if err != nil {
			return out, err
		}
	}
	out.Accounts = list
	if what.Account == "" && domain != "" && !what.DryRun {
		if _, err := to.Directory.RestoreDomain(ctx, b.directory, "postmaster@"+domain); err != nil {
			return out, err
		}
	}
	from := b.accounts()
	state := Progress{Total: int64(len(list))}
	for i := range list {
		if !list[i].Exists {
			b.one(ctx, from, to, what, &list[i], func(bytes int64) {
				state.Bytes += bytes
				if told != nil {
					told(state)
				}
			})
		}
		if err := list[i].Err; err != nil && (ctx.Err() != nil || kinds.Of(err).Temporary()) {
			return out, err
		}
		list[i].Done = list[i].Err == nil && !list[i].Exists
		if state.Done++; told != nil {
			told(state)
		}
	}
	if what.Account == "" && !what.DryRun {
		out.Others, err = to.Directory.RestoreRest(ctx, b.directory, domain)
	}
	return out, err
}

// choose gives the accounts that are meant.
func (b *Backup) choose(what Choice) (list []Restored, domain string, err error) {
	switch {
	case what.Account != "" && what.Domain != "" || what.As != "" && what.Account == "":
		return nil, "", kinds.Errorf(kinds.Invalid, "backup: one account, which may get another name, or one domain, or all")
	case what.Account != "":
		a, err := b.directory.Account(what.Account)
		if err != nil {
			return nil, "", err
		}
		as := what.As
		if as == "" {
			as = a.Address
		}
		return []Restored{{Address: a.Address, As: as}}, a.Domain, nil
	case what.Domain != "":
		if domain, err = b.directory.Domain(what.Domain); err != nil {
			return nil, "", err
		}
	}
	for _, a := range b.directory.Accounts {
		if domain == "" || a.Domain == domain {
			list = append(list, Restored{Address: a.Address, As: a.Address})
		}
	}
	return list, domain, nil
}

// one restores an account; what is wrong goes into done.
func (b *Backup) one(ctx context.Context, from *account.Store, to Target, what Choice, done *Restored, bytes func(int64)) {
	done.Err = func() error {
		a, err := b.directory.Account(done.Address)
		if err != nil {
			return err
		}
		source, err := from.Open(ctx, a.Ref)
		if err != nil {
			return err
		}
		defer source.Close()
		if what.DryRun {
			done.Totals = source.State().Standing().Totals
			return nil
		}
		tenant, err := to.Directory.RestoreDomain(ctx, b.directory, done.As)
		if err != nil {
			return err
		}
		ref := account.NewRef(tenant)
		c := &carrier{b: b, to: to, tenant: tenant, owner: ref.ID, partial: what.Partial, bytes: bytes, carried: map[string]*carried{}}
		if done.Totals, err = to.Accounts.Rebuild(ctx, ref, account.By{Actor: "system", Protocol: "backup"}, source, c.carry); err != nil {
			return err
		}
		done.Lost = c.lost
		if err := to.Directory.RestoreAccount(ctx, b.directory, done.Address, done.As, ref); err != nil {
			return err
		}
		to.Log.InfoContext(ctx, "account restored from a backup", "account", ref.ID, "tenant", tenant, "run", b.Run.Number)
		return nil
	}()
}

// carrier carries the blobs of one account. Copies of a message share theirs.
type carrier struct {
	b       *Backup
	to      Target
	tenant  string
	owner   account.ID
	partial bool

	mu      sync.Mutex
	bytes   func(int64)
	carried map[string]*carried // by their old names
	lost    []error             // one for each message that is left out, sorted
}

type carried struct {
	once sync.Once
	at   blob.Ref
	err  error
	told bool // how many bytes it has
}

// carry is an account.Carry.
func (c *carrier) carry(ctx context.Context, old blob.Ref) (blob.Ref, bool, error) {
	c.mu.Lock()
	one := c.carried[old.Name]
	if one == nil {
		one = new(carried)
		c.carried[old.Name] = one
	}
	c.mu.Unlock()
	one.once.Do(func() {
		one.at, one.err = c.to.Blobs.CopyFrom(ctx, c.b.blobs(), old, blob.NewName(c.tenant, c.to.Now()), blob.Header{Owners: []string{string(c.owner)}})
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case one.err == nil && !one.told:
		one.told = true
		c.bytes(old.Size)
	case c.partial && (kinds.Is(one.err, kinds.NotFound) || kinds.Is(one.err, kinds.Corrupt)):
		c.lost = append(c.lost, one.err)
		slices.SortFunc(c.lost, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
		return one.at, false, nil
	}
	return one.at, one.err == nil, one.err
}
