// Package journaltest is the contract of the journal port: every twin runs it.
package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// World is an empty journal to be tested.
type World struct {
	Driver  journal.Driver
	Advance func(time.Duration)               // passes time
	Reopen  func(t *testing.T) journal.Driver // closes and opens again; nil where nothing can be closed
}

// p is the partition that most tests use.
const p journal.Partition = "account.1"

// Run tests what open gives; each subtest opens a world of its own.
func Run(t *testing.T, open func(t *testing.T) World) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, w World)
	}{
		{"an entry is read back as it was appended", readBack},
		{"a number that is taken gives the entry that is there", taken},
		{"the same operation again is success and changes nothing", again},
		{"an append needs no entry before it, and holes are left out of what is read", holes},
		{"entries have a largest size", sizes},
		{"a read ends at its limit and says that more follow", limits},
		{"a read ends at a page of bytes, but holds one entry at least", pages},
		{"partitions do not see each other", partitions},
		{"the last entry is the one with the highest number", last},
		{"a tail is the last entries in order, up to a limit and a page of bytes", tail},
		{"a trim deletes up to a number and never the last entry", trim},
		{"a trim that stopped half-way leaves a dense suffix and can be run again", trimStopped},
		{"what was appended is there after a restart", reopen},
		{"a watcher is listed until it unregisters", watch},
		{"a watcher is listed until its time is over, which registering again prolongs", watchExpires},
		{"of many appenders of one number exactly one wins", race},
		{"a read sees every append that has returned", consistent},
		{"appends go on while a trim runs", trimRace},
		{"an append whose reply was lost finds itself", lostReply},
		{"an append that shows late is either found or finds itself beaten", late},
		{"a caller that gave up is told it is unavailable", gaveUp},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

func entry(seq uint64, op, data string) journal.Entry {
	return journal.Entry{Seq: seq, Op: op, Data: []byte(data)}
}

func fill(t *testing.T, d journal.Driver, p journal.Partition, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		porttest.OK(t, d.Append(t.Context(), p, entry(uint64(i), fmt.Sprint("op", i), fmt.Sprint("data", i))))
	}
}

// all reads a partition to its end in pages of the limit.
func all(t *testing.T, d journal.Driver, p journal.Partition, limit int) (found []journal.Entry) {
	t.Helper()
	after, more := uint64(0), true
	for more {
		var page []journal.Entry
		var err error
		page, more, err = d.Read(context.WithoutCancel(t.Context()), p, after, limit)
		porttest.OK(t, err)
		if len(page) == 0 && more {
			t.Fatal("a read gave nothing and says that more follow")
		}
		for _, e := range page {
			if e.Seq <= after {
				t.Fatalf("entry %d came after %d", e.Seq, after)
			}
			after = e.Seq
		}
		found = append(found, page...)
	}
	return found
}

func numbers(entries []journal.Entry) (n []uint64) {
	for _, e := range entries {
		n = append(n, e.Seq)
	}
	return n
}

func same(a, b journal.Entry) bool {
	return a.Seq == b.Seq && a.Op == b.Op && bytes.Equal(a.Data, b.Data)
}

func readBack(t *testing.T, w World) {
	want := []journal.Entry{entry(1, "a", "first"), entry(2, "b", ""), entry(3, "c", "\x00\xff\x00")}
	for _, e := range want {
		porttest.OK(t, w.Driver.Append(t.Context(), p, e))
	}
	got := all(t, w.Driver, p, 1000)
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if !same(got[i], want[i]) {
			t.Errorf("entry %v, want %v", got[i], want[i])
		}
	}
	if got := all(t, w.Driver, "account.2", 10); len(got) != 0 {
		t.Errorf("a partition without entries has %v", got)
	}
	page, more, err := w.Driver.Read(t.Context(), p, 3, 10)
	if err != nil || more || len(page) != 0 {
		t.Errorf("behind the end: %v, %v, %v", page, more, err)
	}
}

func taken(t *testing.T, w World) {
	fill(t, w.Driver, p, 2)
	err := w.Driver.Append(t.Context(), p, entry(2, "other", "mine"))
	var tk *journal.Taken
	if !errors.As(err, &tk) || !same(tk.Existing, entry(2, "op2", "data2")) {
		t.Fatalf("error %v, want Taken with the entry that is there", err)
	}
	porttest.Kind(t, err, kinds.Conflict)
	if got := all(t, w.Driver, p, 10); len(got) != 2 || !same(got[1], entry(2, "op2", "data2")) {
		t.Errorf("after the refusal there is %v", got)
	}
}

func again(t *testing.T, w World) {
	fill(t, w.Driver, p, 3)
	porttest.OK(t, w.Driver.Append(t.Context(), p, entry(2, "op2", "data2")))
	porttest.OK(t, w.Driver.Append(t.Context(), p, entry(2, "op2", "made anew, with another time in it")))
	if got := all(t, w.Driver, p, 10); len(got) != 3 || !same(got[1], entry(2, "op2", "data2")) {
		t.Errorf("after the repetition there is %v", got)
	}
}

func holes(t *testing.T, w World) {
	for _, seq := range []uint64{7, 2, 1 << 39} {
		porttest.OK(t, w.Driver.Append(t.Context(), p, entry(seq, "op", "x")))
	}
	if got := fmt.Sprint(numbers(all(t, w.Driver, p, 2))); got != fmt.Sprint([]uint64{2, 7, 1 << 39}) {
		t.Errorf("read %v", got)
	}
}

func sizes(t *testing.T, w World) {
	e := journal.Entry{Seq: 1, Op: "operation", Data: bytes.Repeat([]byte{7}, journal.MaxEntry-len("operation"))}
	too := e
	too.Data = append(bytes.Clone(e.Data), 7)
	porttest.Kind(t, w.Driver.Append(t.Context(), p, too), kinds.Limit)
	if _, err := w.Driver.Last(t.Context(), p); !kinds.Is(err, kinds.NotFound) {
		t.Errorf("what was refused is there: %v", err)
	}
	porttest.OK(t, w.Driver.Append(t.Context(), p, e))
	got, err := w.Driver.Last(t.Context(), p)
	porttest.OK(t, err)
	if !same(got, e) {
		t.Error("the largest entry came back changed")
	}
}

func limits(t *testing.T, w World) {
	fill(t, w.Driver, p, 5)
	for _, limit := range []int{0, -1, 1001} {
		_, _, err := w.Driver.Read(t.Context(), p, 0, limit)
		porttest.Kind(t, err, kinds.Invalid)
	}
	page, more, err := w.Driver.Read(t.Context(), p, 1, 2)
	porttest.OK(t, err)
	if fmt.Sprint(numbers(page)) != "[2 3]" || !more {
		t.Errorf("read %v, more %v", numbers(page), more)
	}
	if got := fmt.Sprint(numbers(all(t, w.Driver, p, 2))); got != "[1 2 3 4 5]" {
		t.Errorf("in pages of two: %v", got)
	}
	if got := fmt.Sprint(numbers(all(t, w.Driver, p, 5))); got != "[1 2 3 4 5]" {
		t.Errorf("in one page: %v", got)
	}
}

func pages(t *testing.T, w World) {
	big := string(bytes.Repeat([]byte{1}, 390<<10))
	for i := range 6 {
		porttest.OK(t, w.Driver.Append(t.Context(), p, entry(uint64(i+1), "op", big)))
	}
	page, more, err := w.Driver.Read(t.Context(), p, 0, 1000)
	porttest.OK(t, err)
	size := 0
	for _, e := range page {
		size += len(e.Data)
	}
	if len(page) == 0 || size > journal.MaxPage || !more {
		t.Errorf("a page of %d entries, %d bytes, more %v", len(page), size, more)
	}
	if got := fmt.Sprint(numbers(all(t, w.Driver, p, 1000))); got != "[1 2 3 4 5 6]" {
		t.Errorf("read %v", got)
	}
}

func partitions(t *testing.T, w World) {
	names := []journal.Partition{"a", "a.1", "a.10", "a/1", "A", "b"}
	for i, name := range names {
		fill(t, w.Driver, name, i+1)
	}
	for i, name := range names {
		if got := all(t, w.Driver, name, 2); len(got) != i+1 {
			t.Errorf("partition %q has %d entries, want %d", name, len(got), i+1)
		}
		e, err := w.Driver.Last(t.Context(), name)
		porttest.OK(t, err)
		if e.Seq != uint64(i+1) {
			t.Errorf("partition %q ends at %d", name, e.Seq)
		}
	}
}

func last(t *testing.T, w World) {
	_, err := w.Driver.Last(t.Context(), p)
	porttest.Kind(t, err, kinds.NotFound)
	for i := range 12 { // past a change in the number of digits
		e := entry(uint64(i+1), fmt.Sprint("op", i), fmt.Sprint(i))
		porttest.OK(t, w.Driver.Append(t.Context(), p, e))
		got, err := w.Driver.Last(t.Context(), p)
		porttest.OK(t, err)
		if !same(got, e) {
			t.Errorf("last is %v, want %v", got, e)
		}
	}
}

func tail(t *testing.T, w World) {
	_, err := w.Driver.Tail(t.Context(), p, 5)
	porttest.Kind(t, err, kinds.NotFound)
	for _, limit := range []int{0, 1001} {
		_, err = w.Driver.Tail(t.Context(), p, limit)
		porttest.Kind(t, err, kinds.Invalid)
	}
	fill(t, w.Driver, p, 12)
	for limit, want := range map[int]string{1: "[12]", 4: "[9 10 11 12]", 1000: "[1 2 3 4 5 6 7 8 9 10 11 12]"} {
		got, err := w.Driver.Tail(t.Context(), p, limit)
		porttest.OK(t, err)
		if fmt.Sprint(numbers(got)) != want || !same(got[len(got)-1], entry(12, "op12", "data12")) {
			t.Errorf("a tail of %d is %v, want %s", limit, got, want)
		}
	}
	big := string(bytes.Repeat([]byte{1}, 390<<10))
	for seq := range uint64(4) {
		porttest.OK(t, w.Driver.Append(t.Context(), "big", entry(seq+1, "op", big)))
	}
	got, err := w.Driver.Tail(t.Context(), "big", 1000)
	porttest.OK(t, err)
	if fmt.Sprint(numbers(got)) != "[3 4]" {
		t.Errorf("a tail of large entries is %v", numbers(got))
	}
}

func reopen(t *testing.T, w World) {
	if w.Reopen == nil {
		return // durability is not this process's
	}
	fill(t, w.Driver, p, 3)
	d := w.Reopen(t)
	if got := all(t, d, p, 10); len(got) != 3 || !same(got[2], entry(3, "op3", "data3")) {
		t.Errorf("after a restart there is %v", got)
	}
	porttest.OK(t, d.Append(t.Context(), p, entry(4, "op4", "")))
	porttest.OK(t, d.Append(t.Context(), "account.new", entry(1, "op", "")))
	porttest.Kind(t, d.Append(t.Context(), p, entry(3, "other", "")), kinds.Conflict)
	if got := fmt.Sprint(numbers(all(t, d, p, 10))); got != "[1 2 3 4]" {
		t.Errorf("after an append there is %v", got)
	}
}
