package api_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/godwit-mail/godwit/functions/api"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
)

// Who imports the same at the same time learns, with each answer, of all that he does not
// know yet, whichever process answers him.
func TestTwoWhoImportTheSameBringItOnce(t *testing.T) {
	w := newWorld(t)
	w.must(201, w.one, "POST", "/v1/accounts", `{"address":"ann@one.test"}`)
	blobs := blob.Store{Driver: w.blobs}
	other := *w
	other.handler = api.New(api.Config{Directory: w.Directory, Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler),
		Mail: &api.Mail{Accounts: account.New(account.Config{Journal: w.Journal, Blobs: blobs, Now: w.Clock.Now}), Blobs: blobs}})
	mine, theirs := w.begin(), other.begin()
	_, mine = w.add(mine, batch(0, 60))
	a := other.must(200, w.one, "POST", ann+"/messages?seen="+fmt.Sprint(theirs), batch(50, 80))
	if others := a.body["others"].([]any); len(others) != 50 {
		t.Errorf("of %d messages that others brought it is told: %v", len(others), others)
	}
	equal(t, "one that was there", a.body["messages"].([]any)[9].(map[string]any)["state"], any("present"))
	equal(t, "one that was not", a.body["messages"].([]any)[10].(map[string]any)["state"], any("imported"))
	ends, mine := w.add(mine, batch(80, 81)+batch(60, 80))
	equal(t, "what the other one has brought meanwhile", ends[1:], []string{"present", "present", "present", "present", "present", "present", "present",
		"present", "present", "present", "present", "present", "present", "present", "present", "present", "present", "present", "present", "present"})
	if got := other.begin(); got != mine {
		t.Errorf("the last entry is %d, and %d was told", got, mine)
	}
	if n := len(w.must(200, w.one, "GET", ann+"/imports", "").body["items"].([]any)); n < 81 {
		t.Errorf("%d names are known of 81", n)
	}
	equal(t, "messages", w.must(200, w.one, "GET", w.inbox()+"?limit=500", "").body["items"].([]any)[80].(map[string]any)["uid"], any(81.0))
}
