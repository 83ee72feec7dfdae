package api_test

import "testing"

func TestMailboxesAreSharedWithinATenant(t *testing.T) {
	w := newWorld(t)
	for _, address := range []string{"ann@one.test", "bob@one.test"} {
		w.must(201, w.one, "POST", "/v1/accounts", `{"address":"`+address+`","password":"long enough"}`)
	}
	w.must(201, w.two, "POST", "/v1/accounts", `{"address":"eve@two.test","password":"long enough"}`)
	w.must(201, w.one, "POST", "/v1/groups", `{"address":"team@one.test","members":["bob@one.test"]}`)
	const shares = ann + "/shares"
	put := func(status int, body string) answer {
		t.Helper()
		return w.must(status, w.one, "PUT", shares, body)
	}
	if got := put(200, `{"mailbox":"INBOX","with":"bob@one.test","rights":"srl"}`); got.str("rights") != "lrs" || got.str("with") != "bob@one.test" {
		t.Errorf("shared: %s", got.text)
	}
	put(200, `{"mailbox":"INBOX","with":"-team@one.test","rights":"s"}`)
	if got := put(200, `{"mailbox":"INBOX","with":"anyone","rights":"l","shared_seen":true}`); got.body["shared_seen"] != true {
		t.Errorf("shared: %s", got.text)
	}
	list, _ := w.must(200, w.one, "GET", shares, "").body["items"].([]any)
	if len(list) != 3 {
		t.Errorf("%v is shared", list)
	}
	for _, body := range []string{
		`{"mailbox":"INBOX","with":"bob@one.test","rights":"q"}`, `{"mailbox":"INBOX","with":"eve@two.test","rights":"l"}`,
		`{"mailbox":"INBOX","with":"nobody@one.test","rights":"l"}`, `{"mailbox":"INBOX","with":"ann@one.test","rights":"l"}`,
	} {
		put(422, body)
	}
	put(404, `{"mailbox":"Nowhere","with":"anyone","rights":"l"}`)
	put(200, `{"mailbox":"INBOX","with":"bob@one.test","rights":""}`)
	w.must(204, w.one, "DELETE", "/v1/groups/team@one.test", "")
	put(200, `{"mailbox":"INBOX","with":"-team@one.test","rights":""}`) // also of a group that is no more
	if list, _ := w.must(200, w.one, "GET", shares, "").body["items"].([]any); len(list) != 1 {
		t.Errorf("%v is shared", list)
	}
	w.must(404, w.two, "GET", shares, "")
	w.must(404, w.two, "PUT", shares, `{"mailbox":"INBOX","with":"anyone","rights":"l"}`)
}

func TestAPublicAccountHasNoLogin(t *testing.T) {
	w := newWorld(t)
	const info = "/v1/accounts/info@one.test"
	made := w.must(201, w.one, "POST", "/v1/accounts", `{"address":"info@one.test","public":true,"anyone":"lrp"}`)
	if made.body["public"] != true || made.str("password") != "" {
		t.Errorf("made %s", made.text)
	}
	w.must(403, w.one, "PUT", info+"/password", `{"password":"long enough"}`)
	w.must(403, w.one, "POST", info+"/app-passwords", `{"name":"x"}`)
	w.must(422, w.one, "POST", "/v1/accounts", `{"address":"x@one.test","public":true,"password":"long enough"}`)
	w.must(422, w.one, "POST", "/v1/accounts", `{"address":"x@one.test","anyone":"l"}`)
	list, _ := w.must(200, w.one, "GET", info+"/shares", "").body["items"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["rights"] != "lrp" {
		t.Errorf("%v is shared", list)
	}
}
