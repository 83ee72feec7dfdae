package api_test

import (
	"testing"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// store puts a message of so many bytes into an account.
func (w *world) store(address string, bytes int64) {
	w.t.Helper()
	a, err := w.Account(w.t.Context(), directory.ServiceScope("test"), address)
	ok(w.t, err)
	acct, err := w.Store.Open(w.t.Context(), a.Ref)
	ok(w.t, err)
	defer acct.Close()
	sum := message.NewScanner().Finish()
	_, _, err = acct.Append(w.t.Context(), account.By{}, "INBOX", []account.NewMessage{{
		Content: account.Content{Blob: blob.Ref{Name: "m/one/x", Size: bytes}, Summary: sum.Encode()}}}, account.Room{})
	ok(w.t, err)
}

func TestWhatDomainsAndTenantsHold(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	w.store("ann@one.test", 100)
	domain := w.must(201, w.root, "POST", "/v1/keys", `{"tenant":"one","domain":"one.test"}`).str("secret")
	usage := func(key, path string) map[string]any {
		t.Helper()
		v, _ := w.must(200, key, "GET", path, "").body["usage"].(map[string]any)
		delete(v, "counted")
		return v
	}
	equal(t, "where there is no quota", usage(w.one, "/v1/domains/one.test"), map[string]any(nil))

	// A quota that is set begins with what is there.
	w.must(200, w.one, "PUT", "/v1/domains/one.test/settings", `{"domain_quota":1000,"domain_messages":9}`, "If-Match", "*")
	shown := w.must(200, domain, "GET", "/v1/domains/one.test", "").body
	if shown["quota"] != 1000.0 || shown["message_quota"] != 9.0 {
		t.Errorf("%v", shown)
	}
	holds := map[string]any{"messages": 1.0, "bytes": 100.0}
	equal(t, "the domain", usage(domain, "/v1/domains/one.test"), holds)
	w.must(200, w.root, "PUT", "/v1/tenants/one/settings", `{"tenant_messages":9}`, "If-Match", "*")
	equal(t, "the tenant", usage(w.one, "/v1/tenants/one"), holds)
	// A domain does not learn what others hold.
	equal(t, "the tenant, for its domain", usage(domain, "/v1/tenants/one"), map[string]any(nil))
	w.must(403, domain, "POST", "/v1/tenants/one/count", "")
	w.must(404, w.two, "GET", "/v1/tenants/one", "")
	w.must(404, w.two, "POST", "/v1/domains/one.test/count", "")

	w.store("ann@one.test", 11)
	equal(t, "late", usage(w.one, "/v1/domains/one.test"), holds)
	if v := w.must(200, domain, "POST", "/v1/domains/one.test/count", "").body; v["bytes"] != 111.0 {
		t.Errorf("counted: %v", v)
	}
	equal(t, "the domain", usage(w.one, "/v1/domains/one.test"), map[string]any{"messages": 2.0, "bytes": 111.0})

	// A deleted account holds nothing.
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"bob@one.test"}`)
	w.store("bob@one.test", 1000)
	w.must(200, w.one, "POST", "/v1/tenants/one/count", "")
	w.must(200, w.one, "POST", "/v1/domains/one.test/count", "")
	w.must(204, w.one, "DELETE", "/v1/accounts/bob@one.test", "")
	for _, path := range []string{"/v1/domains/one.test", "/v1/tenants/one"} {
		equal(t, path, usage(w.one, path), map[string]any{"messages": 2.0, "bytes": 111.0})
	}

	// Who is limited can't change it.
	w.must(403, w.one, "PUT", "/v1/tenants/one/settings", `{"tenant_messages":99}`, "If-Match", "*")
	w.must(403, domain, "PUT", "/v1/domains/one.test/settings", `{}`, "If-Match", "*")
	w.must(422, w.root, "PUT", "/v1/accounts/ann@one.test/settings", `{"tenant_quota":1}`, "If-Match", "*")
	w.must(422, w.root, "PUT", "/v1/settings", `{"messages":-1}`, "If-Match", "*")
	w.must(200, w.one, "PUT", "/v1/domains/one.test/settings", `{}`, "If-Match", "*")
	equal(t, "without a quota", usage(w.one, "/v1/domains/one.test"), map[string]any(nil))
}

func TestAnAccountsQuotas(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test","settings":{"quota":5,"messages":3,"quota_warnings":false}}`)
	v := w.must(200, w.one, "GET", "/v1/accounts/ann@one.test", "").body
	if v["quota"] != 5.0 || v["message_quota"] != 3.0 {
		t.Errorf("%v", v)
	}
}
