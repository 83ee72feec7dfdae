package world

import (
	"fmt"

	"github.com/godwit-mail/godwit/tests/dialog"
)

// Carol is an account of another tenant.
const Carol = "carol@other.test"

// OtherTenant makes the tenant "other" with the domain other.test and Carol's account.
func (w *World) OtherTenant() {
	w.t.Helper()
	w.Admin("POST", "/v1/tenants", `{"name":"other"}`)
	w.Admin("POST", "/v1/domains", `{"name":"other.test","tenant":"other"}`)
	w.Account(Carol)
}

// Town makes, beside the demo's accounts, what the scripts about addresses need: an
// account that is suspended and one that is full but for 100 octets, an alias, a group,
// a domain with a catch-all, and another tenant.
func (w *World) Town() {
	w.t.Helper()
	w.Account("suspended@demo.test")
	w.Admin("PATCH", "/v1/accounts/suspended@demo.test", `{"suspended":true}`)
	w.Account("full@demo.test")
	w.fill("full@demo.test", 100)
	w.Admin("POST", "/v1/aliases", fmt.Sprintf(`{"address":"sales@demo.test","target":%q}`, Alice))
	w.Admin("POST", "/v1/groups", fmt.Sprintf(`{"address":"team@demo.test","members":[%q,%q]}`, Alice, Bob))
	w.Admin("POST", "/v1/domains", `{"name":"all.test","tenant":"demo"}`)
	w.Admin("PATCH", "/v1/domains/all.test", fmt.Sprintf(`{"catch_all":%q}`, Bob))
	w.OtherTenant()
	w.forget()
}

// Account makes an account with the password that all have.
func (w *World) Account(address string) {
	w.t.Helper()
	w.Admin("POST", "/v1/accounts", fmt.Sprintf(`{"address":%q,"password":%q}`, address, Password))
}

// fill puts a message into the account and gives it a quota that leaves so much room.
func (w *World) fill(address string, room int64) {
	w.t.Helper()
	const script = `
c: tls_connect imaps
c<... * OK
c-> a LOGIN ${who} "${password}"
c<* ^a OK
c-> b APPEND INBOX {900+}
c-> ${repeat:90:12345678\r\n}
c<* ^b OK
`
	d := w.Dialog()
	d.Vars["who"] = address
	if err := dialog.Play("fill", script, d); err != nil {
		w.t.Fatal(err)
	}
	use, _ := w.Admin("GET", "/v1/accounts/"+address, "")["usage"].(map[string]any)
	bytes, _ := use["bytes"].(float64)
	if bytes < 900 {
		w.t.Fatalf("%s holds %v bytes", address, use["bytes"])
	}
	w.Admin("PUT", "/v1/accounts/"+address+"/settings", fmt.Sprintf(`{"quota":%d}`, int64(bytes)+room))
}

// Team makes, beside the demo's accounts, what the scripts about sharing need: Dora, a group of
// Bob and Dora, public mailboxes of which one takes mail, and another tenant.
func (w *World) Team() {
	w.t.Helper()
	w.Account("dora@demo.test")
	w.Admin("POST", "/v1/groups", fmt.Sprintf(`{"address":"team@demo.test","members":[%q,"dora@demo.test"]}`, Bob))
	w.Godwit("public", "create", "info@demo.test")
	w.Godwit("public", "create", "closed@demo.test", "--anyone", "lr")
	w.OtherTenant()
	w.forget()
}
