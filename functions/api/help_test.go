package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"context"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/quota"
)

// world is an API with a key of the service, and one of each of two tenants that have
// the same things under other names.
type world struct {
	*directorytest.World
	t       *testing.T
	handler http.Handler
	root    string
	one     string
	two     string
	spool   *spool
	quota   *quota.Keeper
	log     *bytes.Buffer
	blobs   blob.Driver
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v (%v)", err, kinds.Of(err))
	}
}

func newWorld(t *testing.T) *world {
	w := &world{World: directorytest.New(t), t: t, spool: &spool{jobs: map[string]api.Job{}}, log: new(bytes.Buffer)}
	w.quota = quota.New(quota.Config{Directory: w.Directory, Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	var err error
	w.blobs, err = files.New(t.TempDir(), files.OS{})
	ok(t, err)
	blobs := blob.Store{Driver: w.blobs}
	w.handler = api.New(api.Config{Directory: w.Directory, Records: w.Records, Spool: w.spool, Quota: w.quota,
		Mail: &api.Mail{Accounts: account.New(account.Config{Journal: w.Journal, Blobs: blobs, Now: w.Clock.Now}), Blobs: blobs}, Now: w.Clock.Now,
		Log: slog.New(slog.NewTextHandler(w.log, nil)), Version: "1"})
	service := directory.ServiceScope("setup")
	_, secret, err := w.CreateMailKey(t.Context(), service, "", "", "first")
	ok(t, err)
	w.root = secret
	for tenant, key := range map[string]*string{"one": &w.one, "two": &w.two} {
		_, err := w.CreateTenant(t.Context(), service, tenant)
		ok(t, err)
		_, err = w.CreateDomain(t.Context(), service, tenant, tenant+".test")
		ok(t, err)
		_, *key, err = w.CreateMailKey(t.Context(), service, tenant, "", "")
		ok(t, err)
	}
	return w
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	body   map[string]any
}

func (a answer) str(field string) string {
	s, _ := a.body[field].(string)
	return s
}

// do sends one request. headers are pairs.
func (w *world) do(key, method, path, body string, headers ...string) answer {
	w.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody
		r.ContentLength = 0
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Result().Body)
	ok(w.t, err)
	a := answer{status: rec.Code, header: rec.Result().Header, text: string(b)}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &a.body); err != nil {
			w.t.Fatalf("%s %s: %d with no JSON object: %s", method, path, a.status, b)
		}
	}
	if a.status >= 400 && (a.header.Get("Content-Type") != "application/problem+json" || a.body["status"] != float64(a.status) ||
		!strings.HasPrefix(a.str("type"), "urn:godwit:problem:") || a.str("title") == "") {
		w.t.Errorf("%s %s: %d is no problem: %s: %s", method, path, a.status, a.header.Get("Content-Type"), b)
	}
	return a
}

// must is do for a request that has this status.
func (w *world) must(status int, key, method, path, body string, headers ...string) answer {
	w.t.Helper()
	a := w.do(key, method, path, body, headers...)
	if a.status != status {
		w.t.Fatalf("%s %s: %d, want %d: %s", method, path, a.status, status, a.text)
	}
	return a
}

func equal(t testing.TB, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// spool is a spool in memory.
type spool struct {
	jobs    map[string]api.Job
	retried []string
}

func (s *spool) List(_ context.Context, tenant, after string, limit int) (jobs []api.Job, next string, err error) {
	for _, j := range s.jobs {
		if (tenant == "" || j.Tenant == tenant) && j.ID > after {
			jobs = append(jobs, j)
		}
	}
	sort.Slice(jobs, func(i, k int) bool { return jobs[i].ID < jobs[k].ID })
	if len(jobs) >= limit {
		jobs = jobs[:limit]
		next = jobs[limit-1].ID
	}
	return jobs, next, nil
}

func (s *spool) Show(_ context.Context, tenant, id string) (api.Job, error) {
	j, found := s.jobs[id]
	if !found || tenant != "" && j.Tenant != tenant {
		return api.Job{}, kinds.Errorf(kinds.NotFound, "spool: no such job")
	}
	return j, nil
}

func (s *spool) Retry(_ context.Context, _, id string, _ bool) error {
	s.retried = append(s.retried, id)
	delete(s.jobs, id)
	return nil
}

func (s *spool) Drop(_ context.Context, _, id string) error {
	delete(s.jobs, id)
	return nil
}

// raw fetches what is no JSON.
func (w *world) raw(path string) string {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	if rec.Code != 200 {
		w.t.Fatalf("%s: %d", path, rec.Code)
	}
	return rec.Body.String()
}
