// Package sweep goes round all accounts and removes what nobody can ask for any more: entries
// from before the window of each account's past, snapshots that no other needs, and blobs
// that no account refers to any more.
package sweep

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// Accounts removes it; *account.Store.
type Accounts interface {
	Sweep(ctx context.Context, ref account.Ref) (account.Swept, error)
}

// Directory lists the accounts; *directory.Directory.
type Directory interface {
	Accounts(ctx context.Context, s directory.Scope, p directory.Page) ([]directory.Account, string, error)
}

// Step is the function. It may die anywhere, and run again or twice.
type Step struct {
	Accounts  Accounts
	Directory Directory
	Release   *Release // nil: no blob is removed
	// Every is in how many rounds an account has its turn; 0: in each. To look at it costs some
	// calls, also where there is nothing to remove.
	Every uint64
	Notes records.Driver // where Turn keeps how far it has come
	Now   func() time.Time
	Log   *slog.Logger
}

// Result is what a round has done.
type Result struct {
	Accounts, Failed, Trimmed int // accounts; of Trimmed some entries were removed
	Objects                   int
	Bytes                     int64
	Released
}

// Round sweeps all accounts whose turn it is, one after the other. An account that fails keeps no other
// back; the error is one of the directory, or of ctx.
func (s *Step) Round(ctx context.Context) (Result, error) {
	return s.round(ctx, &notes{at: Progress{Round: day(s.Now())}})
}

// round goes on with a round from where it has come.
func (s *Step) round(ctx context.Context, n *notes) (r Result, err error) {
	for at := n.at; !at.Swept; at = n.at {
		list, next, err := s.Directory.Accounts(ctx, directory.ServiceScope("sweep"), directory.Page{After: at.Page, Limit: directory.MaxPage})
		if err != nil {
			return r, err
		}
		for _, a := range rest(list, at.Account) {
			if (at.Round+xxhash.Sum64String(string(a.Ref.ID)))%max(s.Every, 1) != 0 {
				continue
			}
			at.Account = a.Ref.ID
			if err := n.begin(ctx, at); err != nil {
				return r, err
			}
			s.sweep(ctx, a.Ref, &r)
			if ctx.Err() != nil {
				return r, interrupted(ctx)
			}
		}
		n.at.Page, n.at.Account, n.at.Swept = next, "", next == ""
	}
	if s.Release != nil {
		r.Released, err = s.Release.round(ctx, n)
	}
	return r, err
}

// rest are those of a page that follow an account; all, if it is none of them any more.
func rest(page []directory.Account, after account.ID) []directory.Account {
	return page[1+slices.IndexFunc(page, func(a directory.Account) bool { return a.Ref.ID == after }):]
}

func interrupted(ctx context.Context) error {
	return kinds.Wrap(kinds.Unavailable, ctx.Err(), "sweep: interrupted")
}

func (s *Step) sweep(ctx context.Context, ref account.Ref, r *Result) {
	done, err := s.Accounts.Sweep(ctx, ref)
	r.Accounts++
	r.Objects += done.Objects
	r.Bytes += done.Bytes
	if done.Trimmed > 0 {
		r.Trimmed++
	}
	if err != nil && !kinds.Is(err, kinds.NotFound) && ctx.Err() == nil {
		r.Failed++
		s.Log.Error("an account cannot be swept", "account", ref.ID, "error", err)
	}
}

const (
	settle = 10 * time.Minute // after the start of a process, so that mail comes first
	every  = 24 * time.Hour
)

// Run goes its rounds until ctx ends: about one a day, at no fixed time, so that processes
// that start together sweep apart.
func (s *Step) Run(ctx context.Context) {
	for pause := settle + rand.N(every/8); ; pause = every*7/8 + rand.N(every/4) {
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		r, err := s.Round(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.Log.Error("sweeping accounts", "error", err)
		default:
			s.Log.Info("swept", "accounts", r.Accounts, "failed", r.Failed, "trimmed", r.Trimmed, "objects", r.Objects, "bytes", r.Bytes,
				"blobs", r.Blobs, "released", r.BlobBytes)
		}
	}
}
