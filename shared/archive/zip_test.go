package archive_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/kinds"
)

type entry struct {
	name, text string
	mode       os.FileMode
	comment    string
}

func zipped(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Comment: e.comment, Modified: time.Unix(1_500_000_000, 0).UTC()}
		if e.mode != 0 {
			h.SetMode(e.mode)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(e.name, "/") {
			if _, err := f.Write([]byte(e.text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func file(t testing.TB, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mail.zip")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAZipOfMail(t *testing.T) {
	r := open(t, file(t, zipped(t,
		entry{name: "Inbox/"}, entry{name: "Empty/"}, entry{name: "Inbox/one.eml", text: "Date: Mon, 6 Nov 2023 10:00:00 +0000\n\nx"},
		entry{name: `Sent Items\two.EML`, text: "A: 2"}, entry{name: "notes.txt", text: "no mail"}, entry{name: "K\x81che/3.eml", text: "A: 3"},
		entry{name: "odd/4.eml", text: "A: 4", comment: `{"mailbox":"a/b","date":1,"flags":["\\Seen","two words","\\Recent"]}`}, entry{name: "odd/5.eml", text: "A: 5", comment: `{"mailbox":"a//b","date":99999999999999`},
	)), archive.Options{})
	defer r.Close()
	const want = `
== Inbox/one.eml in INBOX

2023-11-06T10:00:00Z by Date field
Date: Mon, 6 Nov 2023 10:00:00 +0000$
$
x|
== Sent Items\two.EML in Sent Items

2017-07-14T02:40:00Z by file time
A: 2|
== Küche/3.eml in Küche

2017-07-14T02:40:00Z by file time
A: 3|
== odd/4.eml in a/b
\Seen
1970-01-01T00:00:01Z by index
A: 4|
== odd/5.eml in odd

2017-07-14T02:40:00Z by file time
A: 5|
`
	if diff := cmp.Diff(want[1:], describe(t, r)); diff != "" {
		t.Error(diff)
	}
	names, err := r.Mailboxes()
	if diff := cmp.Diff([]string{"INBOX", "Empty", "Sent Items", "Küche", "a/b", "odd"}, names); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestHostileZips(t *testing.T) {
	b := zipped(t,
		entry{name: "../up.eml", text: "x"}, entry{name: "/abs.eml", text: "x"}, entry{name: "a/../../b.eml", text: "x"}, entry{name: `..\up.eml`, text: "x"}, entry{name: `C:\x.eml`, text: "x"},
		entry{name: "nul\x00.eml", text: "x"}, entry{name: "a//b.eml", text: "x"}, entry{name: strings.Repeat("d/", 70) + "x.eml", text: "x"},
		entry{name: "link.eml", text: "/etc/passwd", mode: os.ModeSymlink | 0o777}, entry{name: "bomb.eml", text: strings.Repeat("\x00", 1<<20)},
		entry{name: "damaged.eml", text: "some text that is damaged"}, entry{name: "good.eml", text: "A: good\r\n"})
	// The bomb says that it is small; the damaged one has other octets than its checksum says.
	b = resize(t, b, "bomb.eml", 10)
	at := bytes.Index(b, []byte("damaged.eml")) + len("damaged.eml") + 12
	b[at] ^= 0x55
	r := open(t, file(t, b), archive.Options{MaxMessage: 1000})
	defer r.Close()
	mails, faults := all(t, r)
	if len(mails) != 1 || mails[0].Body != "A: good\r\n" {
		t.Errorf("%+v", mails)
	}
	want := []string{"../up.eml corrupt", "/abs.eml corrupt", "a/../../b.eml corrupt", `..\up.eml corrupt`, `C:\x.eml corrupt`, "nul\x00.eml corrupt", "a//b.eml corrupt",
		strings.Repeat("d/", 70) + "x.eml corrupt", "link.eml corrupt", "bomb.eml corrupt", "damaged.eml corrupt"}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Error(diff)
	}
}

// resize writes another uncompressed size into the list of entries.
func resize(t *testing.T, b []byte, name string, size uint32) []byte {
	t.Helper()
	at := bytes.LastIndex(b, []byte(name)) - 46
	if at < 0 || !bytes.HasPrefix(b[at:], []byte("PK\x01\x02")) {
		t.Fatal("no entry")
	}
	binary.LittleEndian.PutUint32(b[at+24:], size)
	return b
}

// The list of entries may say of itself what it likes: what counts is how long it is.
func TestAZipOfTooManyEntries(t *testing.T) {
	entries := make([]entry, 3000)
	for i := range entries {
		entries[i] = entry{name: "x.eml"}
	}
	b := zipped(t, entries...)
	end := bytes.LastIndex(b, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint16(b[end+8:], 1)
	binary.LittleEndian.PutUint16(b[end+10:], 1)
	if _, err := archive.Open(file(t, b), archive.Options{MaxFiles: 1000}); !kinds.Is(err, kinds.Limit) {
		t.Error(err)
	}
	if _, err := archive.Open(file(t, zipped(t, entry{name: "a.txt"})), archive.Options{}); !kinds.Is(err, kinds.Invalid) {
		t.Error(err)
	}
	if _, err := archive.Open(file(t, b[:len(b)-30]), archive.Options{}); !kinds.Is(err, kinds.Corrupt) {
		t.Error(err)
	}
}
