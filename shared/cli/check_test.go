package cli_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/internal/sqlitedb"
	journalsqlite "github.com/godwit-mail/godwit/shared/journal/sqlite"
	"github.com/godwit-mail/godwit/shared/mail/message"
	recordssqlite "github.com/godwit-mail/godwit/shared/records/sqlite"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
)

// folder makes the data of a service that has run and is stopped.
func folder(t *testing.T) string {
	t.Helper()
	flags := map[string]string{"data": filepath.Join(t.TempDir(), "data")}
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "api"} {
		flags[name+"-address"] = "127.0.0.1:0"
	}
	s, _, err := settings.Load(settings.Serve, "", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	service, err := serve.Open(t.Context(), s, serve.Options{DemoPassword: "some password"})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Close(); err != nil {
		t.Fatal(err)
	}
	return flags["data"]
}

// lose gives alice a message whose blob isn't there.
func lose(t *testing.T, data string) {
	t.Helper()
	db, err := sqlitedb.Open(filepath.Join(data, "godwit.db"))
	porttest.OK(t, err)
	defer db.Close()
	entries, err := journalsqlite.New(db, time.Now)
	porttest.OK(t, err)
	directories, err := recordssqlite.New(db, time.Now)
	porttest.OK(t, err)
	store := account.New(account.Config{Journal: entries})
	dir := directory.New(directory.Config{Records: directories, Accounts: directory.Journals(store), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	alice, err := dir.Account(t.Context(), directory.ServiceScope("test"), "alice@demo.test")
	porttest.OK(t, err)
	a, err := store.Open(t.Context(), alice.Ref)
	porttest.OK(t, err)
	defer a.Close()
	sum := message.NewScanner().Finish()
	_, _, err = a.Append(t.Context(), account.By{Actor: "test"}, "INBOX", []account.NewMessage{
		{Content: account.Content{Blob: blob.Ref{Name: blob.NewName("demo", time.Now()), Size: 9}, Summary: sum.Encode()}}}, account.Room{})
	porttest.OK(t, err)
}

func TestCheckTellsWhatAStoppedServiceHas(t *testing.T) {
	data := folder(t)
	code, out, errs := run(t, nil, "check", "--data", data)
	if words := strings.Join(strings.Fields(out), " "); code != 0 || !strings.HasPrefix(words, "accounts: 2 messages: ") || errs != "" {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	code, out, errs = run(t, []string{"GODWIT_DATA=" + data}, "check", "alice@demo.test", "--deep", "-o", "json")
	var report map[string]any
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report["accounts"] != 1.0 || report["failed"] != 0.0 {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
	if code, _, errs = run(t, nil, "check", "--data", data, "nobody@demo.test"); code != 1 || !strings.Contains(errs, "nobody@demo.test") {
		t.Errorf("code %d: %s", code, errs)
	}
	lose(t, data)
	code, out, errs = run(t, nil, "check", "--data", data)
	if code != 1 || !strings.Contains(out, "not-found") || !strings.Contains(errs, "not as they should be") {
		t.Errorf("code %d: %s%s", code, out, errs)
	}
}

func TestCheckMakesNoNewFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "misspelt")
	code, _, errs := run(t, nil, "check", "--data", data)
	if _, err := os.Stat(data); err == nil || code != 1 || !strings.Contains(errs, "name its folder with --data") {
		t.Errorf("code %d: %s", code, errs)
	}
	if code, _, errs := run(t, nil, "check", "-o", "xml"); code != 2 || !strings.Contains(errs, "neither table nor json") {
		t.Errorf("code %d: %s", code, errs)
	}
}
