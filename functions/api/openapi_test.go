package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/godwit-mail/godwit/functions/api"
)

type schemaOf = map[string]any

// document fetches the API's document.
func document(w *world) schemaOf {
	w.t.Helper()
	return w.must(200, "", "GET", "/openapi.json", "").body
}

func TestTheDocumentIsSound(t *testing.T) {
	w := newWorld(t)
	doc := document(w)
	if doc["openapi"] != "3.1.0" || doc["info"].(schemaOf)["title"] == "" {
		t.Errorf("openapi %v, info %v", doc["openapi"], doc["info"])
	}
	refs := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				refs++
				var target any = doc
				for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
					o, _ := target.(map[string]any)
					target = o[part]
				}
				if target == nil {
					t.Errorf("%s: %s leads nowhere", at, ref)
				}
			}
			for k, inner := range v {
				walk(at+"/"+k, inner)
			}
		case []any:
			for i, inner := range v {
				walk(fmt.Sprint(at, "/", i), inner)
			}
		}
	}
	walk("#", doc)
	if refs == 0 {
		t.Error("no references were checked")
	}
	ids := map[string]bool{}
	for path, item := range doc["paths"].(schemaOf) {
		if !strings.HasPrefix(path, "/v1/") {
			t.Errorf("%s is not below /v1", path)
		}
		for method, o := range item.(schemaOf) {
			op := o.(schemaOf)
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] || op["summary"] == "" {
				t.Errorf("%s %s: id %q", method, path, id)
			}
			ids[id] = true
			declared := map[string]bool{}
			parameters, _ := op["parameters"].([]any)
			for _, p := range parameters {
				if p := p.(schemaOf); p["in"] == "path" {
					declared[p["name"].(string)] = true
				}
			}
			for _, name := range placeholders(path) {
				if !declared[name] {
					t.Errorf("%s %s doesn't declare {%s}", method, path, name)
				}
				delete(declared, name)
			}
			if len(declared) > 0 {
				t.Errorf("%s %s declares %v", method, path, declared)
			}
			responses := op["responses"].(schemaOf)
			if len(responses) < 2 || responses["default"] == nil {
				t.Errorf("%s %s has responses %v", method, path, slices.Collect(maps.Keys(responses)))
			}
			if method == "post" && !strings.Contains(fmt.Sprint(parameters), "Idempotency-Key") {
				t.Errorf("%s %s: no Idempotency-Key", method, path)
			}
		}
	}
	var same schemaOf
	y := w.raw("/openapi.yaml")
	ok(t, yaml.Unmarshal([]byte(y), &same))
	if len(same["paths"].(schemaOf)) != len(doc["paths"].(schemaOf)) {
		t.Error("the YAML document has other paths")
	}
	for _, docs := range []string{"/docs", "/schemas/Account.json"} {
		w.must(401, "", "GET", docs, "")
	}
}

func placeholders(path string) (names []string) {
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// sample makes a value that a schema allows. Addresses and names are chosen by property.
func sample(doc, schema schemaOf, property string, names map[string]string) any {
	if ref, ok := schema["$ref"].(string); ok {
		schema = doc["components"].(schemaOf)["schemas"].(schemaOf)[ref[strings.LastIndexByte(ref, '/')+1:]].(schemaOf)
	}
	kind, _ := schema["type"].(string)
	if list, ok := schema["type"].([]any); ok {
		kind = list[0].(string)
	}
	switch kind {
	case "object":
		o := schemaOf{}
		properties, _ := schema["properties"].(schemaOf)
		for name, s := range properties {
			if name != "$schema" {
				o[name] = sample(doc, s.(schemaOf), name, names)
			}
		}
		return o
	case "array":
		return []any{sample(doc, schema["items"].(schemaOf), property, names)}
	case "boolean":
		return true
	case "integer":
		return 1
	}
	if schema["format"] == "date-time" {
		return "2030-01-01T00:00:00Z"
	}
	if enum, ok := schema["enum"].([]any); ok {
		return enum[0]
	}
	if v, ok := names[property]; ok {
		return v
	}
	return "some text"
}

// Each endpoint of the document is asked, with another tenant's key, for what belongs to
// tenant one, and then for what does not exist at all: the answers are the same.
func TestAForeignKeyCantTellWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"there@one.test"}`)
	w.must(201, w.one, "POST", "/v1/aliases", `{"address":"alias@one.test","target":"there@one.test"}`)
	w.must(201, w.one, "POST", "/v1/groups", `{"address":"group@one.test"}`)
	app := w.must(201, w.one, "POST", "/v1/accounts/there@one.test/app-passwords", `{}`)
	key := w.must(201, w.one, "POST", "/v1/keys", `{}`)
	route := w.must(200, w.root, "PUT", "/v1/routes", `{"tenant":"one","way":"direct"}`)
	w.spool.jobs["one.job"] = api.Job{ID: "one.job", Tenant: "one"}
	w.store("there@one.test", 100)
	boxes := w.must(200, w.one, "GET", "/v1/accounts/there@one.test/mailboxes", "").body["items"].([]any)
	inbox := boxes[slices.IndexFunc(boxes, func(b any) bool { return b.(schemaOf)["name"] == "INBOX" })].(schemaOf)["id"].(string)
	narrow := w.must(201, w.two, "POST", "/v1/keys", `{"domain":"two.test"}`).str("secret")

	there := func(path, placeholder string) string {
		switch placeholder {
		case "tenant":
			return "one"
		case "domain":
			return "one.test"
		case "address":
			for prefix, addr := range map[string]string{"/v1/aliases": "alias@one.test", "/v1/groups": "group@one.test", "/v1/accounts": "there@one.test"} {
				if strings.HasPrefix(path, prefix) {
					return addr
				}
			}
		case "id":
			switch {
			case strings.HasPrefix(path, "/v1/keys"):
				return key.str("id")
			case strings.HasPrefix(path, "/v1/queue"):
				return "one.job"
			case strings.HasPrefix(path, "/v1/routes"):
				return route.str("id")
			default:
				return app.str("id")
			}
		case "mailbox":
			return inbox
		case "uid":
			return "1"
		}
		t.Fatalf("%s: what is {%s}?", path, placeholder)
		return ""
	}
	absent := map[string]string{"mailbox": "baaaaaaaaaaaaaaaa", "uid": "9", "tenant": "gone", "domain": "gone.test", "address": "gone@gone.test", "id": "gone.aaaaaaaaaaaaaaaa"}
	doc := document(w)
	asked := 0
	for path, item := range doc["paths"].(schemaOf) {
		for method, o := range item.(schemaOf) {
			op := o.(schemaOf)
			method = strings.ToUpper(method)
			bodies := func(names map[string]string) string {
				content, _ := op["requestBody"].(schemaOf)
				if content == nil {
					return ""
				}
				if content["content"].(schemaOf)["application/json"] == nil {
					return "no JSON"
				}
				b, err := json.Marshal(sample(doc, content["content"].(schemaOf)["application/json"].(schemaOf)["schema"].(schemaOf), "", names))
				ok(t, err)
				return string(b)
			}
			mine, none := path, path
			for _, name := range placeholders(path) {
				mine = strings.Replace(mine, "{"+name+"}", there(path, name), 1)
				none = strings.Replace(none, "{"+name+"}", absent[name], 1)
			}
			foreign := bodies(map[string]string{"tenant": "one", "domain": "one.test", "address": "new@one.test", "target": "there@one.test", "members": "there@one.test",
				"postmaster": "there@one.test", "catch_all": "there@one.test", "name": "one.test", "protocols": "imap"})
			nothing := bodies(map[string]string{"tenant": "gone", "domain": "gone.test", "address": "new@gone.test", "target": "gone@gone.test", "members": "gone@gone.test",
				"postmaster": "gone@gone.test", "catch_all": "gone@gone.test", "name": "gone.test", "protocols": "imap"})
			for _, query := range []string{"", "tenant", "domain"} {
				parameters, _ := op["parameters"].([]any)
				if query != "" && (!strings.Contains(fmt.Sprint(parameters), "name:"+query) || strings.Contains(path, "{"+query+"}")) {
					continue
				}
				if query == "" && len(placeholders(path)) == 0 && (method == "GET" || method == "PUT" || path == "/v1/tenants") {
					continue // it names nothing of anybody
				}
				mine, none := mine, none
				if query != "" {
					mine, none = mine+"?"+query+"="+there(path, query), none+"?"+query+"="+absent[query]
				}
				if strings.Contains(fmt.Sprint(parameters), "name:seen") {
					mine, none = mine+"?seen=1", none+"?seen=1"
				}
				for _, k := range []string{w.two, narrow} {
					asked++
					a := w.do(k, method, mine, foreign, "If-Match", "*")
					b := w.do(k, method, none, nothing, "If-Match", "*")
					if a.status != b.status || a.text != b.text || a.status < 400 {
						t.Errorf("%s %s\n%d %s\nand of what isn't there\n%d %s", method, mine, a.status, a.text, b.status, b.text)
					}
					if a.status != 404 && (k == w.two || len(placeholders(path)) > 0) {
						t.Errorf("%s %s: %d, want 404: %s", method, mine, a.status, a.text)
					}
				}
			}
		}
	}
	if asked < 60 {
		t.Errorf("only %d questions were asked", asked)
	}
	w.must(200, w.one, "GET", "/v1/accounts/there@one.test", "")
	w.must(200, w.one, "GET", "/v1/domains/one.test", "")
}
