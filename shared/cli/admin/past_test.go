package admin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
)

func TestAnAccountsPast(t *testing.T) {
	w := newWorld(t)
	w.json("", "tenant create acme")
	w.json("", "domain create --tenant acme acme.test")
	w.json("correct horse battery\n", "account create ann@acme.test --password-stdin")
	a, err := w.Account(t.Context(), directory.ServiceScope("test"), "ann@acme.test")
	porttest.OK(t, err)
	open, err := w.Store.Open(t.Context(), a.Ref)
	porttest.OK(t, err)
	defer open.Close()
	at := w.Clock.Now()
	w.Clock.Advance(time.Hour)
	by := account.By{Actor: "ann", Protocol: "imap"}
	porttest.OK(t, open.RenameMailbox(t.Context(), by, open.State().Mailbox("Archive").ID, "Old"))
	_, err = open.CreateMailbox(t.Context(), by, "New", "")
	porttest.OK(t, err)
	w.Clock.Advance(time.Minute)

	w.says("account history ann@acme.test --mailbox Old --since 2030-03-04T05:30:00Z", `
TIME                  WHAT             MAILBOX  TO   FLAGS  COUNT  IDS  PROTOCOL  ACTOR
2030-03-04T06:06:07Z  mailbox renamed  Archive  Old  -      -      -    imap      ann
`)
	then := at.Format(time.RFC3339)
	want := `
messages:           0
bytes:              0
flags:              0
removed:            0
mailboxes created:  0
mailboxes renamed:  1
mailboxes deleted:  1
subscriptions:      0
`
	w.says("account restore ann@acme.test --exact --dry-run --at "+then, want)
	porttest.OK(t, open.Refresh(t.Context()))
	if open.State().Mailbox("New") == nil {
		t.Error("a dry run has done it")
	}
	w.says("account restore ann@acme.test --exact --at "+then, want)
	porttest.OK(t, open.Refresh(t.Context()))
	if open.State().Mailbox("New") != nil || open.State().Mailbox("Archive") == nil {
		t.Error("it was not done")
	}
	w.fails("account restore ann@acme.test --at yesterday", `--at: "yesterday" is neither a time`)
	w.fails("account restore ann@acme.test", `required flag(s) "at" not set`)
	w.fails("account restore ann@acme.test --at 2029-01-01T00:00:00Z", "the account's past is known from 2030-03-04T05:06:07Z on")
	w.fails("account restore ann@acme.test --mailbox Nowhere --at "+then, "there was no mailbox of that name then")
	w.fails("account restore ann@acme.test --into New/ --exact --at "+then, "nothing is removed from a new mailbox")
	w.fails("account restore ann@acme.test --into Sent --at "+then, "there is a mailbox of that name")
	w.fails("account history bob@acme.test", `there is no account "bob@acme.test"`)
	if got, err := w.run("", "account history ann@acme.test --since nothing", "--url", w.url, "--data", w.data); err == nil || !strings.Contains(err.Error(), "--since") {
		t.Errorf("%v, %s", err, got)
	}
}
