// Package compact makes snapshots of accounts, so that who opens one need not read all of
// its journal. Jobs may come twice, at the same time and in any order, and may be lost.
package compact

import (
	"context"
	"log/slog"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/compaction"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

// Accounts makes the snapshots; *account.Store.
type Accounts interface {
	Compact(ctx context.Context, ref account.Ref, whole bool) (account.Compacted, error)
}

// Step is the function. Safe for concurrent use.
type Step struct {
	Accounts Accounts
	Log      *slog.Logger
}

// Handle does a batch of jobs, one after the other, and gives one error each. What another
// try can't mend is done: the next job for the account finds it as it is.
func (s *Step) Handle(ctx context.Context, msgs []queue.Received) []error {
	errs := make([]error, len(msgs))
	done := map[compaction.Job]bool{}
	for i := range msgs {
		j, err := compaction.Decode(msgs[i].Body)
		if err != nil {
			s.Log.Error("no job for a compaction", "job", msgs[i].ID, "error", err)
			continue
		}
		if !done[j] {
			errs[i] = s.compact(ctx, j)
			done[j] = errs[i] == nil
		}
	}
	return errs
}

func (s *Step) compact(ctx context.Context, j compaction.Job) error {
	done, err := s.Accounts.Compact(ctx, j.Account, j.Whole)
	if err != nil && kinds.Of(err).Temporary() {
		return err
	}
	switch {
	case kinds.Is(err, kinds.NotFound), kinds.Is(err, kinds.Closed):
		s.Log.Info("an account to be compacted is no more", "account", j.Account.ID, "error", err)
	case err != nil:
		s.Log.Error("an account cannot be compacted", "account", j.Account.ID, "error", err)
	case done.Entries > 0:
		s.Log.Info("compacted", "account", j.Account.ID, "entries", done.Entries, "bytes", done.Bytes)
	}
	return nil
}

// HandleDead forgets jobs that crashed their function or ran out of its time: the account's
// next one does their work.
func (s *Step) HandleDead(_ context.Context, msgs []queue.Received) []error {
	for i := range msgs {
		j, _ := compaction.Decode(msgs[i].Body)
		s.Log.Error("a compaction was tried too often without an end", "job", msgs[i].ID, "account", j.Account.ID)
	}
	return make([]error, len(msgs))
}
