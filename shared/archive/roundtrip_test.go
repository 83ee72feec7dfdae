package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/archive"
	"github.com/godwit-mail/godwit/shared/kinds"
)

var formats = []archive.Format{archive.Maildir, archive.Mbox, archive.EML, archive.Zip}

// a mail is what must come back.
type mail struct {
	Mailbox string
	Flags   []string
	Date    time.Time
	Body    string
}

// Pieces of which hostile names and bodies are made.
var (
	nameParts = []string{"a", "B", "b", ".", "..", "~", "\\", "\\2e", "%", "%41", "&", "&-", "&AC4-", "-", " ", ":", "*", "?", "|", "\"", "<",
		"ü", "日本", "😀", "INBOX", "inbox", "cur", "new", "tmp", "NUL", "con.x", ".mbox", ".eml", ".sbd", ".jsonl", "mailbox.jsonl", ".msf", "mbox",
		strings.Repeat("long", 20), strings.Repeat("ж", 60), "[Gmail]", "=", ",S=3", ":2,S", "$", "e\u0301"}
	bodyParts = []string{"From ", ">From ", ">>From ", ">", "From", "\r\n", "\r\n", "\r\n\r\n", "\r\r\n", "\r", "\x00", "\xff\xfe", "text", " ",
		"From a@b Thu Jan  1 00:00:00 1970\r\n", "\r\n\r\nFrom a@b Thu Jan  1 00:00:00 1970\r\nA: b\r\n", "Subject: =?utf-8?q?=C3=BC/x?=\r\n", "Content-Length: 5\r\n",
		"Content-Length: 0\r\n", "Status: RO\r\n", "X-Keywords: a b\r\n", "Return-Path: <x@y.test>\r\n", "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n", "\ufeff",
		"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\r\nX-IMAP: 1 2\r\n", strings.Repeat(">", 70), "{", "."}
	flagWords = []string{`\Seen`, `\Answered`, `\Flagged`, `\Deleted`, `\Draft`, "$Forwarded", "$forwarded", "$Junk", "NonJunk", "a", "b,c", "x;y", "]x"[1:], "$Label1", "&-"}
)

func drawName(t *rapid.T) string {
	levels := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(nameParts), 1, 4).Draw(t, "parts"), "")
	}), 1, 4).Draw(t, "levels")
	if strings.EqualFold(levels[0], "inbox") {
		levels[0] = "INBOX"
	}
	return strings.Join(levels, "/")
}

func drawMail(t *rapid.T, names []string) mail {
	body := strings.Join(rapid.SliceOfN(rapid.SampledFrom(bodyParts), 0, 12).Draw(t, "body"), "")
	if rapid.IntRange(0, 60).Draw(t, "large") == 37 { // a drawn 0 is not rare
		body = strings.Repeat(body+"\r\n", 1+1_100_000/(len(body)+2))
	}
	flags := rapid.SliceOfDistinct(rapid.SampledFrom(flagWords), strings.ToLower).Draw(t, "flags")
	for n := range rapid.IntRange(0, 30).Draw(t, "more") {
		flags = append(flags, fmt.Sprintf("word%02d", n))
	}
	return mail{
		Mailbox: rapid.SampledFrom(names).Draw(t, "mailbox"),
		Flags:   sorted(flags),
		Date:    time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "date"), 0).UTC(),
		Body:    body,
	}
}

// sorted gives flags in the order that Item states.
func sorted(flags []string) []string {
	slices.SortFunc(flags, func(a, b string) int {
		if sa, sb := strings.HasPrefix(a, `\`), strings.HasPrefix(b, `\`); sa != sb {
			if sa {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	if len(flags) == 0 {
		return nil
	}
	return flags
}

func create(t rapid.TB, f archive.Format, path string, opts archive.WriteOptions, mails []mail, names ...string) {
	t.Helper()
	w, err := archive.Create(f, path, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if err := w.Mailbox(n); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range mails {
		if err := w.Write(archive.Message{Mailbox: m.Mailbox, Flags: m.Flags, Date: m.Date, Body: strings.NewReader(m.Body)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func open(t rapid.TB, path string, opts archive.Options) archive.Reader {
	t.Helper()
	r, err := archive.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// all reads an archive; faults are the messages that can't be had.
func all(t rapid.TB, r archive.Reader) (mails []mail, faults []string) {
	t.Helper()
	for i, err := range r.Items() {
		if i == nil {
			t.Fatal(err)
		}
		if err != nil {
			faults = append(faults, fmt.Sprint(i.Where, " ", kinds.Of(err)))
			continue
		}
		b := read(t, i)
		if int64(len(b)) != i.Size {
			t.Fatalf("%s has %d octets, its size is %d", i.Where, len(b), i.Size)
		}
		mails = append(mails, mail{i.Mailbox, i.Flags, i.Date, b})
	}
	return mails, faults
}

func read(t rapid.TB, i *archive.Item) string {
	t.Helper()
	body, err := i.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func inOrder(mails []mail) []mail {
	slices.SortFunc(mails, func(a, b mail) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return mails
}

// Whatever names, flags and octets there are, what was written is read.
func TestWhatIsWrittenIsRead(t *testing.T) {
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			dir, n := t.TempDir(), 0
			rapid.Check(t, func(t *rapid.T) {
				names := rapid.SliceOfNDistinct(rapid.Custom(drawName), 1, 4, func(s string) string { return s }).Draw(t, "names")
				mails := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) mail { return drawMail(t, names) }), 0, 6).Draw(t, "mails")
				n++
				path := filepath.Join(dir, fmt.Sprint(n))
				create(t, f, path, archive.WriteOptions{StatusFields: rapid.Bool().Draw(t, "fields")}, mails, names...)
				r := open(t, path, archive.Options{})
				defer r.Close()
				got, faults := all(t, r)
				if diff := cmp.Diff(inOrder(mails), inOrder(got), cmpopts.EquateEmpty()); diff != "" || faults != nil {
					t.Fatalf("%v %s", faults, diff)
				}
				there, err := r.Mailboxes()
				slices.Sort(there)
				slices.Sort(names)
				if diff := cmp.Diff(names, there); diff != "" || err != nil {
					t.Fatalf("%v %s", err, diff)
				}
				if r.Format() != f {
					t.Fatalf("read as %s", r.Format())
				}
			})
		})
	}
}

// The identity is the content's in its mailbox, so an import from another format doubles nothing.
func TestAMessageHasOneIdentityInAllFormats(t *testing.T) {
	mails := []mail{
		{"INBOX", []string{`\Seen`}, time.Unix(1e9, 0), "Subject: a\r\n\r\nFrom here\r\n"},
		{"Sent", nil, time.Unix(1e9, 0), "Subject: a\r\n\r\nFrom here\r\n"},
		{"Sent", nil, time.Unix(1e9, 0), "Subject: b\r\n\r\nno end"},
	}
	var first []string
	for _, f := range formats {
		path := filepath.Join(t.TempDir(), "out")
		create(t, f, path, archive.WriteOptions{}, mails)
		r := open(t, path, archive.Options{})
		var ids []string
		for i, err := range r.Items() {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, i.ID())
		}
		r.Close()
		slices.Sort(ids)
		if ids = slices.Compact(ids); len(ids) != 3 {
			t.Fatalf("%s: %v", f, ids)
		}
		if first == nil {
			first = ids
		}
		if diff := cmp.Diff(first, ids); diff != "" {
			t.Errorf("%s: %s", f, diff)
		}
	}
}

// A body that breaks off leaves nothing behind, and the next one is written.
func TestABrokenBodyLeavesTheArchiveAsItWas(t *testing.T) {
	broken := errors.New("the source broke")
	good := mail{"INBOX", []string{`\Flagged`}, time.Unix(1e9, 0).UTC(), "Subject: x\r\n\r\ngood\r\n"}
	for _, f := range formats {
		for _, size := range []int{10, 200_000} {
			path := filepath.Join(t.TempDir(), "out")
			w, err := archive.Create(f, path, archive.WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			write := func(body io.Reader) error {
				return w.Write(archive.Message{Mailbox: good.Mailbox, Flags: good.Flags, Date: good.Date, Body: body})
			}
			for range 2 {
				if err := write(strings.NewReader(good.Body)); err != nil {
					t.Fatal(err)
				}
				if err := write(io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(broken))); !errors.Is(err, broken) {
					t.Errorf("%s: %v", f, err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			r := open(t, path, archive.Options{})
			got, faults := all(t, r)
			r.Close()
			if diff := cmp.Diff([]mail{good, good}, got); diff != "" || faults != nil {
				t.Errorf("%s: %v %s", f, faults, diff)
			}
		}
	}
}

func TestWhatCantBeReadBackIsNotWritten(t *testing.T) {
	for _, f := range formats {
		path := filepath.Join(t.TempDir(), "out")
		w, err := archive.Create(f, path, archive.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []archive.Message{
			{Mailbox: ""}, {Mailbox: "a//b"}, {Mailbox: "a\nb"}, {Mailbox: "\xff"}, {Mailbox: strings.Repeat("x/", 70) + "x"},
			{Mailbox: "a", Flags: []string{"two words"}}, {Mailbox: "a", Flags: []string{`\Recent`}}, {Mailbox: "a", Flags: []string{"a\nb"}},
			{Mailbox: "a", Date: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)},
		} {
			m.Body = strings.NewReader("x")
			if err := w.Write(m); !kinds.Is(err, kinds.Invalid) {
				t.Errorf("%s: %+v: %v", f, m, err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if f == archive.Zip {
			continue
		}
		if _, err := archive.Create(f, filepath.Dir(path), archive.WriteOptions{}); !kinds.Is(err, kinds.Exists) {
			t.Errorf("%s into a folder with something in it: %v", f, err)
		}
	}
}
