package api

import (
	"bytes"
	"testing"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func FuzzBatch(f *testing.F) {
	f.Add([]byte(`{"name":"AAECAwQFBgcICQoL","mailbox":"INBOX","flags":["\\Seen","x"],"date":"2020-01-02T03:04:05Z","size":3}` + "\nabc"))
	f.Add([]byte(`{"name":"AAECAwQFBgcICQoL","mailbox":"","parts":["AAAA"]}` + "\n"))
	f.Add([]byte("{}\n"))
	state := account.NewState(account.Ref{ID: "a", Epoch: 1, Tenant: "one"})
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := parseBatch(body, state)
		if err != nil {
			if !kinds.Is(err, kinds.Invalid) && !kinds.Is(err, kinds.Limit) {
				t.Fatal(err)
			}
			return
		}
		octets := 0
		for _, m := range list {
			octets += len(m.octets)
			if len(m.add.Name) != account.NameSize || !bytes.Contains(body, m.octets) || m.refused == nil { // the account has no mailbox
				t.Fatalf("%q is read as %+v", body, m)
			}
		}
		if octets > len(body) || len(list) > maxMessages {
			t.Fatalf("%d octets are read as %d in %d messages", len(body), octets, len(list))
		}
	})
}

func FuzzRange(f *testing.F) {
	f.Add("bytes=0-5", int64(3))
	f.Add("bytes=-5", int64(0))
	f.Add("bytes=9223372036854775807-", int64(9))
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		first, last, part := parseRange(header, size)
		if first < 0 || last >= size || !part && (first != 0 || last != size-1) {
			t.Errorf("%q of %d octets is %d-%d", header, size, first, last)
		}
	})
}
