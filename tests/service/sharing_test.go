package service_test

import (
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/tests/world"
)

// What is shared over the command line is there for who reads mail, and no more when it is taken
// back: who has it selected then is told goodbye.
func TestMailboxesAreSharedByTheCommandLine(t *testing.T) {
	w := world.New(t)
	w.Godwit("mailbox", "share", "alice@demo.test", "INBOX", "--with", "bob@demo.test", "--rights", "lrs")
	if got := w.Godwit("mailbox", "shares", "alice@demo.test"); !strings.Contains(got, "bob@demo.test") || !strings.Contains(got, "lrs") {
		t.Errorf("it lists %s", got)
	}
	bob := open(t, w, "imaps", "* OK", `a LOGIN `+world.Bob+` "`+world.Password+`"`, "a OK", `b SELECT "Other Users/alice"`, "b OK", "c IDLE", "+ ")
	w.Godwit("mailbox", "unshare", "alice@demo.test", "INBOX", "--with", "bob@demo.test")
	ended(t, map[string]*session{"imap": bob}, "* BYE [NOPERM] The selected mailbox is shared with you no more\r\n", "")
	again := open(t, w, "imaps", "* OK", `a LOGIN `+world.Bob+` "`+world.Password+`"`, "a OK")
	if got := again.tagged(t, `SELECT "Other Users/alice"`); !strings.HasPrefix(got, "NO [NONEXISTENT]") {
		t.Errorf("it is still there: %s", got)
	}
}
