package service_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/tests/world"
)

// loginIMAP opens a session of a real client.
func loginIMAP(t *testing.T, w *world.World, user string) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(w.Address("imaps"), &imapclient.Options{TLSConfig: w.TLS()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Login(user, world.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

// mailboxes gives all that an IMAP client sees of the user's mail: by mailbox, flags, date
// and octets of each message.
func mailboxes(t *testing.T, w *world.World, user string) map[string][]string {
	t.Helper()
	c := loginIMAP(t, w, user)
	defer c.Close()
	boxes, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, box := range boxes {
		if _, err := c.Select(box.Mailbox, &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
			t.Fatal(err)
		}
		list := []string{}
		found, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{Flags: true, InternalDate: true,
			BodySection: []*imap.FetchItemBodySection{{Peek: true}}}).Collect()
		if err != nil && !strings.Contains(err.Error(), "BADUID") && !strings.Contains(err.Error(), "sequence") {
			t.Fatal(err)
		}
		for _, m := range found {
			slices.Sort(m.Flags)
			list = append(list, fmt.Sprintf("%v %s %q", m.Flags, m.InternalDate.UTC().Format(time.RFC3339), m.BodySection[0].Bytes))
		}
		slices.Sort(list)
		all[box.Mailbox] = list
	}
	return all
}

// moved is a mailbox that every form of archive can hold.
func moved() []archive.Message {
	at := func(day int) time.Time { return time.Date(2019, 3, day, 7, 30, 15, 0, time.UTC) }
	text := func(subject string) *strings.Reader {
		return strings.NewReader("From: a@example.org\r\nSubject: " + subject + "\r\n\r\nFrom here on\r\n>From there\r\n")
	}
	return []archive.Message{
		{Mailbox: "INBOX", Flags: []string{`\Seen`, `\Answered`}, Date: at(1), Body: text("one")},
		{Mailbox: "INBOX", Date: at(2), Body: text("two")},
		{Mailbox: "INBOX", Date: at(3), Body: text("twice")},
		{Mailbox: "INBOX", Date: at(3), Body: text("twice")},
		{Mailbox: "Sent", Flags: []string{`\Seen`}, Date: at(4), Body: text("sent")},
		{Mailbox: "Projects/Große Pläne & mehr", Flags: []string{`\Flagged`, "$Forwarded", "later"}, Date: at(5), Body: text("plans")},
		{Mailbox: "Projects/Large", Date: at(6), Body: strings.NewReader("Subject: large\r\n\r\n" + strings.Repeat("a line of a large message\r\n", 400_000))},
	}
}

func writeArchive(t *testing.T, format archive.Format, messages []archive.Message) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "archive")
	w, err := archive.Create(format, path, archive.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Mailbox("Empty/Below"); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMailMovesInAndOut(t *testing.T) {
	w := world.New(t)
	var first map[string][]string
	for _, format := range []archive.Format{archive.Maildir, archive.Mbox, archive.EML, archive.Zip} {
		t.Run(string(format), func(t *testing.T) {
			user, other := string(format)+"@demo.test", string(format)+".2@demo.test"
			w.Account(user)
			w.Account(other)
			path := writeArchive(t, format, moved())
			if out := w.Godwit("import", user, path, "--dry-run"); !strings.Contains(out, "would be imported: 7 messages") {
				t.Errorf("the dry run says %q", out)
			}
			if got := mailboxes(t, w, user); len(got) != 6 || len(got["INBOX"]) != 0 {
				t.Errorf("the dry run made %v", got)
			}
			if out := w.Godwit("import", user, path); !strings.Contains(out, "imported: 7 messages (10.8 MB)") {
				t.Errorf("the import says %q", out)
			}
			there := mailboxes(t, w, user)
			if first == nil {
				first = there
				if len(there["INBOX"]) != 4 || !strings.HasPrefix(there["INBOX"][0], `[\Answered \Seen] 2019-03-01T07:30:15Z "From: a@`) || len(there["Projects/Große Pläne & mehr"]) != 1 {
					t.Errorf("an IMAP client sees %.300q", there["INBOX"])
				}
				if names := slices.Sorted(maps.Keys(there)); len(names) != 11 {
					t.Errorf("the mailboxes are %q", names)
				}
			} else if d := cmp.Diff(first, there); d != "" {
				t.Errorf("it differs from another form's (-want +got):\n%.2000s", d)
			}
			// Nothing comes again, whatever became of it.
			c := loginIMAP(t, w, user)
			if _, err := c.Select("INBOX", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Move(imap.SeqSetNum(2), "Archive").Wait(); err != nil {
				t.Fatal(err)
			}
			if err := c.Store(imap.SeqSetNum(1), &imap.StoreFlags{Op: imap.StoreFlagsSet, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
				t.Fatal(err)
			}
			if err := c.Expunge().Close(); err != nil {
				t.Fatal(err)
			}
			changed := mailboxes(t, w, user)
			if out := w.Godwit("import", user, path); !strings.Contains(out, "imported: 0 messages") || !strings.Contains(out, "already there: 7 messages") {
				t.Errorf("the second import says %q", out)
			}
			if d := cmp.Diff(changed, mailboxes(t, w, user)); d != "" {
				t.Errorf("the second import changed (-want +got):\n%.2000s", d)
			}
			// What goes out comes in elsewhere as it was.
			out := filepath.Join(t.TempDir(), "out")
			if said := w.Godwit("export", user, out, "--format", string(format)); !strings.Contains(said, "exported: 6 messages (10.8 MB)") {
				t.Errorf("the export says %q", said)
			}
			w.Godwit("import", other, out)
			if d := cmp.Diff(changed, mailboxes(t, w, other)); d != "" {
				t.Errorf("after export and import (-want +got):\n%.2000s", d)
			}
			if left, err := filepath.Glob(filepath.Join(filepath.Dir(out), "*")); err != nil || len(left) != 1 {
				t.Errorf("the export left %v", left)
			}
		})
	}
}

func TestImportOfAPartIntoAMailbox(t *testing.T) {
	w := world.New(t)
	path := writeArchive(t, archive.EML, moved()[:6])
	w.Godwit("import", world.Alice, path, "--mailbox", "Projects", "--mailbox", "inbox", "--into", "Old/2019")
	there := mailboxes(t, w, world.Alice)
	if len(there["Old/2019"]) != 4 || len(there["Old/2019/Projects/Große Pläne & mehr"]) != 1 || len(there["Sent"]) != 0 || there["Old/2019/Sent"] != nil {
		t.Errorf("there is %q", slices.Sorted(maps.Keys(there)))
	}
	out := filepath.Join(t.TempDir(), "out.zip")
	if said := w.Godwit("export", world.Alice, out, "--mailbox", "Old/2019/Projects"); !strings.Contains(said, "exported: 1 message (") {
		t.Errorf("the export says %q", said)
	}
	if info, err := os.Stat(out); err != nil || info.Size() == 0 {
		t.Error(err)
	}
}
