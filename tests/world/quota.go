package world

import "fmt"

// Quotas makes what the scripts about quotas need: accounts of 2 messages (few@) and of
// 10,000 octets (small@) in the demo's domain; a domain of 900 octets (full.test, with ann
// and bob), and a tenant of one message (house, with ann@house.test). Nothing is in them.
func (w *World) Quotas() {
	w.t.Helper()
	set := func(path, settings string) { w.Admin("PUT", path+"/settings", settings) }
	account := func(address string) {
		w.Admin("POST", "/v1/accounts", fmt.Sprintf(`{"address":%q,"password":%q}`, address, Password))
	}
	account("few@demo.test")
	set("/v1/accounts/few@demo.test", `{"messages":2}`)
	account("small@demo.test")
	set("/v1/accounts/small@demo.test", `{"quota":10000}`)
	w.Admin("POST", "/v1/domains", `{"name":"full.test","tenant":"demo"}`)
	account("ann@full.test")
	account("bob@full.test")
	set("/v1/domains/full.test", `{"domain_quota":900}`)
	w.Admin("POST", "/v1/tenants", `{"name":"house"}`)
	w.Admin("POST", "/v1/domains", `{"name":"house.test","tenant":"house"}`)
	account("ann@house.test")
	set("/v1/tenants/house", `{"tenant_messages":1}`)
}
