package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/settings"
)

// gateway is an API gateway with functions behind it, each of which knows only what is in
// the stores, as two environments of a Lambda do.
type gateway struct {
	t         *testing.T
	functions []lambda.Handler
	key       string
	remote    string
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	w := portstest.New(t)
	w.Clock.Advance(time.Since(w.Clock.Now())) // the functions have the machine's clock
	log := slog.New(slog.DiscardHandler)
	g := &gateway{t: t, remote: "192.0.2.1"}
	st, _, err := settings.Load(settings.Gateway, "", nil, map[string]string{"aws-bucket": "b", "outbound-way": "direct", "hostname": "mail.one.test"})
	ok(t, err)
	for range 2 {
		g.functions = append(g.functions, lambda.NewHandler(lambdaio.Proxy(handler(w.Set, st, log), log)))
	}
	accounts := account.New(account.Config{Journal: w.Journal})
	dir := directory.New(directory.Config{Records: w.Records, Accounts: directory.Journals(accounts), Now: time.Now, Log: log})
	service := directory.ServiceScope("setup")
	_, g.key, err = dir.CreateMailKey(t.Context(), service, "", "", "first")
	ok(t, err)
	_, err = dir.CreateTenant(t.Context(), service, "one")
	ok(t, err)
	_, err = dir.CreateDomain(t.Context(), service, "one", "one.test")
	ok(t, err)
	return g
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do sends a request to one of the functions; headers are pairs. Its answer must have
// the status.
func (g *gateway) do(function, status int, method, target, body string, headers ...string) (http.Header, map[string]any) {
	g.t.Helper()
	out := g.ask(function, status, method, target, body, headers...)
	var object map[string]any
	if strings.HasPrefix(out.Body, "{") {
		ok(g.t, json.Unmarshal([]byte(out.Body), &object))
	}
	return out.MultiValueHeaders, object
}

// octets gets what is no text.
func (g *gateway) octets(status int, path, span string) string {
	g.t.Helper()
	out := g.ask(1, status, "GET", path, "", "range", span, "accept", "message/rfc822")
	if !out.IsBase64Encoded {
		g.t.Errorf("%s %s comes as text", path, span)
	}
	b, err := base64.StdEncoding.DecodeString(out.Body)
	ok(g.t, err)
	return string(b)
}

// ask is do, of which the whole answer is given.
func (g *gateway) ask(function, status int, method, target, body string, headers ...string) events.APIGatewayProxyResponse {
	g.t.Helper()
	path, query, _ := strings.Cut(target, "?")
	values, err := url.ParseQuery(query)
	ok(g.t, err)
	e := events.APIGatewayProxyRequest{Resource: "/{proxy+}", Path: path, HTTPMethod: method, MultiValueQueryStringParameters: values,
		MultiValueHeaders: map[string][]string{"host": {"abc.execute-api.us-east-1.amazonaws.com"}, "content-type": {"application/json"}},
		PathParameters:    map[string]string{"proxy": path[1:]}, Body: body}
	if !utf8.ValidString(body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
	}
	if g.key != "" {
		e.MultiValueHeaders["authorization"] = []string{"Bearer " + g.key}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		e.MultiValueHeaders[headers[i]] = []string{headers[i+1]}
	}
	e.RequestContext.Path, e.RequestContext.Stage, e.RequestContext.Identity.SourceIP = "/prod"+path, "prod", g.remote
	payload, err := json.Marshal(e)
	ok(g.t, err)
	b, err := g.functions[function].Invoke(g.t.Context(), payload)
	ok(g.t, err)
	var out events.APIGatewayProxyResponse
	ok(g.t, json.Unmarshal(b, &out))
	if out.StatusCode != status {
		g.t.Fatalf("%s %s: %d, want %d: %s", method, target, out.StatusCode, status, out.Body)
	}
	return out
}

func TestAnAccountsLifeBehindAGateway(t *testing.T) {
	g := newGateway(t)
	made, _ := g.do(0, 201, "POST", "/v1/accounts", `{"address":"ann+%@one.test"}`)
	if at := made.Get("Location"); at != "/prod/v1/accounts/ann+%25@one.test" {
		t.Errorf("it is at %s", at)
	}
	for name, path := range map[string]string{"Änne": "/v1/accounts/ann+%25@one.test", "Anne": "/v1/accounts/ann%2B%25%40one.test"} {
		shown, body := g.do(1, 200, "GET", path, "")
		if body["address"] != "ann+%@one.test" {
			t.Errorf("%s is %v", path, body)
		}
		g.do(1, 200, "PATCH", path, `{"name":"`+name+`"}`, "if-match", shown.Get("Etag"))
		g.do(0, 412, "PATCH", path, `{"name":"Anna"}`, "if-match", shown.Get("Etag"))
	}
	if _, body := g.do(0, 200, "GET", "/v1/accounts?domain=one.test&limit=5", ""); len(body["items"].([]any)) != 1 {
		t.Errorf("the accounts are %v", body)
	}
	g.do(0, 404, "GET", "/v1/accounts/bob@one.test", "")
	g.do(0, 404, "GET", "/v1/nothing", "")
	g.do(0, 405, "PUT", "/v1/accounts", "{}")
	g.do(0, 200, "GET", "/v1/queue", "")
	g.do(0, 400, "POST", "/v1/accounts", "{\"address\":\"\xff\xfe")
	g.do(0, 413, "POST", "/v1/accounts", `{"address":"`+strings.Repeat("x", 600_000)+`"}`)
	g.do(0, 204, "DELETE", "/v1/accounts/ann+%25@one.test", "")
	g.do(1, 404, "GET", "/v1/accounts/ann+%25@one.test", "")
}

func TestWhatIsSentAgainToAnotherFunctionIsDoneOnce(t *testing.T) {
	g := newGateway(t)
	_, first := g.do(0, 201, "POST", "/v1/accounts", `{"address":"ann@one.test"}`, "idempotency-key", "k1")
	h, again := g.do(1, 201, "POST", "/v1/accounts", `{"address":"ann@one.test"}`, "idempotency-key", "k1")
	if h.Get("Idempotent-Replayed") != "true" || h.Get("Location") != "/prod/v1/accounts/ann@one.test" || fmt.Sprint(first) != fmt.Sprint(again) {
		t.Errorf("%v: %v, then %v", h, first, again)
	}
}

func TestWithoutAKeyThereIsNothingButHealth(t *testing.T) {
	g := newGateway(t)
	g.key = ""
	g.do(0, 200, "GET", "/healthz", "")
	g.do(0, 200, "GET", "/openapi.json", "")
	g.do(0, 401, "GET", "/v1/accounts", "")
	// Wrong keys are counted by the client's address, not the gateway's.
	g.key = "gw_wrong"
	for range 20 {
		g.do(0, 401, "GET", "/v1/accounts", "")
	}
	g.do(0, 429, "GET", "/v1/accounts", "")
	g.remote = "198.51.100.1"
	g.do(0, 401, "GET", "/v1/accounts", "")
}

// What is no text goes through the gateway as it is.
func TestMailMovesThroughAGateway(t *testing.T) {
	g := newGateway(t)
	g.do(0, 201, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	_, begun := g.do(0, 200, "POST", "/v1/accounts/ann@one.test/imports", "")
	octets := "Subject: \xe4\xff\r\n\r\n" + strings.Repeat("\x00\xfe\x80 and more\r\n", 200_000)
	line := fmt.Sprintf(`{"name":"AAECAwQFBgcICQoL","mailbox":"INBOX","date":"2020-01-02T03:04:05Z","size":%d}`+"\n", len(octets))
	_, added := g.do(1, 200, "POST", fmt.Sprintf("/v1/accounts/ann@one.test/messages?seen=%v", begun["seen"]), line+octets, "content-type", "application/vnd.godwit.messages")
	if got := fmt.Sprint(added["messages"]); got != "[map[name:AAECAwQFBgcICQoL state:imported]]" {
		t.Errorf("added: %v", got)
	}
	_, boxes := g.do(0, 200, "GET", "/v1/accounts/ann@one.test/mailboxes", "")
	for _, b := range boxes["items"].([]any) {
		if b := b.(map[string]any); b["name"] == "INBOX" {
			path := fmt.Sprintf("/v1/accounts/ann@one.test/mailboxes/%v/messages/1", b["id"])
			if got := g.octets(206, path, "bytes=0-2999999"); got != octets[:min(len(octets), 3_000_000)] {
				t.Errorf("%d octets came, and they are not the first", len(got))
			}
			if got := g.octets(200, path, ""); got != octets {
				t.Errorf("%d octets came of %d", len(got), len(octets))
			}
		}
	}
}
