package blobtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func names(t *testing.T, w World) {
	d, ctx := w.Driver, t.Context()
	long := strings.Repeat("e", blob.MaxElement)
	for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "../a", "A", "a b", "a\x00", "é", "a\\b", "a+", "a~", "a:b", "*",
		long + "e", strings.Repeat("a/", 256) + "a"} {
		porttest.Kind(t, d.Put(ctx, name, strings.NewReader("x"), 1), kinds.Invalid)
		_, err := d.Open(ctx, name, 0, -1)
		porttest.Kind(t, err, kinds.Invalid)
		_, err = d.Stat(ctx, name)
		porttest.Kind(t, err, kinds.Invalid)
		porttest.Kind(t, d.Delete(ctx, name), kinds.Invalid)
	}
	if got := listed(t, d, "", "", 10); len(got) != 0 {
		t.Errorf("of refused names there is %q", got)
	}
	good := []string{"a", "...", ".a", "a.", "-", "_", "0", "a/.b/..c", long, long + "/" + long, strings.Repeat("a/", 255) + "aa"}
	for _, name := range good {
		put(t, d, name, name)
		if read(t, d, name, 0, -1) != name {
			t.Errorf("%q came back changed", name)
		}
	}
	slices.Sort(good)
	if got := listed(t, d, "", "", 100); !slices.Equal(got, good) {
		t.Errorf("listed %q", got)
	}
}

func nested(t *testing.T, w World) {
	all := []string{"a/b", "a", "a/b/c/d", "a/b/c", "b/c", "b"}
	for _, name := range all {
		put(t, w.Driver, name, name)
	}
	for _, name := range all {
		if got := read(t, w.Driver, name, 0, -1); got != name {
			t.Errorf("%s holds %q", name, got)
		}
	}
	porttest.OK(t, w.Driver.Delete(t.Context(), "a/b"))
	if got := fmt.Sprint(listed(t, w.Driver, "", "", 10)); got != "[a a/b/c a/b/c/d b b/c]" {
		t.Errorf("after a delete there is %s", got)
	}
}

func list(t *testing.T, w World) {
	all := []string{"a", "a-b", "a-b/c", "a.b", "a/", "a/b", "a/b-c", "a/b.c", "a/b/c", "a/b0", "a0", "a0/x", "aa/a/a", "aa/b", "b/1", "b/10", "b/2", "c_/d", "ca"}
	all = slices.DeleteFunc(all, func(n string) bool { return strings.HasSuffix(n, "/") })
	if !slices.IsSorted(all) {
		t.Fatal("the test's names are not in byte order")
	}
	for i := range all { // put in another order
		name := all[(i*5)%len(all)]
		put(t, w.Driver, name, name)
	}
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b/", "a-", "aa", "aa/a/a", "b/1", "c", "d", "d/e", "/", "A", "a//"} {
		var want []string
		for _, name := range all {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		for _, limit := range []int{1, 2, 7, 1000} {
			var got []string
			after := ""
			for {
				page := listed(t, w.Driver, prefix, after, limit)
				if len(page) == 0 {
					break
				}
				if len(page) > limit {
					t.Fatalf("%d names, at most %d were asked for", len(page), limit)
				}
				got, after = append(got, page...), page[len(page)-1]
			}
			if !slices.Equal(got, want) {
				t.Errorf("prefix %q, limit %d: %q, want %q", prefix, limit, got, want)
			}
		}
		for _, after := range append([]string{"a/", "a/a", "a/b/", "a1", "zz", "b", "A", "aa/zz/zz", "a-b/"}, all...) {
			var want []string
			for _, name := range all {
				if strings.HasPrefix(name, prefix) && name > after {
					want = append(want, name)
				}
			}
			if got := listed(t, w.Driver, prefix, after, 1000); !slices.Equal(got, want) {
				t.Errorf("prefix %q after %q: %q, want %q", prefix, after, got, want)
			}
		}
	}
	infos, err := w.Driver.List(t.Context(), "a/b/", "", 1)
	if err != nil || len(infos) != 1 || infos[0].Size != int64(len("a/b/c")) || infos[0].Modified.IsZero() {
		t.Errorf("listed %+v, %v", infos, err)
	}
	for _, limit := range []int{0, -1, blob.MaxPage + 1} {
		_, err := w.Driver.List(t.Context(), "", "", limit)
		porttest.Kind(t, err, kinds.Invalid)
	}
}

func remove(t *testing.T, w World) {
	porttest.OK(t, w.Driver.Delete(t.Context(), "a"))
	porttest.OK(t, w.Driver.Delete(t.Context(), "a/b/c"))
	put(t, w.Driver, "a", "x")
	put(t, w.Driver, "a/b", "y")
	porttest.OK(t, w.Driver.Delete(t.Context(), "a"))
	absent(t, w.Driver, "a")
	if got := read(t, w.Driver, "a/b", 0, -1); got != "y" {
		t.Errorf("another object holds %q", got)
	}
	porttest.OK(t, w.Driver.Delete(t.Context(), "a"))
	put(t, w.Driver, "a", "other bytes")
	porttest.OK(t, w.Driver.Delete(t.Context(), "a/b"))
	put(t, w.Driver, "a/b", "z")
}
