package sweep_test

import (
	"context"
	"fmt"
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
	"github.com/godwit-mail/godwit/shared/ports/portstest"
)

// slow has many accounts, each of which takes a while.
type slow struct {
	pages, perPage int
	swept          []string
	takes          func(id string) time.Duration
	now            func(string) // called before an account is swept; may be nil
}

func (s *slow) Accounts(_ context.Context, _ directory.Scope, p directory.Page) (list []directory.Account, next string, err error) {
	var page int
	_, _ = fmt.Sscan(p.After, &page)
	for i := range s.perPage {
		list = append(list, directory.Account{Ref: account.Ref{ID: account.ID(fmt.Sprintf("%d-%d", page, i))}})
	}
	if page+1 < s.pages {
		next = fmt.Sprint(page + 1)
	}
	return list, next, nil
}

func (s *slow) Sweep(ctx context.Context, ref account.Ref) (account.Swept, error) {
	if s.now != nil {
		s.now(string(ref.ID))
	}
	select {
	case <-ctx.Done():
		return account.Swept{}, kinds.Wrap(kinds.Unavailable, ctx.Err(), "interrupted")
	case <-time.After(s.takes(string(ref.ID))):
	}
	s.swept = append(s.swept, string(ref.ID))
	return account.Swept{}, nil
}

// turn is one call of the function, that is killed after 15 minutes.
func turn(t *testing.T, s *sweep.Step) sweep.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	r, err := s.Turn(ctx)
	ok(t, err)
	if ctx.Err() != nil {
		t.Error("it takes all of its time, and is killed")
	}
	return r
}

func newSlow(t *testing.T, takes func(string) time.Duration) (*slow, *sweep.Step) {
	w := &slow{pages: 4, perPage: 5, takes: takes}
	return w, &sweep.Step{Accounts: w, Directory: w, Notes: portstest.New(t).Records, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func TestARoundThatTakesLongerThanATurnIsGoneOnWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newSlow(t, func(string) time.Duration { return 4 * time.Minute })
		var each []int
		for len(each) < 9 {
			each = append(each, turn(t, s).Accounts)
		}
		if !slices.Equal(each, []int{4, 4, 4, 4, 4, 4, 2, 0, 0}) { // the one at which it ends is counted, and begun again
			t.Errorf("accounts of each turn: %v", each)
		}
		if len(w.swept) != 20 || len(slices.Compact(slices.Sorted(slices.Values(w.swept)))) != 20 {
			t.Errorf("swept %v", w.swept)
		}
		time.Sleep(24 * time.Hour)
		if turn(t, s).Accounts == 0 {
			t.Error("there is no round on the next day")
		}
	})
}

func TestAnAccountThatTakesMoreThanATurnKeepsNoOtherBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newSlow(t, func(id string) time.Duration {
			if id == "1-2" {
				return time.Hour
			}
			return time.Second
		})
		for range 4 {
			turn(t, s)
		}
		if len(w.swept) != 19 || slices.Contains(w.swept, "1-2") {
			t.Errorf("swept %v", w.swept)
		}
	})
}

// Where a function is killed, by its memory or by its time, it can note nothing any more.
func TestAnAccountThatKillsTheFunctionKeepsNoOtherBack(t *testing.T) {
	w, s := newSlow(t, func(string) time.Duration { return 0 })
	w.now = func(id string) {
		if id == "1-2" {
			panic("killed")
		}
	}
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			turn(t, s)
		}()
	}
	if len(w.swept) != 19 {
		t.Errorf("swept %v", w.swept)
	}
	if turn(t, s).Accounts != 0 {
		t.Error("the round isn't done")
	}
}

func TestTwoTurnsAtOnceDoARoundOnce(t *testing.T) {
	w, s := newSlow(t, func(string) time.Duration { return 0 })
	var other sweep.Result
	w.now = func(id string) {
		if id == "1-2" {
			w.now = nil
			other = turn(t, s)
		}
	}
	first := turn(t, s)
	if first.Accounts != 8 || other.Accounts != 12 || turn(t, s).Accounts != 0 {
		t.Errorf("the first swept %d, the other %d", first.Accounts, other.Accounts)
	}
}

// Each has its turn only once a week, also where days were missed.
func TestEachTenantHasItsTurnAfterDaysWithoutOne(t *testing.T) {
	for _, missed := range []time.Duration{7 * day, 100 * day} {
		p := newPlace(t, "one", "two", "three")
		for _, tenant := range []string{"one", "two", "three"} {
			p.accept(tenant, p.account("ann@"+tenant+".test"))
		}
		p.Clock.Advance(40 * day)
		s := &sweep.Step{Accounts: p.store, Directory: p.dir, Release: p.release(), Notes: p.Records, Now: p.Clock.Now, Log: slog.New(slog.DiscardHandler)}
		s.Release.Together = 8
		removed := turn(t, s).Blobs
		p.Clock.Advance(missed)
		for range 7 {
			removed += turn(t, s).Blobs
		}
		if left := len(p.objects.messages()); removed != 3 || left != 0 {
			t.Errorf("%d were removed, %d are left; logged %s", removed, left, p.log.String())
		}
	}
}

func TestANoteThatCannotBeReadIsBegunAnew(t *testing.T) {
	w, s := newSlow(t, func(string) time.Duration { return 0 })
	turn(t, s)
	r, err := s.Notes.List(t.Context(), "sweep", "", "", 10)
	ok(t, err)
	if len(r) != 1 {
		t.Fatalf("%d notes", len(r))
	}
	r[0].Value = []byte(strings.Repeat("?", 9))
	_, err = s.Notes.Put(t.Context(), r[0], r[0].Version)
	ok(t, err)
	turn(t, s)
	if len(w.swept) != 40 {
		t.Errorf("swept %v", w.swept)
	}
}

func TestAnAccountMayHaveItsTurnOnceInSomeRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newSlow(t, func(string) time.Duration { return 0 })
		s.Every = 7
		for range 7 {
			if n := turn(t, s).Accounts; n == 20 || turn(t, s).Accounts > 0 {
				t.Errorf("%d on one day", n)
			}
			time.Sleep(day)
		}
		if len(w.swept) != 20 || len(slices.Compact(slices.Sorted(slices.Values(w.swept)))) != 20 {
			t.Errorf("swept %v", w.swept)
		}
	})
}
