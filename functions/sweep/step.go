// Package sweep goes round all accounts and removes what nobody can ask for any more: entries
// from before the window of each account's past, snapshots that no other needs, and blobs
// that no account refers to any more.
package sweep

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
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
	Log       *slog.Logger
}

// Result is what a round has done.
type Result struct {
	Accounts, Failed, Trimmed int // accounts; of Trimmed some entries were removed
	Objects                   int
	Bytes                     int64
	Released
}

// Round sweeps all accounts, one after the other. An account that fails keeps no other
// back; the error is one of the directory, or of ctx.
func (s *Step) Round(ctx context.Context) (r Result, err error) {
	page := directory.Page{Limit: directory.MaxPage}
	for {
		list, next, err := s.Directory.Accounts(ctx, directory.ServiceScope("sweep"), page)
		if err != nil {
			return r, err
		}
		for _, a := range list {
			if ctx.Err() != nil {
				return r, kinds.Wrap(kinds.Unavailable, ctx.Err(), "sweep: interrupted")
			}
			s.sweep(ctx, a.Ref, &r)
		}
		if page.After = next; next == "" {
			break
		}
	}
	if s.Release != nil {
		r.Released, err = s.Release.Round(ctx)
	}
	return r, err
}

func (s *Step) sweep(ctx context.Context, ref account.Ref, r *Result) {
	done, err := s.Accounts.Sweep(ctx, ref)
	r.Accounts++
	r.Objects += done.Objects
	r.Bytes += done.Bytes
	if done.Trimmed > 0 {
		r.Trimmed++
	}
	if err != nil && !kinds.Is(err, kinds.NotFound) {
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
