package service_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/world"
)

// loggedIn opens a session of each protocol that reads mail.
func loggedIn(t *testing.T, w *world.World, user string) map[string]*session {
	t.Helper()
	login := `a LOGIN ` + user + ` "` + world.Password + `"`
	return map[string]*session{
		"imap, selected": open(t, w, "imaps", "* OK", login, "a OK", "b SELECT INBOX", "b OK"),
		"imap, idle":     open(t, w, "imaps", "* OK", login, "a OK", "b SELECT INBOX", "b OK", "c IDLE", "+ "),
		"pop3":           open(t, w, "pop3s", "+OK", "USER "+user, "+OK", "PASS "+world.Password, "+OK"),
	}
}

// ended waits for the last words of each session.
func ended(t *testing.T, all map[string]*session, imap, pop3 string) {
	t.Helper()
	for name, s := range all {
		want := imap
		if name == "pop3" {
			want = pop3
		}
		if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(s.in)
		if err != nil {
			t.Errorf("%s goes on: %v after %q", name, err, rest)
		} else if string(rest) != want {
			t.Errorf("%s ends with %q, want %q", name, rest, want)
		}
	}
}

// What a client sees has new numbers: it is sent away, and finds them when it comes back.
func TestANewEpochEndsSessions(t *testing.T) {
	const access = "-ERR [AUTH] Access to the account has changed, log in again\r\n"
	w := world.New(t)
	validity := func() string {
		t.Helper()
		s := open(t, w, "imaps", "* OK", `a LOGIN `+world.Alice+` "`+world.Password+`"`, "a OK")
		defer s.Close()
		return strings.Join(s.say(t, "b STATUS INBOX (UIDVALIDITY)", "* STATUS"), "")
	}
	before, untouched, sessions := validity(), loggedIn(t, w, world.Bob), loggedIn(t, w, world.Alice)
	if begun := w.Admin("POST", "/v1/accounts/alice@demo.test/epoch", ""); begun["epoch"] != 2.0 {
		t.Errorf("begun: %v", begun)
	}
	ended(t, sessions, "* BYE [UNAVAILABLE] The mailboxes have new numbers, log in again\r\n", access)
	if now := validity(); now == before {
		t.Errorf("it still says %q", now)
	}
	open(t, w, "pop3s", "+OK", "USER "+world.Alice, "+OK", "PASS "+world.Password, "+OK")
	untouched["imap, selected"].say(t, "z NOOP", "z OK")
}

func TestSuspensionAndANewPasswordEndSessions(t *testing.T) {
	const access = "-ERR [AUTH] Access to the account has changed, log in again\r\n"
	w := world.New(t)
	w.OtherTenant()
	untouched := loggedIn(t, w, world.Bob)
	for _, test := range []struct{ what, method, path, body, imap string }{
		{"a new password", "PUT", "/v1/accounts/alice@demo.test/password", `{"password":%q}`,
			"* BYE [AUTHENTICATIONFAILED] The password has changed, log in again\r\n"},
		{"suspension", "PATCH", "/v1/accounts/alice@demo.test", `{"suspended":true}`,
			"* BYE [CONTACTADMIN] The account is suspended\r\n"},
	} {
		sessions := loggedIn(t, w, world.Alice)
		body := test.body
		if test.method == "PUT" {
			body = fmt.Sprintf(body, world.Password)
		}
		w.Admin(test.method, test.path, body)
		t.Run(test.what, func(t *testing.T) { ended(t, sessions, test.imap, access) })
	}
	t.Run("of the tenant", func(t *testing.T) {
		sessions := loggedIn(t, w, world.Carol)
		w.Admin("PATCH", "/v1/tenants/other", `{"suspended":true}`)
		ended(t, sessions, "* BYE [CONTACTADMIN] The account is suspended\r\n", access)
	})
	t.Run("nobody logs in after it", func(t *testing.T) {
		open(t, w, "imaps", "* OK", `a LOGIN `+world.Alice+` "`+world.Password+`"`, "a NO")
		open(t, w, "pop3s", "+OK", "USER "+world.Alice, "+OK", "PASS "+world.Password, "-ERR")
	})
	t.Run("others go on", func(t *testing.T) {
		untouched["imap, selected"].say(t, "z NOOP", "z OK")
		untouched["pop3"].say(t, "NOOP", "+OK")
	})
	t.Run("until the drain", func(t *testing.T) {
		w.Stop()
		ended(t, untouched, "* BYE [UNAVAILABLE] Shutting down, try again\r\n", "-ERR [SYS/TEMP] Shutting down\r\n")
	})
}
