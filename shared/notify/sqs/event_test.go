package sqs

import (
	"testing"

	"github.com/godwit-mail/godwit/shared/notify"
)

// FuzzEvent: what is sent is received, and anything else is no event.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{"1 p", "18446744073709551615 a b", "", " ", "1", "1 ", "-1 p", "x p", "18446744073709551616 p"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		e, ok := decode(body)
		if !ok {
			return
		}
		if again, ok := decode(encode(e)); !ok || again != e {
			t.Errorf("%q is %v, then %v", body, e, again)
		}
		if e.Partition == "" || e == (notify.Event{}) {
			t.Errorf("%q is an event of nothing", body)
		}
	})
}
