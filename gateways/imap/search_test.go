package imap

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/mail/collate"
)

func TestSearchFindsWhatItShould(t *testing.T) {
	w := newWorld(t)
	c := w.client(nil)
	appendTo(t, c, "INBOX", "From: Ann <ann@example.net>\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\nDate: Sun, 1 Mar 2026 23:30:00 -0800\r\n"+
		"X-Odd: strange value\r\n\r\nplain words here\r\n", imap.FlagSeen)
	appendTo(t, c, "INBOX", multipart, imap.FlagFlagged, "$Label")
	appendTo(t, c, "INBOX", "Subject: long\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"+
		wrap(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 70_000)+" NÄDEL end")))+"\r\n", imap.FlagSeen, imap.FlagDeleted)
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ keys, want string }{
		{"ALL", "1 2 3"}, {"SEEN", "1 3"}, {"UNSEEN", "2"}, {"DELETED", "3"}, {"KEYWORD $label", "2"}, {"UNKEYWORD $Label", "1 3"},
		{"RECENT", ""}, {"OLD", "1 2 3"}, {"NEW", ""}, {"NOT SEEN", "2"}, {"OR FLAGGED DELETED", "2 3"}, {"NOT OR FLAGGED DELETED", "1"},
		{"NOT NOT SEEN", "1 3"}, {"2:*", "2 3"}, {"9:*", "3"}, {"UID 2", "2"}, {"UID 90:*", "3"}, {"NOT 1", "2 3"}, {"7", ""},
		{"LARGER 10000", "3"}, {"SMALLER 10000", "1 2"}, {"SMALLER 200 SINCE 1-Jan-2000", "1"}, {"OR SMALLER 200 LARGER 10000", "1 3"}, {"SMALLER 0", ""},
		{"SINCE 1-Jan-2026", "1 2 3"}, {"BEFORE 1-Jan-2026", ""}, {"SENTON 1-Mar-2026", "1"}, {"SENTSINCE 2-Mar-2026", "2"}, {"SENTBEFORE 3-Mar-2026", "1"},
		{"FROM ann", "1 2"}, {"FROM ANN@EXAMPLE.NET SEEN", "1"}, {"SUBJECT {6+}\r\ngrüß", "1 2"}, {`HEADER X-Odd "strange"`, "1"},
		{`HEADER X-Odd ""`, "1 2"}, {`HEADER "In-Reply-To" ""`, ""}, {"TO team", "2"},
		{"BODY words", "1"}, {"BODY subject", "2"}, {"TEXT subject", "1 2 3"}, {"BODY {9+}\r\nSCHÖNE G", "2"}, {"BODY {6+}\r\nnädel ", "3"}, {"BODY AAEC", ""},
		{"TEXT inner", "2"}, {"BODY words BODY here", "1"}, {"BODY words BODY nowhere", ""}, {"NOT BODY words", "2 3"}, {"OR BODY words DELETED", "1 3"},
	} {
		got, err := searchRaw(w, tt.keys)
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, wanted %q, %v", tt.keys, got, tt.want, err)
		}
	}
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return b.String() + s
}

// searchRaw searches INBOX with search keys as they are written.
func searchRaw(w *world, keys string) (string, error) {
	var nums string
	d := w.dialog()
	c, err := d.Dial(w.t.Context(), "imaps")
	if err != nil {
		return "", err
	}
	raw := newRaw(c, d.TLS)
	defer raw.Close()
	raw.ask("a1", fmt.Sprintf("LOGIN %s %q", w.id.Address, testPassword))
	raw.ask("a2", "EXAMINE INBOX")
	for _, line := range raw.ask("a3", "SEARCH CHARSET UTF-8 "+keys) {
		if rest, ok := strings.CutPrefix(line, "* SEARCH"); ok {
			nums = strings.TrimSpace(rest)
		} else if strings.HasPrefix(line, "a3 ") && !strings.HasPrefix(line, "a3 OK") {
			return nums, fmt.Errorf("%s", line)
		}
	}
	return nums, raw.err
}

func TestAMatchAcrossChunksAndCharactersIsFound(t *testing.T) {
	for _, pad := range []int{0, 1, 32<<10 - 3, 32<<10 - 2, 32<<10 - 1, 32 << 10, 64<<10 - 2} {
		text := strings.Repeat("x", pad) + "äöÜ needle"
		if !streamContains(strings.NewReader(text), collate.Key("öü nee")) {
			t.Errorf("not found after %d", pad)
		}
		if streamContains(strings.NewReader(text), collate.Key("öü nex")) {
			t.Errorf("found what is not there, after %d", pad)
		}
	}
}

func TestListPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"%", "a/b", false}, {"%", "a", true}, {"a/%", "a/b", true}, {"a/%", "a/b/c", false}, {"a*", "a/b/c", true},
		{"%/c", "a/b/c", false}, {"%/%/c", "a/b/c", true}, {"", "", true}, {"INBOX", "INBOX", true}, {"a*c", "abd", false},
		{strings.Repeat("*a", 500), strings.Repeat("a", 499) + "b", false},
	} {
		if got := match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%.20q matches %.20q: %v", tt.pattern, tt.name, got)
		}
	}
}
