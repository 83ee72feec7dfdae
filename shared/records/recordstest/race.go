package recordstest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

func race(t *testing.T, w World) {
	for v := range uint64(10) {
		var mu sync.Mutex
		var winners []string
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				value := fmt.Sprint("writer", i)
				_, err := w.Driver.Put(t.Context(), records.Record{Key: key("a"), Value: []byte(value)}, v)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, value)
				} else if !kinds.Is(err, kinds.Conflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got := there(t, w.Driver, key("a"))
		if len(winners) != 1 || got == nil || got.Version != v+1 || string(got.Value) != winners[0] {
			t.Fatalf("round %d was won by %v, and there is %v", v, winners, got)
		}
	}
}

func lostReply(t *testing.T, w World) {
	r := records.Record{Key: key("a"), Value: []byte("mine"), Due: w.Now().Add(time.Minute), Expires: w.Now().Add(time.Hour)}
	d := faults.Records(w.Driver, faults.First("records.Put", faults.FailAfter))
	_, err := d.Put(t.Context(), r, 0)
	porttest.Kind(t, err, kinds.Unavailable)
	put(t, d, r, 0)
	d = faults.Records(w.Driver, faults.First("records.Put", faults.Repeat))
	put(t, d, r, 1)
	for _, other := range []records.Record{
		{Key: r.Key, Value: []byte("other"), Due: r.Due, Expires: r.Expires},
		{Key: r.Key, Value: r.Value, Due: r.Due.Add(time.Second), Expires: r.Expires},
		{Key: r.Key, Value: r.Value, Due: r.Due, Expires: r.Expires.Add(time.Second)},
	} {
		_, err = w.Driver.Put(t.Context(), other, 1) // the same version, but not that write
		porttest.Kind(t, err, kinds.Conflict)
	}
	if got := there(t, w.Driver, key("a")); got.Version != 2 {
		t.Errorf("there is %v", got)
	}
}

func late(t *testing.T, w World) {
	mine, other := records.Record{Key: key("a"), Value: []byte("late")}, records.Record{Key: key("a"), Value: []byte("other")}
	d := faults.Records(w.Driver, faults.First("records.Put", faults.LateBefore))
	_, err := d.Put(t.Context(), mine, 0)
	porttest.Kind(t, err, kinds.Unavailable)
	_, err = d.Put(t.Context(), other, 0)
	wantChanged(t, err, &records.Record{Key: key("a"), Version: 1, Value: mine.Value})
	put(t, d, mine, 0)
	d = faults.Records(w.Driver, faults.First("records.Put", faults.LateAfter))
	_, err = d.Put(t.Context(), mine, 1)
	porttest.Kind(t, err, kinds.Unavailable)
	put(t, d, other, 1)
	_, err = d.Put(t.Context(), mine, 1)
	wantChanged(t, err, &records.Record{Key: key("a"), Version: 2, Value: other.Value})
}

func add(t *testing.T, d records.Driver, n int64, ttl time.Duration, want int64) {
	t.Helper()
	got, err := d.Add(t.Context(), key("counter"), n, ttl)
	porttest.OK(t, err)
	if got != want {
		t.Errorf("the counter is at %d, want %d", got, want)
	}
}

func counter(t *testing.T, w World) {
	add(t, w.Driver, 1, 0, 1)
	add(t, w.Driver, 41, 0, 42)
	add(t, w.Driver, 0, 0, 42)
	add(t, w.Driver, -50, 0, -8)
	w.Advance(4 * time.Second)
	add(t, w.Driver, 1, time.Second, -7)
	w.Advance(4 * time.Second)
	add(t, w.Driver, 1, 0, -6) // it was there before, without an end
}

func counterExpires(t *testing.T, w World) {
	add(t, w.Driver, 1, 4*time.Second, 1)
	w.Advance(2 * time.Second)
	add(t, w.Driver, 1, 4*time.Second, 2) // prolongs nothing
	w.Advance(3 * time.Second)
	add(t, w.Driver, 1, 4*time.Second, 1)
	w.Advance(2 * time.Second)
	add(t, w.Driver, 1, 4*time.Second, 2)
}

func counterRace(t *testing.T, w World) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				if _, err := w.Driver.Add(t.Context(), key("counter"), 1, time.Hour); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	add(t, w.Driver, 0, 0, 80)
}

func counterApart(t *testing.T, w World) {
	put(t, w.Driver, records.Record{Key: key("counter"), Value: []byte("a record")}, 0)
	add(t, w.Driver, 3, 0, 3)
	if got := there(t, w.Driver, key("counter")); got == nil || string(got.Value) != "a record" {
		t.Errorf("the record is %v", got)
	}
	porttest.OK(t, w.Driver.Delete(t.Context(), key("counter"), 0))
	add(t, w.Driver, 1, 0, 4)
	got, err := w.Driver.List(t.Context(), "domain", "", "", 10)
	if err != nil || len(got) != 0 {
		t.Errorf("a counter is listed: %v, %v", got, err)
	}
}
