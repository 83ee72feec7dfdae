package sweep_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/functions/sweep"
	"github.com/godwit-mail/godwit/shared/account"
)

// slowly are accounts each of which takes a while to tell what it holds.
type slowly struct {
	*account.Store
	takes func(account.ID) time.Duration
	told  map[account.ID]int
}

func (s *slowly) Held(ctx context.Context, ref account.Ref, since time.Time, fn func(account.Held) error) error {
	if err := s.Store.Held(ctx, ref, since, fn); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.takes(ref.ID)):
	}
	s.told[ref.ID]++
	return nil
}

// A week of turns, five a day, over a tenant of thirty accounts beside a small one.
func TestATenantThatTakesSeveralTurnsIsGoneOnWith(t *testing.T) {
	for _, c := range []struct {
		what  string
		takes func(n int) time.Duration
		done  bool
	}{
		{"each takes a minute", func(int) time.Duration { return time.Minute }, true},
		{"one takes more than a turn", func(n int) time.Duration { return time.Duration(n/20) * time.Hour }, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t, "one", "two")
				number := map[account.ID]int{}
				var refs []account.Ref
				for n := range 30 {
					refs = append(refs, p.account(fmt.Sprintf("user%02d@one.test", n)))
					number[refs[n].ID] = n
				}
				first, last, nobodys := p.accept("one", refs[0]), p.accept("one", refs[29]), p.accept("one", refs[0])
				p.deliver(first)
				p.deliver(last)
				other := p.accept("two", p.account("ann@two.test"))
				p.Clock.Advance(40 * day)
				held := &slowly{Store: p.store, told: map[account.ID]int{}, takes: func(id account.ID) time.Duration { return c.takes(number[id]) }}
				s := &sweep.Step{Accounts: p.store, Directory: p.dir, Release: p.release(), Notes: p.Records, Now: p.Clock.Now, Log: slog.New(slog.DiscardHandler)}
				s.Release.Accounts = held
				for range 7 {
					for range 5 {
						turn(t, s)
					}
					p.Clock.Advance(day)
				}
				if !p.there(first) || !p.there(last) || p.there(nobodys) != !c.done || p.there(other) {
					t.Errorf("there are: the first one's %v, the last one's %v, nobody's %v, the other tenant's %v",
						p.there(first), p.there(last), p.there(nobodys), p.there(other))
				}
				for _, ref := range refs {
					if n := held.told[ref.ID]; c.done && n != 1 {
						t.Errorf("user %d was asked %d times", number[ref.ID], n)
					}
				}
			})
		})
	}
}
