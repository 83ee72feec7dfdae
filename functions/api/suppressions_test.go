package api_test

import (
	"log/slog"
	"testing"

	"github.com/godwit-mail/godwit/functions/api"
	mailspool "github.com/godwit-mail/godwit/shared/spool"
)

// withOutgoing is the world with mail that goes to other hosts.
func withOutgoing(t *testing.T) (*world, *mailspool.Spool) {
	w := newWorld(t)
	mails := &mailspool.Spool{Records: w.Records, Now: w.Clock.Now}
	w.handler = api.New(api.Config{Directory: w.Directory, Records: w.Records, Outgoing: mails, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	return w, mails
}

func TestSuppressedAddressesAreTheTenantsOwn(t *testing.T) {
	w, mails := withOutgoing(t)
	for _, tenant := range []string{"one", "two"} {
		ok(t, mails.Suppress(t.Context(), mailspool.Suppressed{Tenant: tenant, Address: "Joe@far.test", Reason: mailspool.Bounced, AtMS: 1}))
	}
	count := func(key string, want int) {
		t.Helper()
		if n := len(w.must(200, key, "GET", "/v1/suppressions?limit=500", "").body["items"].([]any)); n != want {
			t.Errorf("%d addresses, want %d", n, want)
		}
	}
	count(w.root, 2)
	count(w.one, 1)
	w.must(404, w.one, "DELETE", "/v1/suppressions/two:joe@far.test", "")
	w.must(404, w.one, "DELETE", "/v1/suppressions/one:ann@far.test", "")
	w.must(204, w.one, "DELETE", "/v1/suppressions/one:joe@far.test", "")
	count(w.root, 1)
	w.must(204, w.root, "DELETE", "/v1/suppressions/two:joe@far.test", "")
	count(w.root, 0)
}
