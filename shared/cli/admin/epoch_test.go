package admin_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/faults"
)

// epochs makes two tenants with three domains and four accounts.
func epochs(t *testing.T) *world {
	w := newWorld(t)
	for _, tenant := range []string{"acme", "other"} {
		w.json("", "tenant create "+tenant)
	}
	w.json("", "domain create --tenant acme acme.test")
	w.json("", "domain create --tenant acme acme.example")
	w.json("", "domain create --tenant other other.test")
	for _, address := range []string{"ann@acme.test", "bob@acme.test", "eve@acme.example", "joe@other.test"} {
		w.json("", "account create "+address)
	}
	return w
}

func TestEpochsBeginForAllOfADomainATenantOrTheService(t *testing.T) {
	w := epochs(t)
	w.says("epoch begin ann@acme.test", `
ADDRESS        EPOCH
ann@acme.test  2
`)
	w.says("epoch begin acme.test", `
ADDRESS        EPOCH
ann@acme.test  3
bob@acme.test  2
`)
	w.says("epoch begin acme", `
ADDRESS           EPOCH
eve@acme.example  2
ann@acme.test     4
bob@acme.test     3
`)
	w.says("epoch begin --all", `
ADDRESS           EPOCH
eve@acme.example  3
ann@acme.test     5
bob@acme.test     4
joe@other.test    2
`)
	w.fails("epoch begin", "begin an epoch of what")
	w.fails("epoch begin --all acme", "begin an epoch of what")
	w.fails("epoch begin no@acme.test", `there is no account "no@acme.test"`)
	w.fails("epoch begin nowhere.test", "not there, or not this key's")
}

func TestAnEpochUnderAnIDBeginsOnce(t *testing.T) {
	w := epochs(t)
	w.says("epoch begin --id put-back ann@acme.test", `
ADDRESS        EPOCH
ann@acme.test  2
`)
	for range 2 {
		w.says("epoch begin --id put-back acme.test", `
ADDRESS        EPOCH
ann@acme.test  2
bob@acme.test  2
`)
	}
	w.says("epoch begin --id again ann@acme.test", `
ADDRESS        EPOCH
ann@acme.test  3
`)
}

// What fails for some is told; asked for again, it is done, and the others stay as they are.
func TestEpochsThatCouldNotBeginAreAskedForAgain(t *testing.T) {
	w := epochs(t)
	appends := 0
	dir, _ := w.Process(faults.New(func(_ int, call string) faults.Mode {
		if call == "journal.Append" {
			if appends++; appends > 9 { // three for each account before the last
				return faults.FailBefore
			}
		}
		return faults.None
	}))
	good := w.handler
	w.serve(api.New(api.Config{Directory: dir, Records: w.Records, Mail: &api.Mail{Accounts: w.Store}, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)}).ServeHTTP)
	out, err := w.run("", "epoch begin --all --id x", "--url", w.url, "--data", w.data)
	if err == nil || err.Error() != "1 of 4 accounts have begun no epoch; ask for these again" || !strings.Contains(out, "joe@other.test: The service could not do it") {
		t.Errorf("%v: %s", err, out)
	}
	w.serve(good.ServeHTTP)
	w.says("epoch begin --all --id x", `
ADDRESS           EPOCH
eve@acme.example  2
ann@acme.test     2
bob@acme.test     2
joe@other.test    2
`)
}
