//go:build clients

package archive_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/archive"
)

// reading prints what Python finds in a Maildir or in mbox files, a JSON line each.
const reading = `
import mailbox, sys, json, os
kind, path = sys.argv[1:]
def show(name, m, key):
    msg = m[key]
    body = m.get_bytes(key)
    print(json.dumps({"Mailbox": name, "Flags": "".join(sorted(msg.get_flags())), "Body": body.decode("latin-1"),
        "Date": int(msg.get_date()) if kind == "maildir" else msg.get_from()}))
if kind == "maildir":
    m = mailbox.Maildir(path, create=False)
    for key in sorted(m.keys()): show("INBOX", m, key)
    for f in sorted(m.list_folders()):
        for key in sorted(m.get_folder(f).keys()): show(f, m.get_folder(f), key)
else:
    for f in sorted(os.listdir(path)):
        if f.endswith(".mbox"):
            m = mailbox.mbox(os.path.join(path, f), create=False)
            for key in sorted(m.keys()): show(f, m, key)
`

func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("python3", append([]string{"-c", script}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	return out
}

var forClients = []mail{
	{"INBOX", []string{`\Answered`, `\Seen`}, time.Unix(1_400_000_000, 0).UTC(), "Subject: one\r\n\r\nFrom here\r\n>From there\r\n"},
	{"INBOX", nil, time.Unix(1_400_000_001, 0).UTC(), "Subject: two\r\n\r\n\x00\xff\r\n"},
	{"Entwürfe", []string{`\Draft`, `\Flagged`}, time.Unix(1_400_000_002, 0).UTC(), "Subject: three\r\n\r\nno end"},
}

func TestPythonReadsWhatWeWrite(t *testing.T) {
	type seen struct {
		Mailbox, Flags, Body string
		Date                 any
	}
	for format, want := range map[archive.Format][]seen{
		archive.Maildir: {
			{"INBOX", "RS", "Subject: one\n\nFrom here\n>From there\n", 1.4e9}, {"INBOX", "", "Subject: two\n\n\x00ÿ\n", 1.4e9 + 1}, {"Entw&APw-rfe", "DF", "Subject: three\n\nno end", 1.4e9 + 2},
		},
		archive.Mbox: { // Python does not undo quoting
			{"Entwürfe.mbox", "FOT", "Status: O\nX-Status: TF\nSubject: three\n\nno end", "MAILER-DAEMON Tue May 13 16:53:22 2014"},
			{"INBOX.mbox", "AOR", "Status: RO\nX-Status: A\nSubject: one\n\n>From here\n>>From there\n", "MAILER-DAEMON Tue May 13 16:53:20 2014"},
			{"INBOX.mbox", "O", "Status: O\nSubject: two\n\n\x00ÿ\n", "MAILER-DAEMON Tue May 13 16:53:21 2014"},
		},
	} {
		path := filepath.Join(t.TempDir(), "out")
		create(t, format, path, archive.WriteOptions{StatusFields: true}, forClients)
		var got []seen
		for line := range bytes.Lines(python(t, reading, string(format), path)) {
			var s seen
			if err := json.Unmarshal(line, &s); err != nil {
				t.Fatal(err)
			}
			got = append(got, s)
		}
		for i := range got {
			if format == archive.Mbox && got[i].Mailbox == "Entwürfe.mbox" {
				got[i].Body = strings.TrimSuffix(got[i].Body, "\n") // the form has no place for a missing line end
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

const writing = `
import mailbox, sys
kind, path = sys.argv[1:]
def fill(m, kind):
    for n, (flags, body) in enumerate([("S", b"Subject: one\n\nFrom here\n"), ("FR" if kind == mailbox.MaildirMessage else "AF", b"Subject: two\n\n\x00\xff\nend\n"), ("", b"Subject: three\n\n")]):
        msg = kind(body)
        if kind == mailbox.MaildirMessage:
            msg.set_flags(flags); msg.set_subdir("cur"); msg.set_date(1400000000 + n)
        else:
            msg.set_flags(flags.replace("S", "R")); msg.set_from("a@b.test", (2014, 5, 13, 16, 53, 20 + n, 1, 133, 0))
        m.add(msg)
    m.flush()
if kind == "maildir":
    m = mailbox.Maildir(path)
    fill(m.add_folder("Old.Ones"), mailbox.MaildirMessage)
else:
    m = mailbox.mbox(path)
    fill(m, mailbox.mboxMessage)
`

func TestWeReadWhatPythonWrites(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(1_400_000_000+n, 0).UTC() }
	for format, want := range map[string][]mail{
		"maildir": {
			{"Old/Ones", []string{`\Seen`}, at(0), "Subject: one\r\n\r\nFrom here\r\n"}, {"Old/Ones", []string{`\Answered`, `\Flagged`}, at(1), "Subject: two\r\n\r\n\x00\xff\r\nend\r\n"},
			{"Old/Ones", nil, at(2), "Subject: three\r\n\r\n"},
		},
		"mbox": {
			{"x", []string{`\Seen`}, at(0), "Subject: one\r\nStatus: R\r\nX-Status: \r\n\r\nFrom here\r\n"}, {"x", []string{`\Answered`, `\Flagged`}, at(1), "Subject: two\r\nStatus: \r\nX-Status: FA\r\n\r\n\x00\xff\r\nend\r\n"},
			{"x", nil, at(2), "Subject: three\r\nStatus: \r\nX-Status: \r\n\r\n"},
		},
	} {
		path := filepath.Join(t.TempDir(), "x.mbox")
		python(t, writing, format, path)
		r := open(t, path, archive.Options{})
		got, faults := all(t, r)
		r.Close()
		if diff := cmp.Diff(inOrder(want), inOrder(got)); diff != "" || faults != nil {
			b, _ := os.ReadFile(path)
			t.Errorf("%s: %v %s%s", format, faults, diff, b)
		}
	}
}
