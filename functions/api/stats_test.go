package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// sent gives accounts a message of so many bytes, in one blob.
func (w *world) sent(bytes int, to ...string) blob.Ref {
	w.t.Helper()
	text := strings.Repeat("x", bytes)
	ref, err := blob.Store{Driver: w.blobs}.Put(w.t.Context(), blob.NewName("one", w.Clock.Now()), blob.Header{}, strings.NewReader(text), int64(bytes))
	ok(w.t, err)
	sum := message.NewScanner().Finish()
	for _, address := range to {
		a, err := w.Account(w.t.Context(), directory.ServiceScope("test"), address)
		ok(w.t, err)
		acct, err := w.Store.Open(w.t.Context(), a.Ref)
		ok(w.t, err)
		_, _, err = acct.Append(w.t.Context(), account.By{}, "INBOX", []account.NewMessage{{
			Content: account.Content{Head: []byte("A: b\r\n"), Blob: ref, Summary: sum.Encode()}}}, account.Room{})
		ok(w.t, err)
		acct.Close()
	}
	return ref
}

func TestStatsTellWhatSharingAndCompressionSave(t *testing.T) {
	w := newWorld(t)
	for _, address := range []string{"ann@one.test", "bob@one.test"} {
		w.must(201, w.one, "POST", "/v1/accounts", `{"address":"`+address+`"}`)
	}
	w.must(201, w.two, "POST", "/v1/accounts", `{"address":"eve@two.test"}`)
	both := w.sent(100_000, "ann@one.test", "bob@one.test")
	own := w.sent(500, "ann@one.test")
	storedBoth, err := both.Stored()
	ok(t, err)
	storedOwn, err := own.Stored()
	ok(t, err)
	a, err := w.Account(t.Context(), directory.ServiceScope("test"), "ann@one.test")
	ok(t, err)
	ann, err := w.Store.Open(t.Context(), a.Ref)
	ok(t, err)
	defer ann.Close()
	_, err = ann.CopyMessages(t.Context(), account.By{}, account.Inbox, []account.Range{{First: 1, Last: 1}}, "Archive", account.Room{})
	ok(t, err)
	w.sent(700, "ann@one.test")
	_, err = ann.ExpungeMessages(t.Context(), account.By{}, account.Inbox, []account.Range{{First: 3, Last: 3}}, false)
	ok(t, err)
	w.Clock.Advance(time.Second)

	want := func(accounts, messages, bytes, blobs, stored, shared, content int64) map[string]any {
		return map[string]any{"accounts": float64(accounts), "messages": float64(messages), "bytes": float64(bytes), "blobs": float64(blobs), "stored": float64(stored),
			"shared": float64(shared), "compressed": float64(content - stored), "complete": true}
	}
	get := func(key, path string) map[string]any {
		t.Helper()
		v := w.must(200, key, "GET", path, "").body
		delete(v, "$schema")
		return v
	}
	equal(t, "ann", get(w.one, "/v1/accounts/ann@one.test/stats"), want(1, 3, 200_500+3*6, 2, storedBoth+storedOwn, 100_000, 100_500))
	equal(t, "bob", get(w.one, "/v1/accounts/bob@one.test/stats"), want(1, 1, 100_006, 1, storedBoth, 0, 100_000))
	all := want(2, 4, 300_500+4*6, 2, storedBoth+storedOwn, 200_000, 100_500)
	equal(t, "the domain", get(w.one, "/v1/domains/one.test/stats"), all)
	equal(t, "the tenant", get(w.root, "/v1/tenants/one/stats"), all)
	// A snapshot changes nothing.
	store := account.New(account.Config{Journal: w.Journal, Blobs: blob.Store{Driver: w.blobs}, Now: w.Clock.Now})
	_, err = store.Compact(t.Context(), a.Ref, true)
	ok(t, err)
	equal(t, "the tenant", get(w.one, "/v1/tenants/one/stats"), all)
	equal(t, "nothing", get(w.two, "/v1/tenants/two/stats"), want(1, 0, 0, 0, 0, 0, 0))

	domain := w.must(201, w.root, "POST", "/v1/keys", `{"tenant":"one","domain":"one.test"}`).str("secret")
	w.must(200, domain, "GET", "/v1/domains/one.test/stats", "")
	w.must(403, domain, "GET", "/v1/tenants/one/stats", "")
	for _, path := range []string{"/v1/accounts/ann@one.test/stats", "/v1/domains/one.test/stats", "/v1/tenants/one/stats"} {
		w.must(404, w.two, "GET", path, "")
	}
}
