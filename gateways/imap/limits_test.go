package imap

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/gateways/internal/login"
)

// Each limit of what a client may send: what is just within it is taken, and what is just beyond
// it is refused, before login and after.
func TestLimitsOfCommands(t *testing.T) {
	pad := func(command string, n int) string { // to n octets, with the tag and the line's end
		return strings.Replace(command, "*", strings.Repeat("x", n-len("a ")-len(command)+1-len("\r\n")), 1)
	}
	literal := func(n int) string { return fmt.Sprintf("{%d+}\r\n%s", n, strings.Repeat("x", n)) }
	many := func(n int, sep, s string) string { return strings.TrimSuffix(strings.Repeat(s+sep, n), sep) }
	nested := func(n int) string { return strings.Repeat("(", n) + "ALL" + strings.Repeat(")", n) }
	texts := func(n int) (s string) {
		for i := range n {
			s += fmt.Sprintf("BODY x%d ", i)
		}
		return strings.TrimSuffix(s, " ")
	}
	plain := func(n int) string { // as a response of n octets
		return base64.StdEncoding.EncodeToString([]byte("\x00x\x00" + strings.Repeat("y", n/4*3-3)))
	}
	full := many(maxLiterals/maxLiteral, " ", literal(maxLiteral))
	w := newWorld(t)
	w.deliver("", "Subject: x\r\n\r\nx\r\n")
	for _, tt := range []struct {
		name            string
		login           bool
		within, beyond  string
		taken, refused  string
		inside, outside string // what is sent after them, if anything is
	}{
		{name: "line", within: pad("LOGIN x *", maxCommand), beyond: pad("LOGIN x *", maxCommand+1), taken: "a NO [AUTH", refused: "a BAD [LIMIT]"},
		{name: "line", login: true, within: pad("SEARCH SUBJECT *", maxCommand), beyond: pad("SEARCH SUBJECT *", maxCommand+1), taken: "a OK", refused: "a BAD [LIMIT]"},
		{name: "tag", within: "NOOP\r\n" + strings.Repeat("t", 64) + " NOOP\r\na NOOP", beyond: "NOOP\r\n" + strings.Repeat("t", 65) + " NOOP\r\na NOOP", taken: "ttt", refused: "* BAD"},
		{name: "literal", within: "LOGIN x " + literal(maxLiteral), beyond: "LOGIN x " + literal(maxLiteral+1), taken: "a NO [AUTH", refused: "a NO [LIMIT]"},
		{name: "literal", login: true, within: "SEARCH SUBJECT " + literal(maxLiteral), beyond: "SEARCH SUBJECT " + literal(maxLiteral+1), taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "literals together", within: "ID (" + full + ")", beyond: "ID (" + full + " {1+}\r\nx)", taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "literals together", login: true, within: "SEARCH SUBJECT " + many(maxLiterals/maxLiteral, " SUBJECT ", literal(maxLiteral)),
			beyond: "SEARCH SUBJECT {1+}\r\nx SUBJECT " + many(maxLiterals/maxLiteral, " SUBJECT ", literal(maxLiteral)), taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "fields of ID", within: "ID (" + many(maxID, " ", `"x" "y"`) + ")", beyond: "ID (" + many(maxID+1, " ", `"x" "y"`) + ")", taken: "a OK", refused: "a BAD"},
		{name: "fields of ID", login: true, within: "ID (" + many(maxID, " ", `"x" "y"`) + ")", beyond: "ID (" + many(maxID+1, " ", `"x" "y"`) + ")", taken: "a OK", refused: "a BAD"},
		{name: "SASL response", within: "AUTHENTICATE PLAIN", inside: plain(login.MaxResponse), taken: "a NO [AUTH",
			beyond: "AUTHENTICATE PLAIN", outside: plain(login.MaxResponse + 4), refused: "a BAD"},
		{name: "nesting", login: true, within: "SEARCH " + nested(maxSearchDepth), beyond: "SEARCH " + nested(maxSearchDepth+1), taken: "a OK", refused: "a BAD"},
		{name: "NOT", login: true, within: "SEARCH " + strings.Repeat("NOT ", maxSearchDepth) + "ALL", beyond: "SEARCH " + strings.Repeat("NOT ", maxSearchDepth+1) + "ALL",
			taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "search keys", login: true, within: "SEARCH " + many(maxSearchKeys, " ", "ALL"), beyond: "SEARCH " + many(maxSearchKeys+1, " ", "ALL"), taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "texts", login: true, within: "SEARCH " + texts(maxSearchTexts), beyond: "SEARCH " + texts(maxSearchTexts+1), taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "sets", login: true, within: "FETCH " + many((maxCommand-15)/2, ",", "1") + " UID", beyond: "FETCH " + many((maxCommand-15)/2+3, ",", "1") + " UID", taken: "a OK", refused: "a BAD [LIMIT]"},
		{name: "sections", login: true, within: "FETCH 1 (" + many(maxSections, " ", "BODY.PEEK[1]") + ")", beyond: "FETCH 1 (" + many(maxSections+1, " ", "BODY.PEEK[1]") + ")", taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "criteria", login: true, within: "SORT (" + many(maxCriteria, " ", "DATE") + ") UTF-8 ALL", beyond: "SORT (" + many(maxCriteria+1, " ", "DATE") + ") UTF-8 ALL", taken: "a OK", refused: "a"},
		{name: "messages", login: true, within: "APPEND Trash " + many(maxAppends, " ", "{1+}\r\nx"), beyond: "APPEND Trash " + many(maxAppends+1, " ", "{1+}\r\nx"), taken: "a OK", refused: "a NO [LIMIT]"},
		{name: "event groups", login: true, within: "NOTIFY SET " + many(maxGroups, " ", "(inboxes (MailboxName))"), beyond: "NOTIFY SET " + many(maxGroups+1, " ", "(inboxes (MailboxName))"), taken: "a OK",
			refused: "a NO [NOTIFICATIONOVERFLOW]"},
		{name: "sources", login: true, within: "ESEARCH IN (mailboxes (" + many(maxSources-1, " ", "x") + ")) ALL", beyond: "ESEARCH IN (mailboxes (" + many(maxSources, " ", "x") + ")) ALL", taken: "a OK", refused: "a"},
	} {
		for _, try := range []struct{ text, then, want string }{{tt.within, tt.inside, tt.taken}, {tt.beyond, tt.outside, tt.refused}} {
			r := w.raw(tt.login)
			if tt.login {
				r.ask("s", "SELECT INBOX")
			}
			r.say("a " + try.text + "\r\n")
			if try.then != "" {
				r.line()
				r.say(try.then + "\r\n")
			}
			r.say("b NOOP\r\n")
			got := r.answer("b")
			found := ""
			for _, line := range got {
				if strings.HasPrefix(line, try.want) {
					found = line
				}
			}
			if found == "" || try.want == "a" && strings.HasPrefix(found, "a OK") || r.err != nil {
				t.Errorf("%s, logged in %v: %.80q: %.300q, want %s", tt.name, tt.login, try.text, got, try.want)
			}
			r.Close()
		}
	}
}

// Too much that is no command ends the session: soon before login, and later after it.
func TestTooManyMistakesEndASession(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		login   bool
		line    string
		allowed int
	}{{false, "a UNHEARD", maxStrikes}, {true, "a UNHEARD", maxMistakes}, {false, "(", maxMistakes}, {true, "(", maxMistakes}} {
		r := w.raw(tt.login)
		for i := range tt.allowed + 1 {
			r.say(tt.line + "\r\n")
			if got := r.line(); !strings.Contains(got, "BAD") {
				t.Errorf("%s, %v, %d: %q", tt.line, tt.login, i, got)
			}
			if i < tt.allowed {
				if got := r.ask("n", "NOOP"); !strings.HasPrefix(got[len(got)-1], "n OK") {
					t.Fatalf("%s, %v, %d: %q", tt.line, tt.login, i, got)
				}
			}
		}
		if got := r.line(); !strings.HasPrefix(got, "* BYE") {
			t.Errorf("%s, %v: %q", tt.line, tt.login, got)
		}
	}
}
