// Package recordstest is the contract of the records port: every twin runs it.
package recordstest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// World is an empty records driver to be tested.
type World struct {
	Driver  records.Driver
	Now     func() time.Time                  // the driver's clock
	Advance func(time.Duration)               // passes time
	Reopen  func(t *testing.T) records.Driver // closes and opens again; nil where nothing can be closed
}

// Run tests what open gives; each subtest opens a world of its own.
func Run(t *testing.T, open func(t *testing.T) World) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w World)
	}{
		{"a record is read back as it was put, at version 1", readBack},
		{"each put raises the version by one", versions},
		{"a put against another version is told what is there", changed},
		{"of many puts against one version exactly one wins", race},
		{"a put whose reply was lost finds itself", lostReply},
		{"a put that shows late is either found or finds itself beaten", late},
		{"a delete removes at its version, or whatever is there", remove},
		{"a get gives what is there in the order of its keys", get},
		{"what is out of limits is refused", limits},
		{"a list is in byte order, by prefix, after a name and up to a limit", list},
		{"spaces do not see each other", spaces},
		{"an expired record is not there", expires},
		{"what is due is listed, the earliest first", due},
		{"what is due no more is not listed", dueCleared},
		{"a counter adds up", counter},
		{"a counter ends when its first time to live is over", counterExpires},
		{"many who add at once lose nothing", counterRace},
		{"counters and records share no keys", counterApart},
		{"what was put is there after a restart", reopen},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func key(id string) records.Key { return records.Key{Space: "domain", ID: id} }

func put(t *testing.T, d records.Driver, r records.Record, ifVersion uint64) {
	t.Helper()
	v, err := d.Put(t.Context(), r, ifVersion)
	porttest.OK(t, err)
	if v != ifVersion+1 {
		t.Fatalf("the new version is %d, want %d", v, ifVersion+1)
	}
}

// there gets one record, nil when it isn't there.
func there(t *testing.T, d records.Driver, k records.Key) *records.Record {
	t.Helper()
	got, err := d.Get(t.Context(), k)
	porttest.OK(t, err)
	if len(got) == 0 {
		return nil
	}
	return &got[0]
}

func same(a, b records.Record) bool {
	return a.Key == b.Key && a.Version == b.Version && bytes.Equal(a.Value, b.Value) && a.Due.Equal(b.Due) && a.Expires.Equal(b.Expires)
}

func readBack(t *testing.T, w World) {
	if r := there(t, w.Driver, key("a")); r != nil {
		t.Fatalf("there is %v", r)
	}
	for i, r := range []records.Record{
		{Key: key("a"), Value: []byte("value")},
		{Key: key("empty")},
		{Key: key("times"), Value: []byte("\x00\xff"), Due: w.Now().Add(time.Hour), Expires: w.Now().Add(2 * time.Hour)},
	} {
		put(t, w.Driver, r, 0)
		r.Version, r.Due, r.Expires = 1, r.Due.Truncate(time.Millisecond), r.Expires.Truncate(time.Second)
		if got := there(t, w.Driver, r.Key); got == nil || !same(*got, r) {
			t.Errorf("%d: there is %v, want %v", i, got, r)
		}
	}
}

func versions(t *testing.T, w World) {
	for v := range uint64(5) {
		put(t, w.Driver, records.Record{Key: key("a"), Version: 77, Value: fmt.Append(nil, v)}, v)
		if got := there(t, w.Driver, key("a")); got.Version != v+1 || string(got.Value) != fmt.Sprint(v) {
			t.Errorf("there is %v after put %d", got, v)
		}
	}
}

func changed(t *testing.T, w World) {
	put(t, w.Driver, records.Record{Key: key("a"), Value: []byte("1")}, 0)
	put(t, w.Driver, records.Record{Key: key("a"), Value: []byte("2")}, 1)
	for _, ifVersion := range []uint64{0, 1, 3} {
		_, err := w.Driver.Put(t.Context(), records.Record{Key: key("a"), Value: []byte("mine")}, ifVersion)
		wantChanged(t, err, &records.Record{Key: key("a"), Version: 2, Value: []byte("2")})
	}
	_, err := w.Driver.Put(t.Context(), records.Record{Key: key("b"), Value: []byte("mine")}, 1)
	wantChanged(t, err, nil)
	if got := there(t, w.Driver, key("a")); string(got.Value) != "2" {
		t.Errorf("a refused put has left %v", got)
	}
	if got := there(t, w.Driver, key("b")); got != nil {
		t.Errorf("a refused put has left %v", got)
	}
}

func wantChanged(t *testing.T, err error, current *records.Record) {
	t.Helper()
	porttest.Kind(t, err, kinds.Conflict)
	var c *records.Changed
	if !errors.As(err, &c) || (c.Current == nil) != (current == nil) || current != nil && !same(*c.Current, *current) {
		t.Fatalf("error %#v, want Changed with %v", err, current)
	}
}

func remove(t *testing.T, w World) {
	d, ctx := w.Driver, t.Context()
	porttest.OK(t, d.Delete(ctx, key("a"), 0))
	porttest.OK(t, d.Delete(ctx, key("a"), 4))
	put(t, d, records.Record{Key: key("a"), Value: []byte("1")}, 0)
	put(t, d, records.Record{Key: key("a"), Value: []byte("2")}, 1)
	wantChanged(t, d.Delete(ctx, key("a"), 1), &records.Record{Key: key("a"), Version: 2, Value: []byte("2")})
	porttest.OK(t, d.Delete(ctx, key("a"), 2))
	if got := there(t, d, key("a")); got != nil {
		t.Errorf("after the delete there is %v", got)
	}
	put(t, d, records.Record{Key: key("a"), Value: []byte("new")}, 0)
	porttest.OK(t, d.Delete(ctx, key("a"), 0))
	if got := there(t, d, key("a")); got != nil {
		t.Errorf("after the delete there is %v", got)
	}
}

func get(t *testing.T, w World) {
	var keys []records.Key
	for i := range records.MaxGet {
		k := key(fmt.Sprint((i * 37) % records.MaxGet))
		keys = append(keys, k)
		if i%3 != 0 {
			put(t, w.Driver, records.Record{Key: k, Value: []byte(k.ID)}, 0)
		}
	}
	got, err := w.Driver.Get(t.Context(), keys...)
	porttest.OK(t, err)
	for i, k := range keys {
		if i%3 == 0 {
			continue
		}
		if len(got) == 0 || got[0].Key != k || string(got[0].Value) != k.ID {
			t.Fatalf("the next of what was got is not %v", k)
		}
		got = got[1:]
	}
	if len(got) > 0 {
		t.Errorf("there are %d more", len(got))
	}
}

func limits(t *testing.T, w World) {
	d, ctx := w.Driver, t.Context()
	long := string(bytes.Repeat([]byte("k"), records.MaxKey))
	for _, k := range []records.Key{{}, {Space: "s"}, {ID: "i"}, {Space: "s", ID: long + "k"}, {Space: long + "k", ID: "i"}} {
		_, err := d.Put(ctx, records.Record{Key: k}, 0)
		porttest.Kind(t, err, kinds.Invalid)
		_, err = d.Get(ctx, k)
		porttest.Kind(t, err, kinds.Invalid)
		_, err = d.Add(ctx, k, 1, 0)
		porttest.Kind(t, err, kinds.Invalid)
		porttest.Kind(t, d.Delete(ctx, k, 0), kinds.Invalid)
	}
	_, err := d.Put(ctx, records.Record{Key: key("big"), Value: make([]byte, records.MaxValue+1)}, 0)
	porttest.Kind(t, err, kinds.Limit)
	_, err = d.Get(ctx)
	porttest.Kind(t, err, kinds.Invalid)
	_, err = d.Get(ctx, key("a"), key("a"))
	porttest.Kind(t, err, kinds.Invalid)
	_, err = d.Get(ctx, make([]records.Key, records.MaxGet+1)...)
	porttest.Kind(t, err, kinds.Invalid)
	for _, limit := range []int{0, -1, records.MaxPage + 1} {
		_, err = d.List(ctx, "domain", "", "", limit)
		porttest.Kind(t, err, kinds.Invalid)
		_, err = d.Due(ctx, "domain", w.Now(), limit)
		porttest.Kind(t, err, kinds.Invalid)
	}
	largest := records.Record{Key: records.Key{Space: "s", ID: long}, Value: bytes.Repeat([]byte{3}, records.MaxValue)}
	put(t, d, largest, 0)
	if got := there(t, d, largest.Key); got == nil || !bytes.Equal(got.Value, largest.Value) {
		t.Error("the largest record came back changed")
	}
}

func reopen(t *testing.T, w World) {
	if w.Reopen == nil {
		return // durability is not this process's
	}
	r := records.Record{Key: key("a"), Value: []byte("x"), Due: w.Now()}
	put(t, w.Driver, r, 0)
	put(t, w.Driver, records.Record{Key: key("gone")}, 0)
	porttest.OK(t, w.Driver.Delete(t.Context(), key("gone"), 0))
	_, err := w.Driver.Add(t.Context(), key("a"), 5, 0)
	porttest.OK(t, err)
	d := w.Reopen(t)
	if got := there(t, d, key("a")); got == nil || got.Version != 1 || string(got.Value) != "x" || !got.Due.Equal(r.Due.Truncate(time.Millisecond)) {
		t.Errorf("after a restart there is %v", got)
	}
	if got := there(t, d, key("gone")); got != nil {
		t.Errorf("after a restart there is %v", got)
	}
	if n, err := d.Add(t.Context(), key("a"), 1, 0); err != nil || n != 6 {
		t.Errorf("the counter is at %d, %v", n, err)
	}
}
