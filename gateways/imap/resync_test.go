package imap

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// number finds the number in a line that a pattern matches.
func number(t *testing.T, lines []string, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for _, line := range lines {
		if m := re.FindStringSubmatch(line); m != nil {
			return m[1]
		}
	}
	t.Fatalf("no %s in %q", pattern, lines)
	return ""
}

func TestAClientThatComesBackIsToldWhatItMissed(t *testing.T) {
	w := newWorld(t)
	fill(w, 5)
	r := w.raw(true)
	r.ask("a", "ENABLE QRESYNC")
	got := r.ask("b", "SELECT INBOX")
	validity, highest := number(t, got, `UIDVALIDITY ([0-9]+)`), number(t, got, `HIGHESTMODSEQ ([0-9]+)`)
	r.ask("c", "UNSELECT")
	other := w.raw(true)
	other.ask("a", "SELECT INBOX")
	other.ask("b", `STORE 1,3 +FLAGS (\Deleted)`)
	other.ask("c", "EXPUNGE")
	other.ask("d", `UID STORE 4 +FLAGS (\Flagged)`)
	w.deliver("", "Subject: new\r\n\r\nnew\r\n")
	for _, tt := range []struct {
		known string
		want  []string
	}{
		{"", []string{"* VANISHED (EARLIER) 1,3", `* 2 FETCH (UID 4 FLAGS (\Flagged) MODSEQ (N))`, `* 4 FETCH (UID 6 FLAGS () MODSEQ (N))`}},
		{" 1:2", []string{"* VANISHED (EARLIER) 1"}},
		{" 3:* (1:2 4:5)", []string{"* VANISHED (EARLIER) 3", `* 2 FETCH (UID 4 FLAGS (\Flagged) MODSEQ (N))`, `* 4 FETCH (UID 6 FLAGS () MODSEQ (N))`}},
		{" 4294967295", nil},
	} {
		lines := r.ask("d", fmt.Sprintf("SELECT INBOX (QRESYNC (%s %s%s))", validity, highest, tt.known))
		var news []string
		for _, l := range lines {
			if strings.Contains(l, "VANISHED") || strings.Contains(l, "FETCH") {
				news = append(news, regexp.MustCompile(`MODSEQ \([0-9]+\)`).ReplaceAllString(l, "MODSEQ (N)"))
			}
		}
		if diff := cmp.Diff(tt.want, news); diff != "" {
			t.Errorf("%q: %s", tt.known, diff)
		}
	}
}

// Lines of UIDs that have vanished stay short enough for clients with fixed buffers.
func TestVanishedUIDsComeInShortLines(t *testing.T) {
	var out bytes.Buffer
	s := &session{conn: &conn{}}
	s.conn.w.Out, s.conn.w.Buffers = &out, &wire.Buffers{}
	var odd []account.Range
	var want []string
	for uid := uint32(1); uid < 100_000; uid += 3 {
		odd = append(odd, account.Range{First: uid, Last: uid + 1})
		want = append(want, fmt.Sprintf("%d:%d", uid, uid+1))
	}
	s.writeVanished("* VANISHED ", odd)
	if err := s.w().Flush(); err != nil {
		t.Fatal(err)
	}
	var gone []string
	for line := range strings.Lines(out.String()) {
		set, ok := strings.CutPrefix(line, "* VANISHED ")
		if !ok || len(line) > 8192 {
			t.Errorf("a line of %d octets: %.20q", len(line), line)
		}
		gone = append(gone, strings.Split(strings.TrimSuffix(set, "\r\n"), ",")...)
	}
	if diff := cmp.Diff(want, gone); diff != "" {
		t.Error(diff)
	}
}
