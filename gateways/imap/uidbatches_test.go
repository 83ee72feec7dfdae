package imap

import (
	"fmt"
	"testing"
)

// The example of RFC 10022, section 3.1.1, and its section on ranges of batches.
func TestBatchesOfUIDs(t *testing.T) {
	uid := func(i int) uint32 { return uint32(2*i + 3) }
	for _, tt := range []struct {
		messages       int
		size, from, to int64
		want           string
	}{
		{6823, 2000, 1, 1 << 32, "[{13647 9649} {9647 5649} {5647 1649} {1647 1}]"},
		{7000, 2000, 2, 3, "[{10001 6003} {6001 2003}]"},
		{7000, 2000, 6, 8, "[]"},
		{2000, 2000, 1, 5, "[{4001 1}]"},
		{1, 500, 1, 1, "[{3 1}]"},
		{0, 500, 1, 1 << 32, "[]"},
	} {
		var got []struct{ Last, First uint32 }
		for _, r := range batches(tt.messages, uid, tt.size, tt.from, tt.to) {
			got = append(got, struct{ Last, First uint32 }{r.Last, r.First})
		}
		if s := fmt.Sprint(got); s != tt.want {
			t.Errorf("%+v: %s", tt, s)
		}
	}
}
