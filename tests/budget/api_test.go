//go:build localstack

package budget_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/cloud/price"
)

// administration is the API, whose function is asked by way of an API Gateway.
func administration(t *testing.T, w *world, b *table) {
	ask := func(what, want, method, path, body string, status int) {
		t.Helper()
		b.counts(t, what, w.apiMeter, want, func() {
			r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+w.key)
			r.Header.Set("Content-Type", "application/json")
			if method == http.MethodPost {
				r.Header.Set("Idempotency-Key", "budget "+path+body)
			}
			answer := httptest.NewRecorder()
			w.api.ServeHTTP(answer, r)
			if answer.Code != status {
				t.Fatalf("%s: %d %s", what, answer.Code, answer.Body)
			}
		})
		last := &b.rows[len(b.rows)-1]
		last.usage.Add(price.Usage{price.APIRequest: 1, price.Invocation: 1, price.Compute: functionGB * functionSeconds}, 1)
	}
	ask("API: create an account", "BatchGetItem 3 (6), GetItem 1 (1), PutItem 5 (5), Query 1 (1)", "POST", "/v1/accounts", `{"address":"new@budget.test","password":"correct horse battery"}`, http.StatusCreated)
	ask("API: the same again", "BatchGetItem 1 (2), PutItem 1", "POST", "/v1/accounts", `{"address":"new@budget.test","password":"correct horse battery"}`, http.StatusCreated)
	ask("API: show an account", "BatchGetItem 4 (8), GetItem 1 (1), Query 1 (1)", "GET", "/v1/accounts/new@budget.test", "", http.StatusOK)
	ask("API: suspend an account", "BatchGetItem 4 (9), GetItem 5 (5), PutItem 3 (3), Query 1 (1)", "PATCH", "/v1/accounts/new@budget.test", `{"suspended":true}`, http.StatusOK)
}
