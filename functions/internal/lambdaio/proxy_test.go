package lambdaio_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio"
)

// proxied has a handler answer an event.
func proxied(t testing.TB, h http.HandlerFunc, payload string) events.APIGatewayProxyResponse {
	t.Helper()
	b, err := lambda.NewHandler(lambdaio.Proxy(h, newLog())).Invoke(t.Context(), []byte(payload))
	ok(t, err)
	var out events.APIGatewayProxyResponse
	ok(t, json.Unmarshal(b, &out))
	return out
}

// The paths are those that a REST gateway gives: as the client sent them, without the
// stage, with the base path of a domain of its own; its parameter may be decoded or not.
func TestAPathArrivesAsItWasSentWithoutWhatStoodBeforeIt(t *testing.T) {
	for _, c := range []struct{ resource, proxy, path, whole, want, location string }{
		{"/{proxy+}", "v1/accounts/a+b%c@x.test", "/v1/accounts/a%2Bb%25c%40x.test", "/prod/v1/accounts/a%2Bb%25c%40x.test", "/v1/accounts/a+b%c@x.test", "/prod/made"},
		{"/{proxy+}", "v1/accounts/a+b@x.test", "/v1/accounts/a+b@x.test", "/prod/v1/accounts/a+b@x.test", "/v1/accounts/a+b@x.test", "/prod/made"},
		{"/{proxy+}", "v1/accounts/a%40x.test", "/v1/accounts/a%40x.test", "/v1/v1/accounts/a%40x.test", "/v1/accounts/a@x.test", "/v1/made"},
		{"/{proxy+}", "v1/accounts/a@x.test", "/mail/api/v1/accounts/a%40x.test", "/mail/api/v1/accounts/a%40x.test", "/v1/accounts/a@x.test", "/mail/api/made"},
		{"/{proxy+}", "v1/a%2Fb", "/mail/v1/a%2Fb", "/mail/v1/a%2Fb", "/v1/a|b", "/mail/made"},
		{"/v1/{proxy+}", "accounts", "/mail/v1/accounts", "/mail/v1/accounts", "/v1/accounts", "/mail/made"},
		{"/v1/queue/{id}/retry", "", "/v1/queue/7/retry", "/prod/v1/queue/7/retry", "/v1/queue/7/retry", "/prod/made"},
		{"/healthz", "", "/healthz", "/prod/healthz", "/healthz", "/prod/made"},
		{"/", "", "/", "/prod/", "/", "/prod/made"},
		{"", "", "healthz%", "", "/healthz%", "/made"},
	} {
		e, err := json.Marshal(map[string]any{"resource": c.resource, "httpMethod": "GET", "path": c.path,
			"pathParameters": map[string]string{"proxy": c.proxy}, "requestContext": map[string]any{"path": c.whole, "stage": "prod"}})
		ok(t, err)
		var got string
		out := proxied(t, func(w http.ResponseWriter, r *http.Request) {
			var segments []string // as a mux tells them apart
			for _, s := range strings.Split(r.URL.EscapedPath(), "/") {
				u := strings.ReplaceAll(strings.ReplaceAll(s, "%2F", "|"), "%40", "@")
				segments = append(segments, strings.ReplaceAll(strings.ReplaceAll(u, "%2B", "+"), "%25", "%"))
			}
			got = strings.Join(segments, "/")
			w.Header().Set("Location", "/made")
		}, string(e))
		if got != c.want || fmt.Sprint(out.MultiValueHeaders["Location"]) != "["+c.location+"]" {
			t.Errorf("%s: the path is %s, want %s; Location %v, want %s", c.path, got, c.want, out.MultiValueHeaders["Location"], c.location)
		}
	}
}

func TestARequestIsWhole(t *testing.T) {
	out := proxied(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		ok(t, err)
		for what, pair := range map[string][2]string{
			"method": {r.Method, "PATCH"}, "body": {string(body), "\xff\x00"}, "length": {fmt.Sprint(r.ContentLength), "2"}, "host": {r.Host, "api.test"},
			"remote": {r.RemoteAddr, "[2001:db8::7]:0"}, "if-match": {r.Header.Get("if-match"), `"7"`}, "several": {fmt.Sprint(r.Header["X-Several"]), "[1 2]"},
			"query": {fmt.Sprint(r.URL.Query()["domain"]), "[a&b=c x y+z]"}, "host's header": {r.Header.Get("Host"), ""}, "uri": {r.RequestURI, r.URL.RequestURI()},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s is %q, want %q", what, pair[0], pair[1])
			}
		}
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "héllo")
	}, `{"resource":"/{proxy+}","path":"/v1/x","httpMethod":"PATCH","headers":{"If-Match":"last"},
		"multiValueHeaders":{"if-match":["\"7\""],"x-several":["1","2"],"host":["api.test"]},"queryStringParameters":{"domain":"last"},
		"multiValueQueryStringParameters":{"domain":["a&b=c","x y+z"]},"pathParameters":{"proxy":"v1/x"},
		"requestContext":{"identity":{"sourceIp":"2001:db8::7"},"path":"/prod/v1/x"},"body":"/wA=","isBase64Encoded":true}`)
	if out.StatusCode != http.StatusTeapot || out.Body != "héllo" || out.IsBase64Encoded || fmt.Sprint(out.MultiValueHeaders["Set-Cookie"]) != "[a=1 b=2]" ||
		fmt.Sprint(out.MultiValueHeaders["Content-Type"]) != "[text/plain; charset=utf-8]" {
		t.Errorf("answered %+v", out)
	}
}

// An event that was made by hand, as a console's test is, has single values only.
func TestSingleValuesDo(t *testing.T) {
	proxied(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-One") != "1" || r.URL.Query().Get("limit") != "5" {
			t.Errorf("got %v, %v", r.Header, r.URL)
		}
	}, `{"path":"/x","httpMethod":"GET","headers":{"X-One":"1"},"queryStringParameters":{"limit":"5"}}`)
}

func TestAnswersOfAllKinds(t *testing.T) {
	const get = `{"path":"/x","httpMethod":"GET"}`
	for what, c := range map[string]struct {
		handler http.HandlerFunc
		event   string
		status  int
		body    string
	}{
		"nothing":      {func(http.ResponseWriter, *http.Request) {}, get, 200, ""},
		"binary":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0}) }, get, 200, "\xff\x00"},
		"a panic":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("half")); panic("a defect") }, get, 500, "Internal Server Error\n"},
		"too large":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 4_000_001)) }, get, 500, "the answer is too large: a list takes a smaller limit\n"},
		"HEAD":         {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("x")) }, `{"path":"/","httpMethod":"HEAD"}`, 200, ""},
		"a bad body":   {func(http.ResponseWriter, *http.Request) { t.Error("was called") }, `{"path":"/","httpMethod":"POST","body":"*","isBase64Encoded":true}`, 400, "the request could not be read\n"},
		"informations": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, get, 204, ""},
	} {
		out := proxied(t, c.handler, c.event)
		body := out.Body
		if out.IsBase64Encoded {
			b, err := base64.StdEncoding.DecodeString(body)
			ok(t, err)
			body = string(b)
		}
		if out.StatusCode != c.status || body != c.body {
			t.Errorf("%s: %d %q", what, out.StatusCode, body)
		}
	}
}

func TestARequestEndsBeforeItsFunctionIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		out, err := lambdaio.Proxy(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusServiceUnavailable)
		}), newLog())(ctx, events.APIGatewayProxyRequest{Path: "/", HTTPMethod: "GET"})
		if err != nil || out.StatusCode != 503 || time.Since(began) != 9*time.Second {
			t.Errorf("%+v, %v after %v", out, err, time.Since(began))
		}
	})
}

// FuzzProxy: any event is a request that a mux can serve, and an answer that the gateway
// can take.
func FuzzProxy(f *testing.F) {
	for _, s := range []string{`{"resource":"/{proxy+}","path":"/mail/v1/a%40b","httpMethod":"GET","pathParameters":{"proxy":"v1/a@b"},"requestContext":{"path":"/mail/v1/a%40b"}}`,
		`{"path":"/v1/%zz?x#y","httpMethod":"POST","body":"AA==","isBase64Encoded":true,"multiValueQueryStringParameters":{"a":["%","&"]}}`,
		`{"path":"//x/../y","httpMethod":"get","multiValueHeaders":{"host":["h"],"":[""]}}`, `{}`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		mux := http.NewServeMux()
		mux.HandleFunc("/v1/accounts/{address}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("address")) })
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			if !strings.HasPrefix(r.URL.Path, "/") {
				t.Errorf("the path is %q", r.URL.Path)
			}
			w.Header().Set("Location", r.URL.EscapedPath())
			_, _ = w.Write(b)
		})
		b, err := lambda.NewHandler(lambdaio.Proxy(mux, newLog())).Invoke(t.Context(), payload)
		if err != nil {
			return // no event
		}
		var out events.APIGatewayProxyResponse
		ok(t, json.Unmarshal(b, &out))
		if out.StatusCode < 200 || out.StatusCode > 499 {
			t.Errorf("answered %+v", out)
		}
	})
}
