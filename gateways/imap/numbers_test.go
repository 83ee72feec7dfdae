package imap

import (
	"slices"
	"strings"
	"testing"
)

// While one session has seen four messages, another expunges the first and moves the
// second. Whatever the first then says of number 3 is about the message that was number 3
// to it, whose UID is 3, and what it says of number 2 is about none.
//
// RFC 9051, section 2.3.1.2: message sequence numbers can be reassigned during the session.
func TestEachCommandNamesTheMessageThatTheClientSaw(t *testing.T) {
	const replaced = "REPLACE 3 INBOX {4+}\r\nmore"
	for _, tt := range []struct {
		command string
		want    []string // of what is told, some lines of it
		there   string   // UIDs in INBOX afterwards
	}{
		{"FETCH 3 UID", []string{"* 3 FETCH (UID 3)"}, "3 4"},
		{"UID FETCH 3 UID", []string{"* 3 FETCH (UID 3)"}, "3 4"},
		{"STORE 3 +FLAGS (\\Flagged)", []string{"* 3 FETCH (UID 3 FLAGS (\\Flagged))"}, "3 4"},
		{"STORE 2 +FLAGS (\\Flagged)", nil, "3 4"},
		{"UID STORE 3 +FLAGS (\\Flagged)", []string{"* 3 FETCH (UID 3 FLAGS (\\Flagged))"}, "3 4"},
		{"UID SEARCH 3", []string{"* SEARCH 3"}, "3 4"},
		{"UID SEARCH 2", []string{"* SEARCH"}, "3 4"},
		{"SEARCH UID 3", []string{"* SEARCH 3"}, "3 4"},
		{"UID SORT (ARRIVAL) UTF-8 3", []string{"* SORT 3"}, "3 4"},
		{"UID THREAD ORDEREDSUBJECT UTF-8 3", []string{"* THREAD (3)"}, "3 4"},
		{"COPY 3 INBOX", nil, "3 4 5"},
		{"COPY 2 INBOX", nil, "3 4"},
		{"UID COPY 3 INBOX", nil, "3 4 5"},
		{"MOVE 3 Archive", nil, "4"},
		{"MOVE 2 Archive", nil, "3 4"},
		{"UID MOVE 3 Archive", nil, "4"},
		{"UID EXPUNGE 3", nil, "3 4"},
		{"EXPUNGE", []string{"* 1 EXPUNGE"}, "3 4"},
		{replaced, nil, "4 5"},
		{"CLOSE", nil, "3 4"},
	} {
		t.Run(strings.Fields(tt.command)[0]+" "+tt.command[:min(len(tt.command), 12)], func(t *testing.T) {
			w := newWorld(t)
			fill(w, 4)
			a, b := w.raw(true), w.raw(true)
			a.ask("s", "SELECT INBOX")
			b.ask("s", "SELECT INBOX")
			b.ask("b1", `STORE 1 +FLAGS.SILENT (\Deleted)`)
			b.ask("b2", "EXPUNGE")
			b.ask("b3", "UID MOVE 2 Trash")
			got := a.ask("a1", tt.command)
			for _, line := range tt.want {
				if !slices.Contains(got, line) {
					t.Errorf("%q has no %q", got, line)
				}
			}
			if strings.HasPrefix(got[len(got)-1], "a1 BAD") {
				t.Errorf("%q", got)
			}
			b.ask("b4", "NOOP")
			found := b.ask("b5", "UID SEARCH ALL")
			if there := strings.TrimPrefix(found[0], "* SEARCH "); there != tt.there {
				t.Errorf("in the mailbox is %s, want %s; told %q", there, tt.there, got)
			}
			if flagged := b.ask("b6", "UID SEARCH FLAGGED"); strings.Contains(tt.command, "Flagged") && !strings.Contains(tt.command, "STORE 2") != (flagged[0] == "* SEARCH 3") {
				t.Errorf("flagged are %q", flagged)
			}
		})
	}
}
