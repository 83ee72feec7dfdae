package service_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

const secret = "the-secret-of-carol"

// tell sends a mail and waits until it is in the mailbox.
func tell(t *testing.T, w *world.World, who, subject string, mails int) {
	t.Helper()
	d := w.Dialog()
	d.Vars["who"], d.Vars["subject"], d.Vars["mails"] = who, subject, fmt.Sprint(mails)
	const script = `
s: connect smtp
s<... 220
s-> EHLO client.test
s<* ^250 
s-> MAIL FROM:<sender@elsewhere.test>
s<... 250
s-> RCPT TO:<${who}>
s<... 250
s-> DATA
s<... 354
s-> Message-ID: <same@elsewhere.test>
s-> Subject: ${subject}
s->
s-> body of ${subject}
s-> .
s<... 250
eventually
c: tls_connect pop3s
c<... +OK
c-> USER ${who}
c<... +OK
c-> PASS ${password}
c<... +OK
c-> STAT
c<... +OK ${mails} 
end
c-> QUIT
`
	if err := dialog.Play("tell", script, d); err != nil {
		t.Fatal(err)
	}
}

// onlyOf fails where something that a session was told is carol's.
func onlyOf(t *testing.T, said []string) {
	t.Helper()
	for _, line := range said {
		if strings.Contains(line, secret) || strings.Contains(strings.ToLower(line), "carol") {
			t.Errorf("it is told %q", line)
		}
	}
}

// same fails unless both answers are alike, but for the tag and the name asked for.
func same(t *testing.T, real, unreal []string, what string) {
	t.Helper()
	clean := func(lines []string) []string {
		out := slices.Clone(lines)
		for i := range out {
			out[i] = strings.NewReplacer("carol", "WHO", "nobody", "WHO").Replace(out[i])
		}
		return out
	}
	if !slices.Equal(clean(real), clean(unreal)) {
		t.Errorf("%s: there is a difference between %q, and %q where nobody is", what, real, unreal)
	}
}

// Nothing that a protocol says to one tenant's user depends on what another tenant has.
func TestNoTenantReadsAddressesCountsOrGuessesAnythingOfAnother(t *testing.T) {
	w := world.New(t)
	w.OtherTenant()
	tell(t, w, world.Alice, "for alice", 1)
	login := `a LOGIN ` + world.Alice + ` "` + world.Password + `"`
	imap := open(t, w, "imaps", "* OK", login, "a OK", "b SELECT INBOX", "b OK")
	pop := open(t, w, "pop3s", "+OK", "USER "+world.Alice, "+OK", "PASS "+world.Password, "+OK")
	look := func() (all []string) {
		for _, command := range []string{`LIST "" *`, `LSUB "" *`, `LIST "" (INBOX %) RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY SIZE))`,
			"STATUS INBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY SIZE)", "NAMESPACE", "NOOP", "SEARCH ALL", "UID SEARCH UID 1:4294967295",
			`SEARCH TEXT "secret"`, `SEARCH HEADER Message-ID "same@elsewhere.test"`, "FETCH 1:* (UID RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[])",
			"UID FETCH 1:4294967295 (UID FLAGS BODY.PEEK[])"} {
			all = append(all, imap.say(t, "x "+command, "x OK")...)
		}
		for _, command := range []string{"STAT", "NOOP"} {
			all = append(all, pop.say(t, command, "+OK")...)
		}
		for _, command := range []string{"LIST", "UIDL", "RETR 1"} {
			all = append(all, pop.say(t, command, ".\r\n")...)
		}
		all = append(all, pop.say(t, "RETR 2", "-ERR")...)
		return all
	}
	before := look()
	tell(t, w, world.Carol, secret, 1)
	tell(t, w, world.Carol, secret, 2)
	after := look()
	onlyOf(t, after)
	if !slices.Equal(before, after) {
		t.Errorf("what alice sees has changed with carol's mail:\n%q\n%q", before, after)
	}
	t.Run("imap", func(t *testing.T) {
		for _, mailbox := range []string{"carol@other.test/INBOX", "carol@other.test", "~carol/INBOX", "~carol@other.test/INBOX", "#user/carol@other.test",
			"Other Users/carol@other.test/INBOX", "user/carol", "../carol@other.test/INBOX", "/other/carol@other.test/INBOX"} {
			for _, command := range []string{"SELECT", "EXAMINE", "STATUS %s (MESSAGES)", "SUBSCRIBE", "COPY 1", "DELETE", "RENAME %s mine", "APPEND %s {1+}\r\nx"} {
				ask := func(name string) []string {
					full := command + ` "` + name + `"`
					if strings.Contains(command, "%s") {
						full = fmt.Sprintf(command, `"`+name+`"`)
					}
					got := imap.say(t, "x "+full, "x ")
					if command == "SELECT" || command == "EXAMINE" { // no mailbox is selected after their failure
						imap.say(t, "y SELECT INBOX", "y OK")
					}
					return got
				}
				real := ask(mailbox)
				if last := real[len(real)-1]; strings.HasPrefix(last, "x OK") && command != "SUBSCRIBE" {
					t.Errorf("%s %s: %q", command, mailbox, last)
				}
				same(t, real, ask(strings.ReplaceAll(mailbox, "carol", "nobody")), command+" "+mailbox)
			}
		}
		for _, list := range []string{`LIST "carol@other.test" "*"`, `LIST "" "~carol/*"`, `LIST "" "Other Users/*"`, `LIST "../" "*"`} {
			if got := imap.say(t, "x "+list, "x "); len(got) > 1 {
				t.Errorf("%s gives %q", list, got)
			}
		}
	})
	t.Run("pop3", func(t *testing.T) {
		for _, command := range []string{"RETR", "LIST", "UIDL", "TOP %s 0", "DELE"} {
			for _, number := range []string{"2", "0", "4294967296", "-1"} {
				full := command + " " + number
				if strings.Contains(command, "%s") {
					full = fmt.Sprintf(command, number)
				}
				pop.say(t, full, "-ERR")
			}
		}
	})
	t.Run("logins", func(t *testing.T) {
		for name, ask := range map[string]func(who string) []string{
			"imap": func(who string) []string {
				return open(t, w, "imaps", "* OK").say(t, "a LOGIN "+who+" wrong-password", "a ")
			},
			"pop3": func(who string) []string {
				return open(t, w, "pop3s", "+OK", "USER "+who, "+OK").say(t, "PASS wrong-password", "-ERR")
			},
		} {
			same(t, ask(world.Carol), ask("nobody@other.test"), name)
		}
	})
	t.Run("sender", func(t *testing.T) {
		d := w.Dialog()
		const script = `
c: tls_connect submissions
c<... 220
c-> EHLO client.test
c<* ^250 
c-> AUTH PLAIN ${b64:\0${alice}\0${password}}
c<... 235
c-> MAIL FROM:<carol@other.test>
c<~ ^(?P<refused>553 .*)$
c-> MAIL FROM:<nobody@other.test>
c<- ${refused}
c-> MAIL FROM:<carol@nowhere.test>
c<- ${refused}
c-> VRFY carol@other.test
c<~ ^(?P<vrfy>252 .*)$
c-> VRFY nobody@other.test
c<- ${vrfy}
`
		if err := dialog.Play("sender", script, d); err != nil {
			t.Error(err)
		}
	})
}
