package sweep_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// town has accounts on two pages, and sweeps them.
type town struct {
	swept []string
	errs  map[account.ID]error
}

func (town) Accounts(_ context.Context, s directory.Scope, p directory.Page) ([]directory.Account, string, error) {
	if !s.IsService() {
		return nil, "", kinds.Errorf(kinds.Denied, "not the service")
	}
	if p.After == "" {
		return []directory.Account{{Ref: account.Ref{ID: "a"}}, {Ref: account.Ref{ID: "b"}}}, "b", nil
	}
	return []directory.Account{{Ref: account.Ref{ID: "c"}}}, "", nil
}

func (t *town) Sweep(_ context.Context, ref account.Ref) (account.Swept, error) {
	t.swept = append(t.swept, string(ref.ID))
	return account.Swept{Trimmed: 9, Objects: 2, Bytes: 10}, t.errs[ref.ID]
}

func TestARoundSweepsAllAccountsAlsoAfterOneThatFails(t *testing.T) {
	var log bytes.Buffer
	w := &town{errs: map[account.ID]error{"a": kinds.Errorf(kinds.Corrupt, "broken"), "b": kinds.Errorf(kinds.NotFound, "gone")}}
	s := &sweep.Step{Accounts: w, Directory: w, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}
	r, err := s.Round(t.Context())
	if err != nil || r != (sweep.Result{Accounts: 3, Failed: 1, Trimmed: 3, Objects: 6, Bytes: 30}) {
		t.Errorf("%+v, %v", r, err)
	}
	if !slices.Equal(w.swept, []string{"a", "b", "c"}) || !strings.Contains(log.String(), "broken") {
		t.Errorf("swept %v, logged %s", w.swept, log.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Round(ctx); !kinds.Is(err, kinds.Unavailable) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestThereIsARoundADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &town{}
		s := &sweep.Step{Accounts: w, Directory: w, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), 100*24*time.Hour)
		defer cancel()
		s.Run(ctx)
		if n := len(w.swept) / 3; n < 90 || n > 115 {
			t.Errorf("%d rounds in 100 days", n)
		}
	})
}
