package sqs

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestAReceiptIsGoodAsLongAsItsMessageIsHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r receipts
		is := func(receipt string, gone bool, kind kinds.Kind) {
			t.Helper()
			handle, deleted, err := r.handle(receipt)
			if deleted != gone || (err != nil) != (kind != 0) || kinds.Of(err) != kind && err != nil || err == nil && handle != "AQEB+/=" {
				t.Errorf("%s: %q, deleted %v, %v", receipt, handle, deleted, err)
			}
		}
		one, two := stamp("AQEB+/=", time.Now().Add(time.Minute)), stamp("AQEB+/=", time.Now().Add(time.Minute+1e6))
		is(one, false, 0)
		r.extended(one, time.Now().Add(time.Hour))
		r.deleted(two)
		for i := range maxYoung { // it remembers the last many, not all
			r.deleted(fmt.Sprint(i))
		}
		time.Sleep(2 * time.Minute)
		is(one, false, 0)
		is(two, true, 0)
		is("AQEB+/=", false, 0) // of an event
		time.Sleep(time.Hour)
		is(one, false, kinds.Closed)
		r.extended("1."+"x", time.Time{})
		for i := range 2 * maxYoung {
			r.deleted(fmt.Sprint(i, "again"))
		}
		if n := len(r.young) + len(r.old); n > 2*maxYoung {
			t.Errorf("remembers %d receipts", n)
		}
	})
}

// FuzzBody: what is sent is received, and anything else that comes does no harm.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{"", "=", "==", "x", "\x00\xff", "AQ==", "1.2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := decode(encode(body)); err != nil || !bytes.Equal(got, body) {
			t.Errorf("%q became %q, %v", body, got, err)
		}
		_, _ = Received("id", string(body), string(body), map[string]string{"MessageGroupId": string(body), "SentTimestamp": string(body)})
		split(string(body))
	})
}
