package archive_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/archive"
)

// Each dialect's own example lies in testdata: NAME.mbox, and NAME.want with what is in it.
func TestTheDialectsOfMbox(t *testing.T) {
	for name, dialect := range map[string]archive.Dialect{
		"mboxo": archive.MboxO, "mboxrd": archive.AnyDialect, "mboxcl": archive.AnyDialect, "mboxcl2": archive.AnyDialect,
		"thunderbird": archive.AnyDialect, "gmail": archive.AnyDialect, "pine": archive.AnyDialect, "sloppy": archive.AnyDialect,
		"junk": archive.AnyDialect,
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, filepath.Join("testdata", name+".mbox"), archive.Options{Dialect: dialect})
			defer r.Close()
			compare(t, filepath.Join("testdata", name+".want"), describe(t, r))
		})
	}
}

// describe writes what an archive holds, one message after the other.
func describe(t *testing.T, r archive.Reader) string {
	var b strings.Builder
	for i, err := range r.Items() {
		if i == nil {
			t.Fatal(err)
		}
		b.WriteString("== " + i.Where + " in " + i.Mailbox + "\n")
		if err != nil {
			b.WriteString("error: " + err.Error() + "\n")
			continue
		}
		b.WriteString(strings.Join(i.Flags, " ") + "\n" + i.Date.Format(time.RFC3339) + " by " + string(i.DateFrom) + "\n")
		b.WriteString(strings.ReplaceAll(read(t, i), "\r\n", "$\n") + "|\n")
	}
	return b.String()
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if os.Getenv("GODWIT_UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// What mboxrd can say alone is read without the index, as other programs read it.
func TestAnMboxWithoutItsIndex(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		parts := []string{"From ", ">From ", ">>From ", ">", "\r\n", "\r\n\r\n", "\r\r\n", "\x00", "\xff", "text", "\r\n\r\nFrom a@b Thu Jan  1 00:00:00 1970\r\nA: b\r\n"}
		mails := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) mail {
			body := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 12).Draw(t, "body"), "") + "\r\n"
			return mail{"x", nil, time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "date"), 0).UTC(), body}
		}), 1, 5).Draw(t, "mails")
		path := filepath.Join(dir, "out")
		os.RemoveAll(path)
		create(t, archive.Mbox, path, archive.WriteOptions{}, mails)
		if err := os.Remove(filepath.Join(path, "x.mbox.jsonl")); err != nil {
			t.Fatal(err)
		}
		r := open(t, path, archive.Options{})
		defer r.Close()
		got, faults := all(t, r)
		if diff := cmp.Diff(mails, got); diff != "" || faults != nil {
			t.Fatalf("%v %s", faults, diff)
		}
	})
}

// A program that changes the mbox makes what the index says of it void.
func TestAnIndexOfAnotherMboxIsNotBelieved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	at := time.Unix(1e9, 0).UTC()
	create(t, archive.Mbox, path, archive.WriteOptions{}, []mail{
		{"x", []string{`\Seen`}, at, "A: 1\r\n\r\none\r\n"}, {"x", []string{`\Seen`}, at, "A: 2\r\n\r\ntwo\r\n"}, {"x", []string{`\Seen`}, at, "A: 3\r\n\r\nsix\r\n"}})
	file := filepath.Join(path, "x.mbox")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), "two", "TWO", 1)
	changed = strings.Replace(changed, "A: 3", "Status: O\nA: 3", 1)
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, path, archive.Options{})
	defer r.Close()
	got, faults := all(t, r)
	want := []mail{{"x", []string{`\Seen`}, at, "A: 1\r\n\r\none\r\n"}, {"x", nil, at, "A: 2\r\n\r\nTWO\r\n"}, {"x", nil, at, "Status: O\r\nA: 3\r\n\r\nsix\r\n"}}
	if diff := cmp.Diff(want, got); diff != "" || faults != nil {
		t.Errorf("%v %s", faults, diff)
	}
}

// An index that can't be read is reported; the messages are read as anybody's.
func TestAnIndexThatCantBeRead(t *testing.T) {
	for text, want := range map[string]string{`{"version":99,"mailbox":"z"}` + "\n": "too-new", "nonsense\n": "corrupt", "": "corrupt"} {
		dir := lay(t, map[string]string{"x.mbox": "From a@b Mon Nov 06 10:11:12 2023\nA: 1\n", "x.mbox.jsonl": text, "y/a.eml": "A: 2\n", "y/mailbox.jsonl": text})
		r := open(t, dir, archive.Options{})
		mails, faults := all(t, r)
		r.Close()
		if diff := cmp.Diff([]string{"x.mbox.jsonl " + want, "y/mailbox.jsonl " + want}, faults); diff != "" {
			t.Error(diff)
		}
		if len(mails) != 2 || mails[0].Mailbox != "x" || mails[1].Mailbox != "y" {
			t.Errorf("%+v", mails)
		}
	}
}

// Status fields are for others: mutt and Dovecot see the flags.
func TestStatusFieldsAreThereForOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	flags := []string{`\Answered`, `\Seen`, "$Junk", "work"}
	create(t, archive.Mbox, path, archive.WriteOptions{StatusFields: true}, []mail{{"x", flags, time.Unix(1e9, 0), "A: 1\r\n\r\none\r\n"}})
	if err := os.Remove(filepath.Join(path, "x.mbox.jsonl")); err != nil {
		t.Fatal(err)
	}
	r := open(t, path, archive.Options{})
	defer r.Close()
	got, _ := all(t, r)
	if len(got) != 1 || cmp.Diff(flags, got[0].Flags) != "" || !strings.HasPrefix(got[0].Body, "Status: RO\r\nX-Status: A\r\nX-Keywords: $Junk work\r\nA: 1") {
		t.Errorf("%+v", got)
	}
}
