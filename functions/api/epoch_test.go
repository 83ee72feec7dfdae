package api_test

import (
	"encoding/base64"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"testing"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/journal"
)

// copied is a journal that has what there is of ann's.
func (w *world) copied() journal.Driver {
	w.t.Helper()
	a, err := w.Account(w.t.Context(), directory.ServiceScope("test"), "ann@one.test")
	ok(w.t, err)
	to := w.EmptyJournal(w.t)
	for ref := a.Ref; ref.Epoch > 0; ref.Epoch-- {
		items, _, err := w.Journal.Read(w.t.Context(), ref.Partition(), 0, 1000)
		ok(w.t, err)
		for _, e := range items {
			ok(w.t, to.Append(w.t.Context(), ref.Partition(), e))
		}
	}
	return to
}

// process is an API in a process of its own, with faults of the records if there is a plan.
func (w *world) process(plan *faults.Plan) *world {
	here := *w
	r := w.Records
	if plan != nil {
		r = faults.Records(r, plan)
	}
	blobs := blob.Store{Driver: w.blobs}
	store := account.New(account.Config{Journal: w.Journal, Blobs: blobs, Now: w.Clock.Now})
	here.Directory = directory.New(directory.Config{Records: r, Accounts: directory.Journals(store), Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	here.handler = api.New(api.Config{Directory: here.Directory, Records: r, Spool: w.spool, Mail: &api.Mail{Accounts: store, Blobs: blobs}, Now: w.Clock.Now,
		Log: slog.New(slog.DiscardHandler)})
	return &here
}

// known gives the numbers of the messages of which the records know that they were imported.
func (w *world) known() []int {
	w.t.Helper()
	there := map[int]bool{}
	for query := ""; ; {
		page := w.must(200, w.one, "GET", ann+"/imports"+query, "")
		for _, name := range page.body["items"].([]any) {
			b, err := base64.RawURLEncoding.DecodeString(name.(string))
			ok(w.t, err)
			n := 0
			_, err = fmt.Sscanf(string(b), "message%05d", &n)
			ok(w.t, err)
			there[n] = true
		}
		if page.str("next") == "" {
			return slices.Sorted(maps.Keys(there))
		}
		query = "?cursor=" + url.QueryEscape(page.str("next"))
	}
}

// begun is the epoch that ann's journal is in.
func (w *world) begun() int {
	w.t.Helper()
	a, err := w.Account(w.t.Context(), directory.ServiceScope("test"), "ann@one.test")
	ok(w.t, err)
	ref, _, err := account.New(account.Config{Journal: w.Journal, Now: w.Clock.Now}).Current(w.t.Context(), a.Ref)
	ok(w.t, err)
	return int(ref.Epoch)
}

func (w *world) imports(from, to int, want string) {
	w.t.Helper()
	ends, _ := w.add(w.begin(), batch(from, to))
	for i, end := range ends {
		if end != want {
			w.t.Fatalf("message %d is %s, not %s", from+i, end, want)
		}
	}
}

func (w *world) messages() int {
	w.t.Helper()
	return int(w.must(200, w.one, "GET", ann, "").body["usage"].(map[string]any)["messages"].(float64))
}

func (w *world) validity() any {
	w.t.Helper()
	return w.must(200, w.one, "GET", ann+"/mailboxes", "").body["items"].([]any)[0].(map[string]any)["uid_validity"]
}

func TestAnEpochBegins(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	w.imports(0, 3, "imported")
	before := w.validity()
	begun := w.must(200, w.one, "POST", ann+"/epoch", "")
	if begun.body["epoch"] != 2.0 || begun.str("address") != "ann@one.test" || begun.header.Get("Etag") == "" {
		t.Errorf("begun is %s", begun.text)
	}
	if now := w.validity(); now == before {
		t.Errorf("INBOX has UIDVALIDITY %v as before", now)
	}
	if got, _ := w.octets(200, w.inbox()+"/2", ""); got != text(1) {
		t.Errorf("UID 2 is %q", got)
	}
	equal(t, "known", w.known(), []int{0, 1, 2})
	w.must(404, w.two, "POST", ann+"/epoch", "")
	w.must(404, w.one, "POST", "/v1/accounts/bob@one.test/epoch", "")
	w.must(401, "", "POST", ann+"/epoch", "")
	for range 2 {
		if again := w.must(200, w.one, "POST", ann+"/epoch", "", "Idempotency-Key", "k"); again.body["epoch"] != 3.0 {
			t.Errorf("begun is %s", again.text)
		}
	}
}

// An account that was made after its journal's table had been copied has nothing there.
func TestAnAccountOfWhichNothingIsLeftBeginsNoEpoch(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	w.Journal = w.EmptyJournal(t)
	p := w.process(nil).must(409, w.one, "POST", ann+"/epoch", "")
	if p.str("detail") != "nothing is left of the account: it was made later" {
		t.Errorf("it is %s", p.text)
	}
}

// Whatever call to the records fails, is done though its reply is lost, is done twice or late:
// asked again, the epoch has begun. Names of what is left are known, those of what was lost
// are not, so that each message can be imported, and comes once.
func TestAFaultAtAnyCallOfANewEpochLosesAndDoublesNothing(t *testing.T) {
	t.Parallel() // it waits for most of its time
	var w *world
	var next, epoch int
	anew := func() { // a new epoch takes over all names: so that they don't become many
		w = newWorld(t)
		w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
		next, epoch = 0, 1
	}
	run := func(what string, plan *faults.Plan) {
		w = w.process(nil)
		w.imports(next, next+2, "imported")
		w.imports(next+2, next+3, "imported")
		back := w.copied()
		w.imports(next+3, next+5, "imported")
		w.Journal = back
		tried := w.process(plan)
		begun := tried.do(w.one, "POST", ann+"/epoch", "")
		w = w.process(nil)
		after := next + 5
		if w.begun() > epoch {
			w.imports(after, after+1, "imported") // by somebody who does not wait
			after++
		}
		plan.Settle()
		if begun.status != 200 {
			begun = w.must(200, w.one, "POST", ann+"/epoch", "")
		}
		now := int(begun.body["epoch"].(float64))
		if now != epoch+1 && now != epoch+2 { // that of the first try, or another where that had come to its end
			t.Fatalf("%s: epoch %d comes after %d", what, now, epoch)
		}
		epoch = now
		a, err := w.Account(t.Context(), directory.ServiceScope("test"), "ann@one.test")
		ok(t, err)
		if int(a.Ref.Epoch) != epoch {
			t.Fatalf("%s: the directory has epoch %d, begun is %d", what, a.Ref.Epoch, epoch)
		}
		var want []int
		for n := range after {
			if n != next+3 && n != next+4 {
				want = append(want, n)
			}
		}
		inherited := slices.DeleteFunc(w.known(), func(n int) bool { return n >= next+5 })
		equal(t, what+": inherited", inherited, slices.DeleteFunc(slices.Clone(want), func(n int) bool { return n >= next+5 }))
		w.begin() // which reads what they don't know
		equal(t, what+": known", w.known(), want)
		w.imports(next+3, next+5, "imported")
		if next = after; w.messages() != next {
			t.Fatalf("%s: there are %d messages of %d", what, w.messages(), next)
		}
	}
	plan := faults.New(nil)
	anew()
	run("without a fault", plan)
	calls := plan.Calls()
	for _, call := range []string{"records.Get", "records.List", "records.Put"} {
		if !slices.Contains(calls, call) {
			t.Errorf("no %s is among %v", call, calls)
		}
	}
	for i, call := range calls {
		anew()
		modes := faults.Modes()
		if call != "records.Put" {
			modes = modes[:1]
		}
		for _, mode := range modes {
			run(fmt.Sprintf("%d %s %v", i+1, call, mode), faults.Nth(i+1, mode))
		}
	}
}
