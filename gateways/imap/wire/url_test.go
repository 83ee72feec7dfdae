package wire

import (
	"strings"
	"testing"
)

func TestURLsThatNameAMessage(t *testing.T) {
	for text, want := range map[string]URL{
		"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER":  {Mailbox: "Drafts", UIDValidity: 385759045, UID: 20, Section: "HEADER"},
		"/INBOX;UIDVALIDITY=785799047/;UID=113330;section=1.5.9": {Mailbox: "INBOX", UIDValidity: 785799047, UID: 113330, Section: "1.5.9"},
		"/a/b%3Bc%20%C3%A4/;uid=1":                               {Mailbox: "a/b;c ä", UID: 1},
		";UID=7":                                                 {Relative: true, UID: 7},
		"/;UID=7":                                                {Relative: true, UID: 7},
		"other/;UID=7":                                           {Relative: true, Mailbox: "other", UID: 7},
		"/INBOX/;UID=20/;SECTION=HEADER.FIELDS%20(To)/;PARTIAL=1024.4294967": {Mailbox: "INBOX", UID: 20, Section: "HEADER.FIELDS (To)", Cut: true, Off: 1024, Size: 4294967},
		"/INBOX/;UID=20/;PARTIAL=0": {Mailbox: "INBOX", UID: 20, Cut: true},
	} {
		if got, ok := ParseURL(text); !ok || got != want {
			t.Errorf("%s: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "/", "/INBOX", "/INBOX/;UID=0", "/INBOX/;UID=", "/INBOX/;UID=-1", "/INBOX/;UID=+1", "/INBOX/;UID=4294967296",
		"//host/INBOX/;UID=1", "imap://host/INBOX/;UID=1", "/INBOX/;UID=1/;UID=2", "/INBOX/;SECTION=1/;UID=1", "/INBOX;UID=1/;UIDVALIDITY=1",
		"/INBOX/;UID=1/;SECTION=", "/INBOX/;UID=1/;SECTION=1]", "/INBOX/;UID=1/;SECTION=%5D", "/INBOX/;UID=1/;PARTIAL=1.0", "/INBOX/;UID=1/;PARTIAL=x",
		"/INBOX/;UID=1;EXPIRE=2026-01-01T00:00:00Z", "/INBOX/;UID=1;URLAUTH=anonymous", "/%zz/;UID=1", "/%FF/;UID=1", "/a%0Ab/;UID=1", "/a b/;UID=1"} {
		if got, ok := ParseURL(text); ok {
			t.Errorf("%q is taken: %+v", text, got)
		}
	}
}

// FuzzURL: whatever is taken names one message, and nothing that could leave its place in a
// command or response.
func FuzzURL(f *testing.F) {
	f.Add("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME/;PARTIAL=1.2")
	f.Add(";UID=1")
	f.Fuzz(func(t *testing.T, s string) {
		u, ok := ParseURL(s)
		if ok && (u.UID == 0 || u.Off < 0 || u.Size < 0 || strings.ContainsAny(u.Mailbox+u.Section, "\x00\r\n") || strings.Contains(u.Section, "]")) {
			t.Errorf("%q: %+v", s, u)
		}
	})
}
