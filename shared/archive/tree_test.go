package archive_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// lay makes files, and folders of names that end with "/"; their times are fixed.
func lay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(full, 0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1_500_000_000, 0)
		if err := os.Chtimes(full, at, at); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMaildirsOfManyPrograms(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"Dovecot": {map[string]string{
			"cur/1400000000.M1P2.host,S=4,W=5:2,FRSab": "A: 1\n", "dovecot-keywords": "0 $Label1\n1 work\n2 unused\n", "dovecot-uidlist": "3 V1 N2\n",
			"new/1400000001.M1P2.host": "A: 2\r\nB: mixed\n", "tmp/1400000002.M1P2.host": "half", "cur/.hidden": "x",
			"cur/1600000000.M1P2.host:2,DTP": "A: appended\n", "cur/oddly named": "A: 3\n", "subscriptions": "Sent\n",
			".Sent/cur/1400000003.x.y:2,Sc": "A: 4\n", ".Sent/new/": "", ".Sent/tmp/": "", ".A.B&-C.&ZeVnLIqe-/cur/1.x.y:2,": "A: 5\n", ".A.B&-C.&ZeVnLIqe-/new/": "",
			".Plain ütf/cur/": "", ".Plain ütf/new/": "", ".no mailbox/x": "y",
		}, `
== cur/oddly named in INBOX

2017-07-14T02:40:00Z by file time
A: 3$
|
== cur/1400000000.M1P2.host,S=4,W=5:2,FRSab in INBOX
\Answered \Flagged \Seen $Label1 work
2014-05-13T16:53:20Z by file name
A: 1$
|
== new/1400000001.M1P2.host in INBOX

2014-05-13T16:53:21Z by file name
A: 2$
B: mixed$
|
== cur/1600000000.M1P2.host:2,DTP in INBOX
\Deleted \Draft $Forwarded
2017-07-14T02:40:00Z by file time
A: appended$
|
== .A.B&-C.&ZeVnLIqe-/cur/1.x.y:2, in A/B&C/日本語

1970-01-01T00:00:01Z by file name
A: 5$
|
== .Sent/cur/1400000003.x.y:2,Sc in Sent
\Seen
2014-05-13T16:53:23Z by file name
A: 4$
|
mailboxes: INBOX, A/B&C/日本語, Plain ütf, Sent
`},
		"folders in folders": {map[string]string{
			"cur/": "", "new/": "", "Lists/Go/cur/1400000000.x.y;2,S": "A: 1\n", "Lists/Go/new/": "", "Lists/v1.2/cur/": "", "Lists/v1.2/tmp/": "",
		}, `
== Lists/Go/cur/1400000000.x.y;2,S in Lists/Go
\Seen
2014-05-13T16:53:20Z by file name
A: 1$
|
mailboxes: INBOX, Lists/Go, Lists/v1.2
`},
		"mbsync": {map[string]string{
			"Inbox/cur/1400000000.x.y!2,S": "A: 1\n", "Inbox/new/": "", "Sent/cur/": "", "Sent/new/": "", "Sent/.Old/cur/1400000000.x.y:2,": "A: 2\n", "Sent/.Old/new/": "",
		}, `
== Inbox/cur/1400000000.x.y!2,S in INBOX
\Seen
2014-05-13T16:53:20Z by file name
A: 1$
|
== Sent/.Old/cur/1400000000.x.y:2, in Sent/Old

2014-05-13T16:53:20Z by file name
A: 2$
|
mailboxes: INBOX, Sent, Sent/Old
`},
		"eml": {map[string]string{
			"top.eml": "Received: from a by b; Mon, 6 Nov 2023 12:00:00 +0100\nDate: Mon, 6 Nov 2023 10:00:00 +0000\n\nx", "Sent Items/a.EML": "Date: Mon, 6 Nov 2023 10:00:00 +0000\n",
			"Sent Items/100%/b.eml": "\xef\xbb\xbfno header", "Sent Items/readme.txt": "no mail", "caf\xe9%2Fx/c.eml": "",
		}, `
== top.eml in INBOX

2023-11-06T11:00:00Z by Received field
Received: from a by b; Mon, 6 Nov 2023 12:00:00 +0100$
Date: Mon, 6 Nov 2023 10:00:00 +0000$
$
x|
== Sent Items/a.EML in Sent Items

2023-11-06T10:00:00Z by Date field
Date: Mon, 6 Nov 2023 10:00:00 +0000$
|
== Sent Items/100%/b.eml in Sent Items/100%

2017-07-14T02:40:00Z by file time
` + "\xef\xbb\xbf" + `no header|
== caf` + "\xe9" + `%2Fx/c.eml in café%2Fx

2017-07-14T02:40:00Z by file time
|
mailboxes: INBOX, Sent Items, Sent Items/100%, café%2Fx
`},
		"Thunderbird and Apple Mail": {map[string]string{
			"Inbox": "From - Mon Nov 06 10:11:12 2023\nA: 1\n", "Inbox.msf": "From ", "Inbox.sbd/Kept": "From - Mon Nov 06 10:11:12 2023\nA: 2\n", "Drafts": "", "prefs.js": "x",
			"Notes.mbox/mbox": "From - Mon Nov 06 10:11:12 2023\nA: 3\n", "Notes.mbox/table_of_contents": "\x00",
		}, `
== Inbox:0 in INBOX

2023-11-06T10:11:12Z by From line
A: 1$
|
== Inbox.sbd/Kept:0 in INBOX/Kept

2023-11-06T10:11:12Z by From line
A: 2$
|
== Notes.mbox/mbox:0 in Notes

2023-11-06T10:11:12Z by From line
A: 3$
|
mailboxes: INBOX, INBOX/Kept, Notes
`},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, lay(t, c.files), archive.Options{})
			defer r.Close()
			got := describe(t, r)
			names, err := r.Mailboxes()
			if err != nil {
				t.Fatal(err)
			}
			got += "mailboxes: " + strings.Join(names, ", ") + "\n"
			if diff := cmp.Diff(c.want[1:], got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is broken is said with its place, and the rest is read.
func TestBrokenFilesAreReportedAndPassedOver(t *testing.T) {
	dir := lay(t, map[string]string{
		"cur/1.a:2,": "A: 1\n", "cur/2.large:2,": strings.Repeat("x", 200), "cur/3.grows:2,": strings.Repeat("\n", 60), "cur/7.b:2,": "A: 2\n", "new/": "", "outside/passwd": "secret",
		"cur/8.exact:2,": strings.Repeat("\n", 50),
	})
	secret := filepath.Join(lay(t, map[string]string{"secret": "of another"}), "secret")
	for name, to := range map[string]string{"4.out:2,": secret, "5.up:2,": "../../../etc/passwd", "6.in:2,": "1.a:2,", "loop": ".", "9.gone:2,": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, "cur", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("..", filepath.Join(dir, ".Loop")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "cur", "91.pipe:2,"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, dir, archive.Options{MaxMessage: 100})
	defer r.Close()
	mails, faults := all(t, r)
	var bodies []string
	for _, m := range mails {
		bodies = append(bodies, m.Body)
	}
	if diff := cmp.Diff([]string{"A: 1\r\n", "A: 1\r\n", "A: 2\r\n", strings.Repeat("\r\n", 50)}, bodies); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"cur/loop corrupt", "cur/2.large:2, limit", "cur/3.grows:2, limit", "cur/4.out:2, corrupt", "cur/5.up:2, corrupt",
		"cur/9.gone:2, corrupt", "cur/91.pipe:2, corrupt"}, faults); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoArchiveIsRefused(t *testing.T) {
	dir := lay(t, map[string]string{"empty/": "", "text": "hello", "folder/text": "hello", "no.zip": "PK\x03\x04 and so on", "many/cur/1.a": "", "many/cur/2.a": "", "many/cur/3.a": "", "many/new/": ""})
	for name, want := range map[string]kinds.Kind{"nothing": kinds.NotFound, "empty": kinds.Invalid, "text": kinds.Invalid, "folder": kinds.Invalid, "no.zip": kinds.Corrupt} {
		if _, err := archive.Open(filepath.Join(dir, name), archive.Options{}); !kinds.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := archive.Create("tar", filepath.Join(dir, "x"), archive.WriteOptions{}); !kinds.Is(err, kinds.Invalid) {
		t.Error(err)
	}
	if _, err := archive.Create(archive.Zip, filepath.Join(dir, "text"), archive.WriteOptions{}); !kinds.Is(err, kinds.Exists) {
		t.Error(err)
	}
	r := open(t, filepath.Join(dir, "many"), archive.Options{MaxFiles: 2})
	defer r.Close()
	for _, err := range r.Items() {
		if !kinds.Is(err, kinds.Limit) {
			t.Error(err)
		}
	}
}

// A folder that is too deep is reported; those above it are read.
func TestFoldersThatAreTooDeep(t *testing.T) {
	deep := strings.Repeat("x/", 80)
	r := open(t, lay(t, map[string]string{"a.eml": "A: 1\n", deep + "b.eml": "A: 2\n"}), archive.Options{})
	defer r.Close()
	mails, faults := all(t, r)
	if len(mails) != 1 || len(faults) != 1 || !strings.HasSuffix(faults[0], " limit") {
		t.Error(mails, faults)
	}
}

// A large message is read again from its file, which must be what it was.
func TestALargeMessageThatChangesMeanwhile(t *testing.T) {
	body := strings.Repeat("0123456789\r\n", 200_000)
	dir := lay(t, map[string]string{"a.eml": body})
	r := open(t, dir, archive.Options{})
	defer r.Close()
	for i, err := range r.Items() {
		if err != nil || read(t, i) != body {
			t.Fatal(i, err)
		}
		for _, other := range []string{body[:len(body)-12], body + "more\r\n"} {
			if err := os.WriteFile(filepath.Join(dir, "a.eml"), []byte(other), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := i.Open()
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(f); !kinds.Is(err, kinds.Corrupt) || len(b) > len(body) {
				t.Errorf("%d octets, %v", len(b), err)
			}
			f.Close()
		}
	}
}
