package api_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/directory"
)

func TestAnAccountsLife(t *testing.T) {
	w := newWorld(t)
	made := w.must(201, w.one, "POST", "/v1/accounts", `{"address":"Ann@one.test","name":"Ann"}`)
	equal(t, "Location", made.header.Get("Location"), "/v1/accounts/ann@one.test")
	password := made.str("password")
	_, err := w.Authenticate(t.Context(), "ann@one.test", password, directory.IMAP)
	ok(t, err)
	if p := w.must(409, w.one, "POST", "/v1/aliases", `{"address":"ann@one.test","target":"bob@one.test"}`); p.str("type") != "urn:godwit:problem:exists" {
		t.Errorf("a taken address: %s", p.text)
	}

	shown := w.must(200, w.one, "GET", "/v1/accounts/ann@one.test", "")
	if shown.body["password"] != nil || shown.str("id") != made.str("id") {
		t.Errorf("shown: %s", shown.text)
	}
	if usage, _ := shown.body["usage"].(map[string]any); usage["mailboxes"] != 6.0 {
		t.Errorf("usage: %s", shown.text)
	}
	changed := w.must(200, w.one, "PATCH", "/v1/accounts/ann@one.test", `{"name":"Anne"}`, "If-Match", shown.header.Get("ETag"))
	w.must(412, w.one, "PATCH", "/v1/accounts/ann@one.test", `{"name":"Anna"}`, "If-Match", shown.header.Get("ETag"))
	w.must(412, w.one, "PATCH", "/v1/accounts/ann@one.test", `{"name":"Anna"}`, "If-Match", "W/"+changed.header.Get("ETag"))
	w.must(422, w.one, "PATCH", "/v1/accounts/ann@one.test", `{"name":"Anna"}`, "If-Match", "no tag")
	w.must(412, w.one, "DELETE", "/v1/accounts/ann@one.test", "", "If-Match", shown.header.Get("ETag"))

	w.must(204, w.one, "PUT", "/v1/accounts/ann@one.test/password", `{"password":"another horse battery"}`)
	if _, err := w.Authenticate(t.Context(), "ann@one.test", password, directory.IMAP); err == nil {
		t.Error("the old password still works")
	}
	if p := w.must(422, w.one, "PUT", "/v1/accounts/ann@one.test/password", `{"password":"short"}`); !strings.Contains(p.str("detail"), "at least 8") {
		t.Errorf("a short password: %s", p.text)
	}

	app := w.must(201, w.one, "POST", "/v1/accounts/ann@one.test/app-passwords", `{"name":"phone","protocols":["imap"]}`)
	_, err = w.Authenticate(t.Context(), "ann@one.test", app.str("password"), directory.IMAP)
	ok(t, err)
	listed := w.must(200, w.one, "GET", "/v1/accounts/ann@one.test/app-passwords", "")
	if items, _ := listed.body["items"].([]any); len(items) != 1 || strings.Contains(listed.text, app.str("password")) {
		t.Errorf("app passwords: %s", listed.text)
	}
	w.must(204, w.one, "DELETE", app.header.Get("Location"), "")
	w.must(404, w.one, "DELETE", app.header.Get("Location"), "")

	if v := w.must(200, w.one, "PATCH", "/v1/accounts/ann@one.test", `{"suspended":true}`); v.body["suspended"] != true {
		t.Errorf("suspended: %s", v.text)
	}
	w.must(204, w.one, "DELETE", "/v1/accounts/ann@one.test", "")
	w.must(404, w.one, "GET", "/v1/accounts/ann@one.test", "")

	// As a word: three letters may stand in the id of a key.
	if regexp.MustCompile(`(?i)\bann\b`).MatchString(w.log.String()) {
		t.Errorf("the log names people:\n%s", w.log)
	}
}

func TestSettingsInherit(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test","settings":{"scram":false}}`)
	put := func(key, path, body string) answer {
		t.Helper()
		w.must(428, key, "PUT", path, body)
		tag := w.must(200, key, "GET", path, "").header.Get("ETag")
		a := w.must(200, key, "PUT", path, body, "If-Match", tag)
		if strings.Contains(body, ":") {
			w.must(412, key, "PUT", path, body, "If-Match", tag)
		}
		return a
	}
	put(w.root, "/v1/settings", `{"quota":1000}`)
	put(w.one, "/v1/tenants/one/settings", `{"quota":2000,"subaddresses":false,"openid":{"issuer":"https://id.one.test","audience":"mail"}}`)
	put(w.one, "/v1/domains/one.test/settings", `{"protocols":["imap"],"sending":{"messages_day":9}}`)
	effective := func(quota float64, scram bool) map[string]any {
		return map[string]any{"quota": quota, "messages": 0.0, "domain_quota": 0.0, "domain_messages": 0.0, "tenant_quota": 0.0,
			"tenant_messages": 0.0, "quota_warnings": true, "protocols": []any{"imap"}, "scram": scram, "subaddresses": false,
			"openid": map[string]any{"issuer": "https://id.one.test", "audience": "mail"}, "from_check": true, "sent_copy": false,
			"sending": map[string]any{"messages_day": 9.0}, "domain_sending": map[string]any{}, "tenant_sending": map[string]any{},
			"brake": map[string]any{"failures": 0.0, "of": 0.0, "burst": 0.0, "factor": 0.0}}
	}
	want := map[string]any{"own": map[string]any{"scram": false}, "effective": effective(2000, false)}
	equal(t, "the account's settings", w.must(200, w.one, "GET", "/v1/accounts/ann@one.test/settings", "").body, want)
	a := put(w.one, "/v1/accounts/ann@one.test/settings", `{"quota":0}`)
	equal(t, "effective", a.body["effective"], any(effective(0, true)))
	w.must(422, w.one, "PUT", "/v1/domains/one.test/settings", `{"protocols":["telnet"]}`, "If-Match", "*")
	w.must(422, w.one, "PUT", "/v1/domains/one.test/settings", `{"colour":"blue"}`, "If-Match", "*")
	w.must(422, w.one, "PUT", "/v1/accounts/ann@one.test/settings", `{"tenant_sending":{"messages_day":9}}`, "If-Match", "*")
	w.must(422, w.one, "PUT", "/v1/domains/one.test/settings", `{"brake":{"failures":101,"of":1,"burst":1,"factor":1}}`, "If-Match", "*")
	w.must(403, w.one, "PUT", "/v1/settings", `{"quota":1}`, "If-Match", "*")
	for _, bad := range []string{`{"issuer":"https://id.one.test"}`, `{"issuer":"ftp://id.one.test","audience":"x"}`, `{"issuer":"https://a@id.one.test","audience":"x"}`, `{"issuer":"","audience":"x"}`} {
		w.must(422, w.one, "PUT", "/v1/domains/one.test/settings", `{"openid":`+bad+`}`, "If-Match", "*")
	}
	w.must(422, w.one, "PUT", "/v1/accounts/ann@one.test/settings", `{"openid":{"issuer":"https://id.one.test","audience":"x"}}`, "If-Match", "*")
}

func TestPagesAndCursors(t *testing.T) {
	w := newWorld(t)
	var want []any
	for i := range 5 {
		addr := fmt.Sprintf("g%d@one.test", i)
		w.must(201, w.one, "POST", "/v1/groups", fmt.Sprintf(`{"address":%q,"members":["x@one.test"]}`, addr))
		want = append(want, addr)
	}
	w.must(201, w.two, "POST", "/v1/groups", `{"address":"g@two.test"}`)
	var got []any
	cursor := ""
	for range 10 {
		page := w.must(200, w.one, "GET", "/v1/groups?limit=2&cursor="+cursor, "")
		items := page.body["items"].([]any)
		for _, item := range items {
			got = append(got, item.(map[string]any)["address"])
		}
		if cursor = page.str("next"); cursor == "" {
			break
		}
	}
	equal(t, "groups", got, want)
	cursor = w.must(200, w.one, "GET", "/v1/groups?limit=2", "").str("next")
	for _, bad := range []string{"x", cursor + "A", cursor[1:], "%00"} {
		w.must(422, w.one, "GET", "/v1/groups?cursor="+bad, "")
	}
	w.must(422, w.one, "GET", "/v1/aliases?cursor="+cursor, "")
	w.must(422, w.one, "GET", "/v1/groups?domain=one.test&cursor="+cursor, "")
	w.must(422, w.one, "GET", "/v1/groups?limit=501", "")
	w.must(422, w.one, "GET", "/v1/groups?limt=5", "")
	w.must(404, w.one, "GET", "/v1/groups?tenant=two", "")
	w.must(404, w.one, "GET", "/v1/groups?domain=two.test", "")
	if all := w.must(200, w.root, "GET", "/v1/groups", ""); len(all.body["items"].([]any)) != 6 {
		t.Errorf("all groups: %s", all.text)
	}
	if some := w.must(200, w.root, "GET", "/v1/groups?tenant=two", ""); len(some.body["items"].([]any)) != 1 {
		t.Errorf("tenant two's groups: %s", some.text)
	}
}

func TestIdempotency(t *testing.T) {
	w := newWorld(t)
	const path, body = "/v1/accounts", `{"address":"ann@one.test"}`
	first := w.must(201, w.one, "POST", path, body, "Idempotency-Key", "k1")
	again := w.must(201, w.one, "POST", path, body, "Idempotency-Key", "k1")
	equal(t, "the answer again", again.text, first.text)
	equal(t, "its version", again.header.Get("ETag"), first.header.Get("ETag"))
	equal(t, "its place", again.header.Get("Location"), first.header.Get("Location"))
	w.must(422, w.one, "POST", path, `{"address":"bob@one.test"}`, "Idempotency-Key", "k1")
	w.must(422, w.one, "POST", "/v1/groups", body, "Idempotency-Key", "k1")
	w.must(409, w.one, "POST", path, body, "Idempotency-Key", "k2")
	w.must(404, w.two, "POST", path, body, "Idempotency-Key", "k1") // another's key is another's
	w.must(422, w.one, "POST", path, body, "Idempotency-Key", strings.Repeat("k", 201))
	kept, err := w.Records.List(t.Context(), "api/idempotency", "", "", 10)
	ok(t, err)
	for _, r := range kept {
		if strings.Contains(string(r.Value), first.str("password")) {
			t.Error("a secret is kept in clear")
		}
	}
	w.Clock.Advance(25 * time.Hour)
	w.must(409, w.one, "POST", path, body, "Idempotency-Key", "k1")
}

func TestTwoAttemptsAtOnceAreDoneOnce(t *testing.T) {
	w := newWorld(t)
	const n = 8
	statuses := make(chan int, n)
	for range n {
		go func() {
			statuses <- w.do(w.root, "POST", "/v1/keys", `{"name":"many"}`, "Idempotency-Key", "same").status
		}()
	}
	for range n {
		if s := <-statuses; s != 201 && s != 409 {
			t.Errorf("status %d", s)
		}
	}
	w.must(201, w.root, "POST", "/v1/keys", `{"name":"many"}`, "Idempotency-Key", "same")
	list := w.must(200, w.root, "GET", "/v1/keys", "")
	if items := list.body["items"].([]any); len(items) != 2 {
		t.Errorf("%d keys, want the first and one more", len(items))
	}
}

func TestWhoHasNoKeyIsToldNothing(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/v1/tenants", "/v1/accounts/ann@one.test", "/nowhere"} {
		if a := w.must(401, "", "GET", path, ""); !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: no challenge", path)
		}
		w.must(401, w.one[:len(w.one)-1], "GET", path, "")
	}
	throttled := false
	for range 30 {
		a := w.do("gw1.-.aaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "GET", "/v1/tenants", "")
		throttled = throttled || a.status == 429 && a.header.Get("Retry-After") != ""
	}
	if !throttled {
		t.Error("wrong keys are never throttled")
	}
	w.must(200, w.one, "GET", "/v1/tenants", "") // a right one is taken all the same
	w.Clock.Advance(time.Minute)
	w.must(401, "gw1", "GET", "/v1/tenants", "")
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	w.must(404, w.one, "GET", "/v1/nothing", "")
	if a := w.must(405, w.one, "PUT", "/v1/tenants", ""); a.header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	w.must(413, w.one, "POST", "/v1/groups", `{"address":"`+strings.Repeat("x", 600<<10)+`"}`)
	w.must(400, w.one, "POST", "/v1/groups", `{`)
	w.must(422, w.one, "POST", "/v1/groups", `{}`)
	w.must(422, w.one, "POST", "/v1/groups", `{"address":"no address"}`)
	w.must(422, w.one, "POST", "/v1/groups", `{"address":"g@one.test","members":["a@two.test"]}`)
	w.must(422, w.root, "POST", "/v1/tenants", `{"name":"No_Tenant"}`)
	w.must(422, w.root, "POST", "/v1/domains", `{"name":"new.test"}`)
	w.must(409, w.root, "DELETE", "/v1/tenants/one", "")
}

func TestTheQueue(t *testing.T) {
	w := newWorld(t)
	for id, tenant := range map[string]string{"j1": "one", "j2": "one", "j3": "two"} {
		w.spool.jobs[id] = api.Job{ID: id, Tenant: tenant, Recipients: []string{"x@" + tenant + ".test"}}
	}
	page := w.must(200, w.one, "GET", "/v1/queue?limit=1", "")
	page = w.must(200, w.one, "GET", "/v1/queue?cursor="+page.str("next"), "")
	if items := page.body["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != "j2" {
		t.Errorf("second page: %s", page.text)
	}
	w.must(404, w.one, "GET", "/v1/queue/j3", "")
	w.must(404, w.one, "POST", "/v1/queue/j3/retry", "")
	w.must(404, w.one, "DELETE", "/v1/queue/j3", "")
	w.must(204, w.one, "POST", "/v1/queue/j1/retry", "")
	w.must(204, w.root, "DELETE", "/v1/queue/j3", "")
	equal(t, "tried again", w.spool.retried, []string{"j1"})
	narrow := w.must(201, w.one, "POST", "/v1/keys", `{"domain":"one.test"}`).str("secret")
	w.must(403, narrow, "GET", "/v1/queue", "")
	w.must(403, narrow, "GET", "/v1/queue/j2", "")
}

func TestADomainKeySeesItsDomainOnly(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.root, "POST", "/v1/domains", `{"name":"also.test","tenant":"one"}`)
	w.must(201, w.one, "POST", "/v1/groups", `{"address":"g@one.test"}`)
	key := w.must(201, w.one, "POST", "/v1/keys", `{"domain":"also.test"}`).str("secret")
	w.must(201, key, "POST", "/v1/groups", `{"address":"g@also.test"}`)
	w.must(404, key, "GET", "/v1/groups/g@one.test", "")
	w.must(404, key, "GET", "/v1/domains/one.test", "")
	w.must(403, key, "POST", "/v1/keys", `{}`)
	w.must(403, key, "DELETE", "/v1/domains/also.test", "")
	if l := w.must(200, key, "GET", "/v1/groups", ""); len(l.body["items"].([]any)) != 1 {
		t.Errorf("groups: %s", l.text)
	}
	if l := w.must(200, key, "GET", "/v1/domains", ""); len(l.body["items"].([]any)) != 1 {
		t.Errorf("domains: %s", l.text)
	}
}

func TestTheProofOfADomain(t *testing.T) {
	w := newWorld(t)
	made := w.must(201, w.one, "POST", "/v1/domains", `{"name":"new.test"}`)
	proof, _ := made.body["proof"].(map[string]any)
	if made.body["active"] != false || proof == nil {
		t.Fatalf("made: %s", made.text)
	}
	w.must(409, w.one, "POST", "/v1/domains/new.test/verify", "")
	w.TXT[proof["name"].(string)] = []string{proof["value"].(string)}
	if v := w.must(200, w.one, "POST", "/v1/domains/new.test/verify", ""); v.body["active"] != true || v.body["proof"] != nil {
		t.Errorf("verified: %s", v.text)
	}
	w.must(200, w.one, "PATCH", "/v1/domains/new.test", `{"catch_all":"all@one.test"}`)
	w.must(422, w.one, "PATCH", "/v1/domains/new.test", `{"catch_all":"all@two.test"}`)
	w.must(http.StatusNoContent, w.one, "DELETE", "/v1/domains/new.test", "")
}
