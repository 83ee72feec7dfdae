package delivery

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
)

func job() *Job {
	return &Job{Transaction: "tx", Correlation: "c", Tenant: "t", From: "j\xf6rg@example.org", Received: 1_900_000_000_123,
		Trace: []byte("Received: x\r\n"), Headless: true, Blob: blob.Ref{Name: "m/t/x", Header: 9, Size: 10, Frames: "\x10\x09\xff\x00\x01\x02"}, Summary: []byte{1, 2},
		Thread: []string{"<a@x>", "\xff"}, Failures: 2, KeyID: "k", Protocol: "smtp",
		Recipients: []Recipient{{Account: account.Ref{ID: "a", Epoch: 1, Tenant: "t"}, Address: "joe@demo.test", Seen: 7}}}
}

func TestAJobIsReadBackAsItWasSent(t *testing.T) {
	b, err := job().Encode()
	porttest.OK(t, err)
	got, err := Decode(b)
	porttest.OK(t, err)
	want := job()
	want.Version = version
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.ReceivedAt().UnixMilli() != want.Received {
		t.Error(got.ReceivedAt())
	}
}

func TestJobsHaveLimits(t *testing.T) {
	j := job()
	for range MaxRecipients {
		j.Recipients = append(j.Recipients, j.Recipients[0])
	}
	_, err := j.Encode()
	porttest.Kind(t, err, kinds.Limit)
	j = job()
	j.Trace = make([]byte, 1<<20)
	_, err = j.Encode()
	porttest.Kind(t, err, kinds.Limit)
}

// The most that SMTP lets into a job: a hundred accounts with the longest addresses, the
// longest summary, three message ids as long as a line. It needs no place beside the queue.
func TestTheLargestJobFitsTheQueue(t *testing.T) {
	const path, line, summary, trace = 256, 998, 16 << 10, 4 << 10
	long := func(n int) string { return string(bytes.Repeat([]byte{'x'}, n)) }
	j := job()
	j.From, j.Tenant, j.Transaction, j.Correlation = long(path), long(128), long(64), long(64)
	j.Summary, j.Trace = make([]byte, summary), make([]byte, trace)
	j.Thread = []string{long(line), long(line), long(line)}
	j.Blob.Frames = cbor.ByteString(make([]byte, blob.MaxTable))
	j.Recipients = nil
	for range MaxRecipients {
		j.Recipients = append(j.Recipients, Recipient{Account: account.Ref{ID: account.ID(long(32)), Epoch: 1 << 20, Tenant: long(128)}, Address: long(path), Seen: 1 << 40})
	}
	b, err := j.Encode()
	porttest.OK(t, err)
	if len(b) > queue.MaxBody/2 {
		t.Errorf("%d bytes; half of what the queue takes was thought to be enough for ever", len(b))
	}
	// Beside them as much as it may say of what the sender is to be told, and of one account more.
	for range MaxTells {
		j.Recipients[0].Tell = append(j.Recipients[0].Tell, Tell{Address: long(path), Origin: long(500)})
	}
	j.Recipients[1].Tell = []Tell{{Origin: long(MaxTell)}}
	_, err = j.Encode()
	porttest.OK(t, err)
}

func TestWhatIsNoJob(t *testing.T) {
	b, err := job().Encode()
	porttest.OK(t, err)
	var m map[int]any
	mode, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
	porttest.OK(t, err)
	change := func(key int, v any) []byte {
		porttest.OK(t, mode.Unmarshal(b, &m))
		if m[key] = v; v == nil {
			delete(m, key)
		}
		out, err := cbor.Marshal(m)
		porttest.OK(t, err)
		return out
	}
	for i, c := range []struct {
		b    []byte
		kind kinds.Kind
	}{
		{nil, kinds.Corrupt},
		{b[:len(b)-1], kinds.Corrupt},
		{append(bytes.Clone(b), 0), kinds.Corrupt},
		{bytes.Repeat([]byte{0x81}, 1000), kinds.Corrupt},
		{change(12, nil), kinds.Corrupt},
		{change(7, 12), kinds.Corrupt},
		{change(1, 2), kinds.TooNew},
		{change(99, "what a newer gateway asks for"), kinds.TooNew},
	} {
		if _, err := Decode(c.b); !kinds.Is(err, c.kind) {
			t.Errorf("%d: %v", i, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	b, err := job().Encode()
	porttest.OK(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := Decode(b)
		if err != nil {
			if k := kinds.Of(err); k != kinds.Corrupt && k != kinds.TooNew {
				t.Fatal(err)
			}
			return
		}
		once, err := j.Encode()
		if err != nil {
			return // what was shorter in another form
		}
		again, err := Decode(once)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(j) {
			t.Fatalf("%v: %+v became %+v", err, j, again)
		}
	})
}
