// Package blobtest is the contract of the blob port: every twin runs it.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// World is an empty blob driver to be tested.
type World struct {
	Driver blob.Driver
	Reopen func(t *testing.T) blob.Driver // closes and opens again; nil where nothing can be closed
}

// Run tests what open gives; each subtest opens a world of its own.
func Run(t *testing.T, open func(t *testing.T) World) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w World)
	}{
		{"an object is read back as it was put", readBack},
		{"a range is cut at the end of the object", ranges},
		{"what is not there is not found", notFound},
		{"the same bytes under the same name are success", again},
		{"other bytes under the same name are refused, and the first stay", exists},
		{"of many puts of one name exactly one wins, unless all are the same", race},
		{"a put that fails shows nothing", broken},
		{"a put that is cancelled shows nothing or the whole object", cancelled},
		{"an unfinished put is not listed", unfinished},
		{"a put whose reply was lost and whose retry meets itself is success", lostReply},
		{"names are of few bytes and no tricks", names},
		{"a name may be the beginning of another", nested},
		{"a list is in byte order, by prefix, after a name and up to a limit", list},
		{"a delete removes, also what is not there", remove},
		{"what was put is there after a restart", reopen},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func put(t *testing.T, d blob.Driver, name, body string) {
	t.Helper()
	porttest.OK(t, d.Put(t.Context(), name, strings.NewReader(body), int64(len(body))))
}

func read(t *testing.T, d blob.Driver, name string, off, n int64) string {
	t.Helper()
	r, err := d.Open(t.Context(), name, off, n)
	porttest.OK(t, err)
	b, err := io.ReadAll(r)
	porttest.OK(t, err)
	porttest.OK(t, r.Close())
	return string(b)
}

// absent fails the test when there is anything under name.
func absent(t *testing.T, d blob.Driver, name string) {
	t.Helper()
	_, err := d.Open(t.Context(), name, 0, -1)
	porttest.Kind(t, err, kinds.NotFound)
	_, err = d.Stat(t.Context(), name)
	porttest.Kind(t, err, kinds.NotFound)
	for _, found := range listed(t, d, "", "", 1000) {
		if found == name {
			t.Errorf("%s is listed", name)
		}
	}
}

func listed(t *testing.T, d blob.Driver, prefix, after string, limit int) (names []string) {
	t.Helper()
	found, err := d.List(context.WithoutCancel(t.Context()), prefix, after, limit)
	porttest.OK(t, err)
	for _, i := range found {
		names = append(names, i.Name)
	}
	return names
}

func pattern(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return string(b)
}

func readBack(t *testing.T, w World) {
	for i, body := range []string{"", "x", "a\r\n\x00\xff", pattern(300_001), pattern(9 << 20)} {
		name := fmt.Sprint("m/tenant/", i)
		before := time.Now().Add(-time.Hour)
		put(t, w.Driver, name, body)
		if read(t, w.Driver, name, 0, -1) != body {
			t.Errorf("object %d came back changed", i)
		}
		info, err := w.Driver.Stat(t.Context(), name)
		porttest.OK(t, err)
		if info.Name != name || info.Size != int64(len(body)) || info.Modified.Before(before) {
			t.Errorf("stat gives %+v", info)
		}
		r, err := w.Driver.Open(t.Context(), name, 0, -1)
		porttest.OK(t, err)
		var copied bytes.Buffer
		_, err = io.Copy(&copied, r) // the way that may spare a copy
		porttest.OK(t, err)
		porttest.OK(t, r.Close())
		if copied.String() != body {
			t.Errorf("object %d was copied wrongly", i)
		}
	}
}

func ranges(t *testing.T, w World) {
	put(t, w.Driver, "a", "0123456789")
	for _, r := range []struct {
		off, n int64
		want   string
	}{{0, 3, "012"}, {3, 4, "3456"}, {8, 10, "89"}, {7, -1, "789"}, {10, 5, ""}, {10, -1, ""}, {99, 5, ""}, {4, 0, ""}, {0, 10, "0123456789"}} {
		if got := read(t, w.Driver, "a", r.off, r.n); got != r.want {
			t.Errorf("%d bytes from %d: %q, want %q", r.n, r.off, got, r.want)
		}
	}
	_, err := w.Driver.Open(t.Context(), "a", -1, 5)
	porttest.Kind(t, err, kinds.Invalid)
	_, err = w.Driver.Open(t.Context(), "b", 0, 0)
	porttest.Kind(t, err, kinds.NotFound)
	put(t, w.Driver, "empty", "")
	if got := read(t, w.Driver, "empty", 0, 5); got != "" {
		t.Errorf("an empty object holds %q", got)
	}
}

func notFound(t *testing.T, w World) {
	absent(t, w.Driver, "a")
	put(t, w.Driver, "a/b/c", "x")
	absent(t, w.Driver, "a")
	absent(t, w.Driver, "a/b")
	absent(t, w.Driver, "a/b/c/d")
}

func again(t *testing.T, w World) {
	for _, body := range []string{"", "the same", pattern(200_000)} {
		name := fmt.Sprint("a", len(body))
		put(t, w.Driver, name, body)
		put(t, w.Driver, name, body)
		if read(t, w.Driver, name, 0, -1) != body {
			t.Error("the object has changed")
		}
	}
}

func exists(t *testing.T, w World) {
	first := pattern(200_000)
	put(t, w.Driver, "a", first)
	for _, other := range []string{"", "x", first[1:], first + "x", first[:199_999] + "\x01", "\x02" + first[1:]} {
		err := w.Driver.Put(t.Context(), "a", strings.NewReader(other), int64(len(other)))
		porttest.Kind(t, err, kinds.Exists)
	}
	if read(t, w.Driver, "a", 0, -1) != first {
		t.Error("the first object has changed")
	}
}

func race(t *testing.T, w World) {
	for round := range 5 {
		name := fmt.Sprint("new/folder", round, "/same")
		var wg sync.WaitGroup
		var mu sync.Mutex
		var winners []string
		for i := range 8 {
			wg.Go(func() {
				if err := w.Driver.Put(t.Context(), name, strings.NewReader("same"), 4); err != nil {
					t.Error(err)
				}
				mine := fmt.Sprint("writer", i)
				err := w.Driver.Put(t.Context(), name+"not", strings.NewReader(mine), int64(len(mine)))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, mine)
				} else if !kinds.Is(err, kinds.Exists) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := read(t, w.Driver, name+"not", 0, -1); len(winners) != 1 || got != winners[0] {
			t.Errorf("won by %v, and there is %q", winners, got)
		}
	}
}

// body gives n bytes and then fails, or does what then says before it goes on.
type body struct {
	n    int64
	then func() error
}

func (b body) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.n {
		if err := b.then(); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func broken(t *testing.T, w World) {
	fails := body{100_000, func() error { return errors.New("the source is gone") }}
	if err := w.Driver.Put(t.Context(), "a/b", fails, 200_000); err == nil {
		t.Error("a put of a broken source is success")
	}
	absent(t, w.Driver, "a/b")
	if err := w.Driver.Put(t.Context(), "a/b", strings.NewReader("short"), 6); err == nil {
		t.Error("a put of a short source is success")
	}
	absent(t, w.Driver, "a/b")
	porttest.Kind(t, w.Driver.Put(t.Context(), "a/b", strings.NewReader("x"), -1), kinds.Invalid)
	put(t, w.Driver, "a/b", "whole")
}

func cancelled(t *testing.T, w World) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Driver.Put(ctx, "a", strings.NewReader("whole"), 5); err != nil {
		porttest.Kind(t, err, kinds.Unavailable)
	}
	put(t, w.Driver, "a", "whole")
}

func unfinished(t *testing.T, w World) {
	looked := false
	slow := body{1 << 20, func() error {
		looked = true
		absent(t, w.Driver, "a/slow")
		return nil
	}}
	porttest.OK(t, w.Driver.Put(t.Context(), "a/slow", slow, 3<<20))
	if !looked || len(listed(t, w.Driver, "", "", 10)) != 1 {
		t.Errorf("looked %v, and at the end listed %v", looked, listed(t, w.Driver, "", "", 10))
	}
}

func lostReply(t *testing.T, w World) {
	for i, mode := range faults.Modes() {
		d, name := faults.Blob(w.Driver, faults.First("blob.Put", mode)), fmt.Sprint("a/", i)
		if err := d.Put(t.Context(), name, strings.NewReader("mine"), 4); err != nil {
			porttest.Kind(t, err, kinds.Unavailable)
			put(t, d, name, "mine")
		}
		if got := read(t, w.Driver, name, 0, -1); got != "mine" {
			t.Errorf("%v: there is %q", mode, got)
		}
	}
}

func reopen(t *testing.T, w World) {
	if w.Reopen == nil {
		return // durability is not this process's
	}
	put(t, w.Driver, "a/b", "kept")
	put(t, w.Driver, "a/c", "gone")
	porttest.OK(t, w.Driver.Delete(t.Context(), "a/c"))
	d := w.Reopen(t)
	if got := read(t, d, "a/b", 0, -1); got != "kept" {
		t.Errorf("after a restart there is %q", got)
	}
	absent(t, d, "a/c")
	put(t, d, "a/c", "new")
}
