package api_test

import (
	"strings"
	"testing"
)

func TestARouteIsSetShownAndRemoved(t *testing.T) {
	w := newWorld(t)
	set := w.must(200, w.root, "PUT", "/v1/routes", `{"tenant":"one","to":"*.Example.NET","way":"smarthost","smarthost":"Relay.test:587","username":"us","password":"s3cret","rate":60}`)
	for _, a := range []answer{set, w.must(200, w.one, "GET", "/v1/routes/"+set.str("id"), ""), w.must(200, w.one, "GET", "/v1/routes", "")} {
		if strings.Contains(a.text, "s3cret") || !strings.Contains(a.text, `"has_password":true`) || !strings.Contains(a.text, `"smarthost":"relay.test:587","tls":"verified"`) {
			t.Errorf("it is shown as %s", a.text)
		}
	}
	if strings.Contains(w.log.String(), "s3cret") {
		t.Error("the password is in the log")
	}
	if a := w.must(422, w.root, "PUT", "/v1/routes", `{"way":"ses"}`); !strings.Contains(a.str("detail"), "SES takes no null sender") {
		t.Error(a.text)
	}
	w.must(403, w.one, "PUT", "/v1/routes", `{"tenant":"one","way":"direct"}`)
	w.must(404, w.two, "PUT", "/v1/routes", `{"tenant":"one","way":"direct"}`)
	w.must(200, w.root, "PUT", "/v1/routes", `{"way":"direct"}`)
	if n := len(w.must(200, w.root, "GET", "/v1/routes", "").body["items"].([]any)); n != 2 {
		t.Errorf("%d routes", n)
	}
	if n := len(w.must(200, w.two, "GET", "/v1/routes", "").body["items"].([]any)); n != 0 {
		t.Errorf("another tenant sees %d", n)
	}
	w.must(204, w.root, "DELETE", "/v1/routes/"+set.str("id"), "")
	w.must(404, w.root, "GET", "/v1/routes/"+set.str("id"), "")
}
