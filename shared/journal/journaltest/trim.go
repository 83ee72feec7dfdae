package journaltest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

func trim(t *testing.T, w World) {
	porttest.OK(t, w.Driver.Trim(t.Context(), p, 10)) // nothing there
	fill(t, w.Driver, p, 6)
	fill(t, w.Driver, "account.2", 3)
	for _, step := range []struct {
		through uint64
		left    string
	}{{0, "[1 2 3 4 5 6]"}, {2, "[3 4 5 6]"}, {2, "[3 4 5 6]"}, {1, "[3 4 5 6]"}, {5, "[6]"}, {6, "[6]"}, {1 << 62, "[6]"}} {
		porttest.OK(t, w.Driver.Trim(t.Context(), p, step.through))
		if got := fmt.Sprint(numbers(all(t, w.Driver, p, 10))); got != step.left {
			t.Errorf("after a trim through %d there is %v, want %v", step.through, got, step.left)
		}
	}
	porttest.OK(t, w.Driver.Append(t.Context(), p, entry(7, "op7", "")))
	if got := len(all(t, w.Driver, "account.2", 10)); got != 3 {
		t.Errorf("another partition has %d entries left", got)
	}
}

func trimStopped(t *testing.T, w World) {
	const n = 60
	fill(t, w.Driver, p, n)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = w.Driver.Trim(ctx, p, n-10) // may do nothing, a part, or all
	dense(t, numbers(all(t, w.Driver, p, 100)), n)
	porttest.OK(t, w.Driver.Trim(t.Context(), p, n-10))
	left := numbers(all(t, w.Driver, p, 100))
	dense(t, left, n)
	if left[0] != n-9 {
		t.Errorf("the second trim left %v", left)
	}
}

// dense fails the test unless the numbers are without holes and end at last.
func dense(t *testing.T, n []uint64, last uint64) {
	t.Helper()
	if len(n) == 0 || n[len(n)-1] != last || n[len(n)-1]-n[0] != uint64(len(n)-1) {
		t.Fatalf("%v is no dense suffix that ends at %d", n, last)
	}
}

func trimRace(t *testing.T, w World) {
	fill(t, w.Driver, p, 40)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint64(41); i <= 80; i++ {
			if err := w.Driver.Append(t.Context(), p, entry(i, fmt.Sprint("op", i), "")); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for i := uint64(5); i <= 100; i += 5 {
			if err := w.Driver.Trim(t.Context(), p, i); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	dense(t, numbers(all(t, w.Driver, p, 100)), 80)
}

func watch(t *testing.T, w World) {
	porttest.OK(t, w.Driver.Unwatch(t.Context(), p, "nobody"))
	porttest.OK(t, w.Driver.Watch(t.Context(), p, "gateway-1", time.Hour))
	porttest.OK(t, w.Driver.Watch(t.Context(), p, "gateway-2", time.Hour))
	porttest.OK(t, w.Driver.Watch(t.Context(), p, "gateway-2", time.Hour))
	watched(t, w, "gateway-1", "gateway-2")
	if names, err := w.Driver.Watchers(t.Context(), "account.2"); err != nil || len(names) != 0 {
		t.Errorf("another partition is watched by %v, %v", names, err)
	}
	porttest.OK(t, w.Driver.Unwatch(t.Context(), p, "gateway-1"))
	watched(t, w, "gateway-2")
	porttest.OK(t, w.Driver.Unwatch(t.Context(), p, "gateway-2"))
	watched(t, w)
}

func watchExpires(t *testing.T, w World) {
	porttest.OK(t, w.Driver.Watch(t.Context(), p, "short", 2*time.Second))
	porttest.OK(t, w.Driver.Watch(t.Context(), p, "long", 8*time.Second))
	porttest.OK(t, w.Driver.Watch(t.Context(), p, "renewed", 2*time.Second))
	watched(t, w, "long", "renewed", "short")
	porttest.OK(t, w.Driver.Watch(t.Context(), p, "renewed", 8*time.Second))
	w.Advance(4 * time.Second)
	watched(t, w, "long", "renewed")
	w.Advance(8 * time.Second)
	watched(t, w)
}

func watched(t *testing.T, w World, want ...string) {
	t.Helper()
	names, err := w.Driver.Watchers(t.Context(), p)
	porttest.OK(t, err)
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("watched by %v, want %v", names, want)
	}
}
