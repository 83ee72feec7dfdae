//go:build clients && !localstack

package clients_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// muttReadsAndWrites sits at mutt's screen: it flags, deletes, copies all, and comes back
// to a mailbox whose headers it still has.
func muttReadsAndWrites(st *station) {
	c := st.client()
	st.fill(c)
	rc := st.write("muttrc", fmt.Sprintf("set folder=imaps://%[1]s:%[2]s/\nset spoolfile=+INBOX\nset imap_user=%[3]s\nset imap_pass=%[4]s\nset certificate_file=%[5]s\n"+
		"set header_cache=%[6]s\nset message_cachedir=%[6]s\nset confirmappend=no\nset delete=yes\nset quit=yes\nset move=no\n"+
		"set imap_qresync=yes\nset wait_key=no\nset mark_old=no\nset beep=no\nset sort=mailbox-order\n", st.host, st.port, st.user, st.password, st.cert, filepath.Join(st.dir, "cache")))
	screen := func(args ...string) string {
		return st.run("tmux", append([]string{"-S", filepath.Join(st.dir, "tmux"), "-f", "/dev/null"}, args...)...)
	}
	screen("new-session", "-d", "-s", "keep", "-x", "120", "-y", "30")
	defer screen("kill-server")
	shows := func(want string) {
		st.t.Helper()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(90 * time.Second); ; <-tick.C {
			got := screen("capture-pane", "-p", "-t", "mutt")
			if strings.Contains(got, want) {
				return
			}
			if time.Now().After(end) {
				st.t.Fatalf("mutt does not show %q:\n%s", want, got)
			}
		}
	}
	open := func() {
		screen("new-session", "-d", "-s", "mutt", "-x", "120", "-y", "30", "mutt -F "+rc)
		shows(fmt.Sprintf("Msgs:%d", st.messages(c, "INBOX")))
	}
	closed := func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for strings.Contains(screen("list-sessions"), "mutt:") {
			<-tick.C
		}
	}
	open()
	// F flags the first, d deletes the second; ~A and ;C copy all.
	screen("send-keys", "-t", "mutt", "1", "Enter")
	screen("send-keys", "-t", "mutt", "F", "d")
	screen("send-keys", "-t", "mutt", "T", "~A", "Enter", `\;`, "C")
	shows("Copy tagged")
	screen("send-keys", "-t", "mutt", "C-u", "=Archive", "Enter")
	shows("Msgs:")
	screen("send-keys", "-t", "mutt", "q")
	closed()
	if n, f := st.messages(c, "INBOX"), st.messages(c, "INBOX", imap.FlagFlagged); n != st.count-1 || f != 1 {
		st.t.Errorf("mutt left %d messages, %d flagged", n, f)
	}
	if n := st.messages(c, "Archive"); n < st.count-1 {
		st.t.Errorf("mutt copied %d messages", n)
	}
	before := st.down.Load()
	open()
	if got := st.down.Load() - before; got > int64(st.count)*200 {
		st.t.Errorf("coming back brought %d octets", got)
	}
	screen("send-keys", "-t", "mutt", "q")
	closed()
}
