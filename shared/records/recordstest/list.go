package recordstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/records"
)

func ids(found []records.Record) (ids []string) {
	for _, r := range found {
		ids = append(ids, r.ID)
	}
	return ids
}

func list(t *testing.T, w World) {
	all := []string{"A", "a", "a b", "a-1", "a/1", "a/10", "a/2", "a0", "aa", "b", "b\u007f", "bé", "b\U0001f426"}
	if !slices.IsSorted(all) {
		t.Fatal("the test's names are not in byte order")
	}
	for i := range all { // put in another order
		put(t, w.Driver, records.Record{Key: key(all[(i*5)%len(all)]), Value: []byte("x")}, 0)
	}
	put(t, w.Driver, records.Record{Key: records.Key{Space: "domain2", ID: "a"}}, 0)
	put(t, w.Driver, records.Record{Key: records.Key{Space: "domai", ID: "a"}}, 0)
	for _, prefix := range []string{"", "a", "a/", "a/1", "b", "b\U0001f426", "c"} {
		var want []string
		for _, id := range all {
			if strings.HasPrefix(id, prefix) {
				want = append(want, id)
			}
		}
		for _, limit := range []int{1, 2, 5, 1000} {
			var got []string
			after := ""
			for {
				page, err := w.Driver.List(t.Context(), "domain", prefix, after, limit)
				porttest.OK(t, err)
				got = append(got, ids(page)...)
				if len(page) < limit {
					break
				}
				after = page[len(page)-1].ID
			}
			if !slices.Equal(got, want) {
				t.Errorf("prefix %q, limit %d: %q, want %q", prefix, limit, got, want)
			}
		}
	}
	for _, after := range []string{"a", "a/", "a/11", "zz", "A"} {
		got, err := w.Driver.List(t.Context(), "domain", "a/", after, 1)
		porttest.OK(t, err)
		want := map[string]string{"a": "[a/1]", "a/": "[a/1]", "a/11": "[a/2]", "zz": "[]", "A": "[a/1]"}[after]
		if fmt.Sprint(ids(got)) != want {
			t.Errorf("prefix a/ after %q: %q, want %s", after, ids(got), want)
		}
	}
}

func spaces(t *testing.T, w World) {
	a, b := records.Key{Space: "one", ID: "x"}, records.Key{Space: "two", ID: "x"}
	put(t, w.Driver, records.Record{Key: a, Value: []byte("1"), Due: w.Now()}, 0)
	put(t, w.Driver, records.Record{Key: b, Value: []byte("2"), Due: w.Now()}, 0)
	porttest.OK(t, w.Driver.Delete(t.Context(), a, 0))
	if got := there(t, w.Driver, b); got == nil || string(got.Value) != "2" {
		t.Errorf("in the other space there is %v", got)
	}
	// A border between space and id can't be shifted.
	put(t, w.Driver, records.Record{Key: records.Key{Space: "tw", ID: "ox"}, Value: []byte("3")}, 0)
	put(t, w.Driver, records.Record{Key: records.Key{Space: "two/x", ID: "y"}, Value: []byte("4")}, 0)
	put(t, w.Driver, records.Record{Key: records.Key{Space: "two", ID: "x/y"}, Value: []byte("5")}, 0)
	got, err := w.Driver.List(t.Context(), "two", "", "", 10)
	porttest.OK(t, err)
	if fmt.Sprint(ids(got)) != "[x x/y]" {
		t.Errorf("the space holds %q", ids(got))
	}
}

func expires(t *testing.T, w World) {
	until := w.Now().Add(2 * time.Second)
	put(t, w.Driver, records.Record{Key: key("a"), Value: []byte("old"), Expires: until, Due: w.Now()}, 0)
	put(t, w.Driver, records.Record{Key: key("a"), Value: []byte("old"), Expires: until, Due: w.Now()}, 1)
	put(t, w.Driver, records.Record{Key: key("b"), Value: []byte("stays"), Due: w.Now()}, 0)
	if got := there(t, w.Driver, key("a")); got == nil || got.Version != 2 {
		t.Fatalf("before its time is over there is %v", got)
	}
	w.Advance(4 * time.Second)
	if got := there(t, w.Driver, key("a")); got != nil {
		t.Errorf("expired, and there is %v", got)
	}
	for _, limit := range []int{1, 10} {
		got, err := w.Driver.List(t.Context(), "domain", "", "", limit)
		porttest.OK(t, err)
		if fmt.Sprint(ids(got)) != "[b]" {
			t.Errorf("listed %q", ids(got))
		}
	}
	dueAre(t, w, w.Now(), 10, "b")
	_, err := w.Driver.Put(t.Context(), records.Record{Key: key("a"), Value: []byte("new")}, 2)
	wantChanged(t, err, nil)
	porttest.OK(t, w.Driver.Delete(t.Context(), key("a"), 1)) // it is not there
	put(t, w.Driver, records.Record{Key: key("a"), Value: []byte("new")}, 0)
	if got := there(t, w.Driver, key("a")); got == nil || got.Version != 1 || !got.Expires.IsZero() || !got.Due.IsZero() {
		t.Errorf("put anew, there is %v", got)
	}
}

// dueAre asks until what is due is as wanted, since it may lag behind writes.
func dueAre(t *testing.T, w World, before time.Time, limit int, want ...string) {
	t.Helper()
	var got []string
	for range 20 {
		found, err := w.Driver.Due(t.Context(), "domain", before, limit)
		porttest.OK(t, err)
		if got = ids(found); slices.Equal(got, want) {
			return
		}
		w.Advance(50 * time.Millisecond)
	}
	t.Errorf("due are %q, want %q", got, want)
}

func due(t *testing.T, w World) {
	now := w.Now()
	for i, id := range []string{"third", "first", "second", "never", "later"} {
		r := records.Record{Key: key(id), Value: []byte(id)}
		if id != "never" {
			r.Due = now.Add(time.Duration([]int{30, 10, 20, 0, 60_000}[i]) * time.Millisecond)
		}
		put(t, w.Driver, r, 0)
	}
	put(t, w.Driver, records.Record{Key: records.Key{Space: "other", ID: "x"}, Due: now}, 0)
	dueAre(t, w, now.Add(time.Second), 10, "first", "second", "third")
	dueAre(t, w, now.Add(time.Second), 2, "first", "second")
	dueAre(t, w, now.Add(20*time.Millisecond), 10, "first", "second")
	dueAre(t, w, now.Add(-time.Second), 10)
	dueAre(t, w, now.Add(time.Hour), 10, "first", "second", "third", "later")
}

func dueCleared(t *testing.T, w World) {
	now := w.Now()
	for _, id := range []string{"cleared", "deleted", "kept", "moved"} {
		put(t, w.Driver, records.Record{Key: key(id), Due: now}, 0)
	}
	put(t, w.Driver, records.Record{Key: key("cleared")}, 1)
	put(t, w.Driver, records.Record{Key: key("moved"), Due: now.Add(time.Hour)}, 1)
	porttest.OK(t, w.Driver.Delete(t.Context(), key("deleted"), 1))
	dueAre(t, w, now.Add(time.Minute), 10, "kept")
}
