package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/faults"
)

const ann = "/v1/accounts/ann@one.test"

// line stands before the octets of message n.
func line(n int, mailbox, more string, octets string) string {
	name := base64.RawURLEncoding.EncodeToString([]byte(fmt.Sprintf("message%05d", n)))
	return fmt.Sprintf(`{"name":%q,"mailbox":%q,"date":"2020-01-02T03:04:05Z","size":%d%s}`, name, mailbox, len(octets), more) + "\n" + octets
}

func text(n int) string { return fmt.Sprintf("Subject: %d\r\n\r\nbody %d\r\n", n, n) }

// batch is a body of messages.
func batch(from, to int) (body string) {
	for n := from; n < to; n++ {
		body += line(n, "INBOX", "", text(n))
	}
	return body
}

func (w *world) begin() uint64 {
	w.t.Helper()
	return uint64(w.must(200, w.one, "POST", ann+"/imports", "").body["seen"].(float64))
}

// ends tells what became of messages, and what to send next.
func (w *world) add(seen uint64, body string) (ends []string, next uint64) {
	w.t.Helper()
	a := w.must(200, w.one, "POST", ann+"/messages?seen="+fmt.Sprint(seen), body, "Content-Type", "application/vnd.godwit.messages")
	for _, m := range a.body["messages"].([]any) {
		m := m.(map[string]any)
		end := m["state"].(string)
		if reason, _ := m["reason"].(string); reason != "" {
			end += ": " + reason
		}
		ends = append(ends, end)
	}
	return ends, uint64(a.body["seen"].(float64))
}

// inbox gives the path of INBOX's messages.
func (w *world) inbox() string {
	w.t.Helper()
	for _, b := range w.must(200, w.one, "GET", ann+"/mailboxes", "").body["items"].([]any) {
		if b := b.(map[string]any); b["name"] == "INBOX" {
			return ann + "/mailboxes/" + b["id"].(string) + "/messages"
		}
	}
	w.t.Fatal("there is no INBOX")
	return ""
}

// octets fetches a message, or part of it.
func (w *world) octets(status int, path, span string) (body string, header map[string][]string) {
	w.t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "Bearer "+w.one)
	if span != "" {
		r.Header.Set("Range", span)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Result().Body)
	ok(w.t, err)
	if rec.Code != status {
		w.t.Fatalf("%s %s: %d, want %d: %s", path, span, rec.Code, status, b)
	}
	return string(b), rec.Result().Header
}

func TestMessagesComeAndGo(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	made := w.must(201, w.one, "POST", ann+"/mailboxes", `{"name":"Old/2019"}`)
	w.must(409, w.one, "POST", ann+"/mailboxes", `{"name":"Old/2019"}`)
	if p := w.must(422, w.one, "POST", ann+"/mailboxes", `{"name":"a*b"}`); !strings.Contains(p.str("detail"), "a mailbox name with character U+002A") {
		t.Errorf("a bad name: %s", p.text)
	}
	seen := w.begin()
	ends, seen := w.add(seen, line(1, "INBOX", `,"flags":["\\seen","\\Recent","$Forwarded"]`, text(1))+line(2, "Old/2019", "", "")+
		line(3, "Nowhere", "", text(3))+line(4, "INBOX", `,"flags":["a b"]`, text(4))+line(1, "INBOX", "", text(1))+line(5, "INBOX", `,"parts":["AAAA"]`, ""))
	equal(t, "what became of them", ends, []string{"imported", "imported", "refused: there is no such mailbox", "refused: account: a keyword with byte 0x20", "present", "refused: no part of a message"})
	ends, _ = w.add(seen, line(1, "Old/2019", "", text(1))+line(6, "INBOX", "", text(6)))
	equal(t, "what became of them", ends, []string{"present", "imported"})
	ends, _ = w.add(0, line(2, "INBOX", "", text(2)))
	equal(t, "what became of them", ends, []string{"present"})

	list := w.must(200, w.one, "GET", w.inbox()+"?limit=1", "")
	first := list.body["items"].([]any)[0].(map[string]any)
	if first["uid"] != 1.0 || first["date"] != "2020-01-02T03:04:05Z" || first["size"] != float64(len(text(1))) || fmt.Sprint(first["flags"]) != `[\Seen $Forwarded]` || first["email_id"] == "" {
		t.Errorf("it is %v", first)
	}
	list = w.must(200, w.one, "GET", w.inbox()+"?limit=1&cursor="+list.str("next"), "")
	if items := list.body["items"].([]any); len(items) != 1 || items[0].(map[string]any)["uid"] != 2.0 || list.str("next") != "" {
		t.Errorf("the second page is %s", list.text)
	}
	w.must(422, w.one, "GET", ann+"/mailboxes?cursor="+list.str("next")+"x", "")
	got, header := w.octets(200, w.inbox()+"/1", "")
	equal(t, "the message", got, text(1))
	equal(t, "its type", header["Content-Type"], []string{"message/rfc822"})
	got, header = w.octets(206, w.inbox()+"/1", "bytes=3-8")
	equal(t, "a range", got, text(1)[3:9])
	equal(t, "which one", header["Content-Range"], []string{fmt.Sprintf("bytes 3-8/%d", len(text(1)))})
	got, _ = w.octets(206, w.inbox()+"/1", "bytes=20-")
	equal(t, "a range", got, text(1)[20:])
	w.octets(416, w.inbox()+"/1", "bytes=900-")
	for _, span := range []string{"bytes=5-3", "bytes=1-2,4-5", "lines=1-2", "bytes=x-", "bytes=-3"} {
		got, _ = w.octets(200, w.inbox()+"/1", span)
		equal(t, span, got, text(1))
	}
	empty := made.header.Get("Location") + "/1"
	got, _ = w.octets(200, empty, "")
	equal(t, "an empty message", got, "")
	w.must(404, w.one, "GET", w.inbox()+"/9", "")
	w.must(422, w.one, "GET", w.inbox()+"/0", "")
	w.must(404, w.one, "GET", ann+"/mailboxes/none/messages", "")
}

func TestAKeyThatIsNotForMailSeesNone(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	plain := w.must(201, w.one, "POST", "/v1/keys", `{}`)
	if plain.body["mail"] != false {
		t.Errorf("it is %s", plain.text)
	}
	box := w.inbox()
	for _, ask := range []string{"GET /mailboxes", "POST /mailboxes", "GET /imports", "POST /imports", "POST /parts", "POST /messages?seen=1", "GET " + strings.TrimPrefix(box, ann), "GET " + strings.TrimPrefix(box, ann) + "/1"} {
		method, path, _ := strings.Cut(ask, " ")
		body := ""
		if method == "POST" {
			body = `{"name":"x"}`
		}
		w.must(403, plain.str("secret"), method, ann+path, body)
	}
	w.must(403, plain.str("secret"), "POST", "/v1/keys", `{"mail":true}`)
	if k := w.must(201, w.one, "POST", "/v1/keys", `{"mail":true}`); k.body["mail"] != true {
		t.Errorf("it is %s", k.text)
	}
}

func TestWhatIsNoBatchIsRefusedWhole(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	for body, want := range map[string]string{
		"Subject: x\r\n\r\n":                  "the line before message 1 is no JSON of a message",
		"Subject: x":                          "before message 1 is no line of JSON",
		line(1, "INBOX", "", text(1)) + "x\n": "the line before message 2",
		strings.TrimSuffix(line(1, "INBOX", "", "abc"), "c"): "message 1 is cut off",
		`{"name":"x","mailbox":"INBOX"}` + "\n":              "the name of message 1",
		`{"name":"AAECAwQFBgcICQoL","size":-1}` + "\n":       "message 1 is cut off",
		strings.Repeat(line(1, "Nowhere", "", ""), 1001):     "more than 1000 messages",
		`{"name":"` + strings.Repeat("x", 300_000) + "\"}\n": "before message 1 is no line",
	} {
		if p := w.must(422, w.one, "POST", ann+"/messages?seen=1", body, "Content-Type", "application/vnd.godwit.messages"); !strings.Contains(p.str("detail"), want) {
			t.Errorf("%.60q: %s, want %s", body, p.text, want)
		}
	}
	w.must(413, w.one, "POST", ann+"/messages?seen=1", strings.Repeat("x", 4_000_001))
	w.must(422, w.one, "POST", ann+"/messages?seen=900", "x")
	w.must(422, w.one, "POST", ann+"/messages", "x")
}

func TestALargeMessageComesInParts(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"bob@one.test"}`)
	whole := text(1) + strings.Repeat("a line that is repeated\r\n", 200_000)
	var parts []string
	for p := range slices.Chunk([]byte(whole), 1_999_999) {
		parts = append(parts, w.must(200, w.one, "POST", ann+"/parts", string(p)).str("part"))
	}
	list, err := json.Marshal(parts)
	ok(t, err)
	ends, seen := w.add(w.begin(), line(1, "INBOX", `,"parts":`+string(list), ""))
	equal(t, "it is", ends, []string{"imported"})
	got, _ := w.octets(200, w.inbox()+"/1", "")
	if got != whole {
		t.Errorf("%d octets came of %d", len(got), len(whole))
	}
	// Parts are the account's own, and no message passes for one.
	a, err := w.Account(t.Context(), directory.ServiceScope("test"), "bob@one.test")
	ok(t, err)
	theirs := w.must(200, w.one, "POST", "/v1/accounts/bob@one.test/parts", text(2)).str("part")
	ref, err := blob.Store{Driver: w.blobs}.Put(t.Context(), "m/one/2026010101/secret", blob.Header{Owners: []string{string(a.Ref.ID)}}, strings.NewReader(text(3)), int64(len(text(3))))
	ok(t, err)
	for _, part := range []string{theirs, api.FormatPart(ref), api.FormatPart(blob.Ref{Name: "m/one/none", Size: 3}), api.FormatPart(blob.Ref{Name: "m/two/x", Size: 3})} {
		ends, _ := w.add(seen, line(2, "INBOX", `,"parts":["`+part+`"]`, ""))
		if len(ends) != 1 || !strings.HasPrefix(ends[0], "refused: ") {
			t.Errorf("a part that is none of the account's: %v", ends)
		}
	}
}

func TestAnImportEndsWhereThereIsNoRoom(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test","settings":{"messages":40,"quota_warnings":false}}`)
	w.must(200, w.one, "PUT", "/v1/domains/one.test/settings", `{"domain_messages":60}`, "If-Match", "*")
	ends, seen := w.add(w.begin(), batch(0, 50))
	if slices.Index(ends, "refused: the account is full") != 40 || ends[49] != ends[40] {
		t.Errorf("they are %v", ends)
	}
	equal(t, "messages", w.must(200, w.one, "GET", "/v1/domains/one.test", "").body["usage"].(map[string]any)["messages"], any(40.0))
	w.must(200, w.one, "PUT", ann+"/settings", `{"messages":0}`, "If-Match", "*")
	ends, seen = w.add(seen, batch(30, 55))
	equal(t, "one of 25 for which the domain has no room", ends[24], "refused: the account's domain or tenant is full")
	ends, _ = w.add(seen, batch(40, 50))
	equal(t, "the last", ends[9], "imported")
}

// Whatever call of an import fails, is done though its reply is lost, is done twice or late,
// and whoever goes on, knowing nothing: each message comes once.
func TestAFaultAtAnyCallOfAnImportLosesAndDoublesNothing(t *testing.T) {
	t.Parallel() // it waits for most of its time
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	sent := 0
	// attempt imports what is missing of 53 messages, in two requests of four entries, in a process of its own.
	attempt := func(plan *faults.Plan, from int) bool {
		blobs := blob.Store{Driver: faults.Blob(w.blobs, plan)}
		store := account.New(account.Config{Journal: faults.Journal(w.Journal, plan), Blobs: blobs, Now: w.Clock.Now})
		r := faults.Records(w.Records, plan)
		handler := api.New(api.Config{Directory: w.Directory, Records: r, Mail: &api.Mail{Accounts: store, Blobs: blobs}, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
		here := *w
		here.handler = handler
		begun := here.do(w.one, "POST", ann+"/imports", "")
		if begun.status != 200 {
			return false
		}
		seen := uint64(begun.body["seen"].(float64))
		known, query := map[string]bool{}, ""
		for {
			page := here.do(w.one, "GET", ann+"/imports"+query, "")
			if page.status != 200 {
				return false
			}
			for _, name := range page.body["items"].([]any) {
				known[name.(string)] = true
			}
			if page.str("next") == "" {
				break
			}
			query = "?cursor=" + url.QueryEscape(page.str("next"))
		}
		for first := from; first < from+53; first += 52 {
			body := ""
			for n := first; n < min(first+52, from+53); n++ {
				if l := line(n, "INBOX", "", text(n)); !known[strings.Split(l, `"`)[3]] {
					body += l
				}
			}
			if body == "" {
				continue
			}
			added := here.do(w.one, "POST", ann+"/messages?seen="+fmt.Sprint(seen), body)
			if added.status != 200 {
				return false
			}
			seen = uint64(added.body["seen"].(float64))
		}
		return true
	}
	run := func(plan *faults.Plan) {
		t.Helper()
		for try := 1; !attempt(plan, sent); try++ {
			if try > 8 { // one for each fault, and more
				t.Fatalf("it fails again and again: %v", plan.Calls())
			}
			plan.Settle()
		}
		plan.Settle()
		w.Clock.Advance(time.Hour)
		sent += 53
	}
	plain := faults.New(nil)
	run(plain)
	for _, call := range []string{"journal.Last", "journal.Read", "journal.Append", "blob.Put", "records.List", "records.Put"} {
		n := 0
		for _, c := range plain.Calls() {
			if c == call {
				n++
			}
		}
		if n == 0 {
			t.Errorf("an import without %s: %v", call, plain.Calls())
		}
		if call == "blob.Put" {
			n = 1 // they are all the same
		}
		modes := faults.Modes()
		if !strings.HasSuffix(call, "Append") && !strings.HasSuffix(call, "Put") {
			modes = modes[:1]
		}
		for at := range n {
			for _, mode := range modes {
				for _, more := range []int{0, 5} { // 5: whoever tries again gives up, as if it died
					if more > 0 && (mode != faults.FailAfter || at > 0 && call != "journal.Append") {
						continue
					}
					count := -at
					run(faults.New(func(_ int, c string) faults.Mode {
						if c != call {
							return faults.None
						}
						if count++; count >= 1 && count <= 1+more {
							return mode
						}
						return faults.None
					}))
				}
			}
		}
	}
	there, box := map[string]bool{}, w.inbox()
	for uid := 1; uid <= int(w.must(200, w.one, "GET", ann, "").body["usage"].(map[string]any)["messages"].(float64)); uid++ {
		got, _ := w.octets(200, fmt.Sprint(box, "/", uid), "")
		if there[got] {
			t.Errorf("it is there twice: %q", got)
		}
		there[got] = true
	}
	for n := range sent {
		if !there[text(n)] {
			t.Errorf("message %d is lost", n)
		}
	}
}
