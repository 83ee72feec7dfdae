package archive

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// RFC 3501, section 5.1.3: ~peter/mail/&U,BTFw-/&ZeVnLIqe-
func TestModifiedUTF7(t *testing.T) {
	for name, want := range map[string]string{
		"~peter/mail/台北/日本語": "~peter/mail/&U,BTFw-/&ZeVnLIqe-", "A&B": "A&-B", "&": "&-", "": "", "ü": "&APw-", "😀!": "&2D3eAA-!", "a\nb": "a&AAo-b",
	} {
		if got := encodeUTF7(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
		if got, ok := decodeUTF7(want); !ok || got != name {
			t.Errorf("%q is read as %q", want, got)
		}
	}
	for _, bad := range []string{"&", "a&b", "&U,-", "&2D0-", "&3gA-", "ü", "a\x00", "&AAA/-", "&A-", "&AP=-"} {
		if got, ok := decodeUTF7(bad); ok {
			t.Errorf("%q is read as %q", bad, got)
		}
	}
	if got, ok := decodeUTF7("a&AC4-b"); !ok || got != "a.b" {
		t.Errorf("a printable character in BASE64 is read as %q", got)
	}
}

func FuzzModifiedUTF7(f *testing.F) {
	f.Add("台北&-😀")
	f.Add("&2D3eAA-!&AAA-")
	f.Fuzz(func(t *testing.T, s string) {
		if name, ok := decodeUTF7(s); ok {
			if !utf8.ValidString(name) {
				t.Errorf("%q", name)
			}
			if again, ok := decodeUTF7(encodeUTF7(name)); !ok || again != name {
				t.Errorf("%q became %q", name, again)
			}
		}
		if utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError) {
			if again, ok := decodeUTF7(encodeUTF7(s)); !ok || again != s {
				t.Errorf("%q became %q", s, again)
			}
		}
	})
}

func FuzzMaildirNames(f *testing.F) {
	f.Add(".A.B&-C", "1400000000.M1P2.host,S=4,K=30.31:2,FRSabz")
	f.Add(`..\2e\5c.&`, "99999999999999999999.x")
	f.Fuzz(func(t *testing.T, folder, file string) {
		for _, level := range maildirLevels(folder) {
			if level == "" || !utf8.ValidString(level) || strings.ContainsFunc(level, isControl) || strings.Contains(level, "/") {
				t.Errorf("%q has level %q", folder, level)
			}
		}
		for _, flag := range maildirFlags(file, map[int]string{0: "ok", 1: "not ok", 30: `\Recent`}) {
			if flag != "ok" && !slices.Contains(systemFlags[:], flag) && flag != forwarded {
				t.Errorf("%q has flag %q", file, flag)
			}
		}
		if at := delivery(file); at < 0 || at > 10*maxDate+9 {
			t.Errorf("%q is of %d", file, at)
		}
		if checkName(folder) == nil && !strings.ContainsRune(folder, utf8.RuneError) {
			if got := mailboxName(maildirLevels(maildirFolder(folder))); got != canonical(folder) {
				t.Errorf("%q became %q by %q", folder, got, maildirFolder(folder))
			}
			var levels []string
			for level := range strings.SplitSeq(folder, "/") {
				levels = append(levels, clean(unescape(escape(level))))
			}
			if got := strings.Join(levels, "/"); got != folder {
				t.Errorf("%q became %q", folder, got)
			}
		}
	})
}

// Messages lie one after the other in the file, and their parts within it.
func FuzzMboxSplitter(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.mbox")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for d := range MboxCL2 + 1 {
			f.Add(b, byte(d))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, d byte) {
		s := newSplitter(bytes.NewReader(b), int64(len(b)), Dialect(d)%(MboxCL2+1))
		junk, err := s.first()
		if err != nil {
			t.Fatal(err)
		}
		last := junk
		for {
			m, err := s.next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if m.from < last || m.start < m.from+5 || m.end < m.start || m.end > int64(len(b)) || !bytes.HasPrefix(m.line, []byte("From ")) {
				t.Fatalf("%+v after %d of %d", m, last, len(b))
			}
			last = m.end
			sc := newScratch()
			i := &Item{Where: "x"}
			if _, err := sc.load(i, io.NewSectionReader(bytes.NewReader(b), m.start, m.end-m.start), m.quoting, 0, 1<<20); err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(bytes.ReplaceAll(i.body, []byte("\r\n"), nil), []byte("\n")) {
				t.Fatalf("a bare LF in %q", i.body)
			}
		}
	})
}

func FuzzFromLine(f *testing.F) {
	f.Add("From a@b Sat Jan  3 01:05:34 1996\n")
	f.Add("From Mon Nov 06 10:11:12 CET DST 23 +0199")
	f.Fuzz(func(t *testing.T, line string) {
		at, ok := fromDate([]byte(line))
		if ok && (at.Year() < -1 || at.Year() > 10000) {
			t.Errorf("%q is %v", line, at)
		}
		if again, ok2 := fromDate([]byte("From x " + at.Format(time.ANSIC) + "\n")); ok && plausible(at) && (!ok2 || !again.Equal(at)) {
			t.Errorf("%q is %v, then %v", line, at, again)
		}
	})
}

func FuzzZip(f *testing.F) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, h := range []zip.FileHeader{{Name: "INBOX/"}, {Name: "INBOX/1.eml", Method: zip.Deflate, Comment: `{"date":1000000000,"flags":["\\Seen","word"]}`},
		{Name: `a\b/2.EML`}, {Name: "../3.eml"}, {Name: "~x/4.eml", Comment: `{"mailbox":"y/z"}`}} {
		out, err := w.CreateHeader(&h)
		if err == nil && !strings.HasSuffix(h.Name, "/") {
			_, err = io.WriteString(out, "A: b\r\n\nbody")
		}
		if err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readZip(bytes.NewReader(b), int64(len(b)), Options{MaxMessage: 1 << 16, MaxFiles: 100}.withDefaults())
		if err != nil {
			return
		}
		for i, err := range r.Items() {
			if i == nil {
				t.Fatal(err)
			}
			if err == nil && (i.Size > 1<<16 || !utf8.ValidString(i.Mailbox) || i.Mailbox == "") {
				t.Errorf("%+v", i)
			}
		}
	})
}

// Bodies come in pieces of any size.
func TestWritersDoNotDependOnHowTheyAreFed(t *testing.T) {
	text := ">From \r\n>>From x\r\r\nFrom\r\nFrom \r\n>\r\r\r\n\rFrom \r\n>>"
	want := ">>From \n>>>From x\r\r\nFrom\n>From \n>\r\r\r\n\rFrom \n>>"
	for size := 1; size <= len(text); size++ {
		var b bytes.Buffer
		var u unixLines
		q := &quoter{w: &b}
		for part := range slices.Chunk([]byte(text), size) {
			if err := u.convert(q, part); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.convert(q, nil); err != nil {
			t.Fatal(err)
		}
		if err := q.flush(); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("by %d octets: %q", size, b.String())
		}
	}
}
