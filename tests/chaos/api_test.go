//go:build localstack

package chaos_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/directory"
)

// Administration over failing calls: what is told done is done, and what fails is told with
// 503.
func TestTheAPIOverFailingCalls(t *testing.T) {
	t.Parallel()
	w := newTown(t, cloudtest.Options{}, alice)
	_, key, err := w.directory.CreateKey(t.Context(), directory.ServiceScope("test"), "", "", "test")
	if err != nil {
		t.Fatal(err)
	}
	p := w.open(cloudtest.Impatient(cloudtest.Failing(t, cloudtest.OneIn(t, 3)), 2))
	handler := api.New(api.Config{Records: p.Records, Now: time.Now, Log: w.logger(), Directory: directory.New(directory.Config{
		Records: p.Records, Accounts: directory.Journals(w.store(p, false)), Now: time.Now, Log: w.logger()})})
	codes := map[int]int{}
	ask := func(method, path, body string) int {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+key)
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		codes[answer.Code]++
		if answer.Code/100 != 2 && answer.Code != http.StatusServiceUnavailable && answer.Code != http.StatusConflict {
			t.Errorf("%s %s: %d %s", method, path, answer.Code, answer.Body)
		}
		return answer.Code
	}
	for i := range 12 {
		address := fmt.Sprintf("user-%d@%s", i, domain)
		made := 0
		poll(t, time.Minute, "the account is made", func() bool {
			made = ask("POST", "/v1/accounts", fmt.Sprintf(`{"address":%q}`, address))
			return made != http.StatusServiceUnavailable
		})
		poll(t, time.Minute, "the account is read", func() bool { return ask("GET", "/v1/accounts/"+address, "") == http.StatusOK })
		a, err := w.directory.Account(t.Context(), directory.ServiceScope("test"), address)
		if err != nil {
			t.Fatalf("%s: %d, and then %v", address, made, err)
		}
		opened, err := w.accounts.Open(t.Context(), a.Ref)
		if err != nil {
			t.Fatalf("%s is made, and has no journal: %v", address, err)
		}
		opened.Close()
	}
	t.Logf("answers: %v", codes)
	if codes[http.StatusServiceUnavailable] == 0 {
		t.Error("no request met a fault")
	}
}
