package message

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/google/go-cmp/cmp"
)

// stored encodes and decodes s.
func stored(t *testing.T, s *Summary) Summary {
	t.Helper()
	b := s.Encode()
	if len(b) > MaxEncoded {
		t.Fatalf("%d octets", len(b))
	}
	d, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatDoesNotFitIsCutInAFixedOrder(t *testing.T) {
	const from = "From: a@shore.test\r\nSubject: kept\r\n"
	many := func(line string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	mixed := "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	for _, c := range []struct {
		name, mail string
		cut        Cut
		parts      int
	}{
		{"long signatures", from + many("DKIM-Signature: d=%d.test; b="+strings.Repeat("A", 3000)+"\r\n", 8) + mixed + "--b\r\n\r\nhello\r\n--b--", CutFields, 1},
		{"embedded messages", from + mixed + many("--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: %d"+strings.Repeat("s", 300)+"\r\n\r\nx\r\n", 60), CutStructure, 60},
		{"details", from + mixed + many("--b\r\nContent-Type: text/plain; name=\"%d"+strings.Repeat("n", 200)+"\"\r\nContent-ID: <"+strings.Repeat("i", 100)+">\r\n\r\nhello\r\n", 100), CutDetails, 100},
		{"parts", from + mixed + many("--b\r\n\r\nhello %d\r\n", 999), CutStructure | CutDetails | CutAttachments, 0},
		{"one long list", from + "To: " + many("p%03d@shore.test, ", 960) + "\r\n" + mixed + "--b\r\n\r\nhello\r\n--b--", CutFields | CutEnvelope, 1},
		{"several lists", from + "To: " + many("p%d@shore.test, ", 400) + "\r\nCc: " + many("p%d@shore.test, ", 400) + "\r\nBcc: " + many("p%d@shore.test, ", 400) + "\r\n" + mixed + "--b\r\n\r\nhello\r\n--b--", CutStructure | CutDetails | CutAttachments | CutFields | CutEnvelope, 0},
		{"one field too long", from + "To: " + many("p%d@shore.test, ", 2000) + "\r\n" + mixed + "--b\r\n\r\nhello\r\n--b--", CutFields | CutEnvelope, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := scanString(c.mail)
			d := stored(t, &s)
			if d.Cut != c.cut {
				t.Errorf("cut %b, want %b", d.Cut, c.cut)
			}
			if len(d.Body.Parts) != c.parts {
				t.Errorf("%d parts, want %d", len(d.Body.Parts), c.parts)
			}
			if d.Envelope.Subject != "kept" || d.Envelope.From[0].Local != "a" || d.Preview == "" {
				t.Errorf("lost: %+v, preview %q", d.Envelope, d.Preview)
			}
			again := stored(t, &d)
			if diff := cmp.Diff(d, again); diff != "" {
				t.Errorf("stored twice: -first +second\n%s", diff)
			}
			if _, ok := d.Select("Subject"); ok != (d.Cut&CutFields == 0) {
				t.Errorf("Select ok=%v with cut %b", ok, d.Cut)
			}
		})
	}
}

func TestThreadSurvivesCutReferences(t *testing.T) {
	for _, n := range []int{200, 2000, 20_000} { // fits, cut by Encode, cut by the scanner
		var refs strings.Builder
		for i := range n {
			fmt.Fprintf(&refs, "\r\n <%d@shore.test>", i)
		}
		s := scanString("References:" + refs.String() + "\r\nMessage-ID: <own@x>\r\n" +
			strings.Repeat("List-Id: "+strings.Repeat("l", 900)+"\r\n", 17) + "\r\n")
		d := stored(t, &s)
		if s.Thread.Root != "<0@shore.test>" || d.Thread.Root != s.Thread.Root {
			t.Errorf("%d references: root %q, stored %q", n, s.Thread.Root, d.Thread.Root)
		}
		if got := len(s.Thread.References); got > maxReferences {
			t.Errorf("%d references kept", got)
		}
	}
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	s := scanString("Subject: x\r\n\r\ntext")
	good := s.Encode()
	outside := s
	outside.Body.BodyLen++
	noPart := s
	noPart.Body.Parts = []*Part{nil}
	for name, c := range map[string]struct {
		b    []byte
		kind kinds.Kind
	}{
		"empty":               {nil, kinds.Corrupt},
		"newer":               {append([]byte{version + 1}, good[1:]...), kinds.TooNew},
		"short":               {good[:len(good)-1], kinds.Corrupt},
		"long":                {append(bytes.Clone(good), 0), kinds.Corrupt},
		"too long":            {make([]byte, MaxEncoded+1), kinds.Corrupt},
		"outside of the blob": {outside.Encode(), kinds.Corrupt},
		"part that is null":   {noPart.Encode(), kinds.Corrupt},
	} {
		if _, err := Decode(c.b); !kinds.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
}

// The stored form of today is read for ever.
func TestStoredFormIsFrozen(t *testing.T) {
	blob, err := os.ReadFile("testdata/nested-multiparts.eml")
	if err != nil {
		t.Fatal(err)
	}
	s := scan(blob)
	const file = "testdata/stored.v1"
	if *update {
		if err := os.WriteFile(file, s.Encode(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(render(&s, blob), render(&d, blob)); diff != "" {
		t.Errorf("-scanned +stored\n%s", diff)
	}
}

func TestLimits(t *testing.T) {
	t.Run("depth", func(t *testing.T) {
		var b strings.Builder
		for i := range 500 {
			if i%2 == 0 {
				fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%[1]d\r\n", i)
			} else {
				b.WriteString("Content-Type: message/rfc822\r\n\r\n")
			}
		}
		b.WriteString("\r\ndeepest\r\n")
		s := scanString(b.String())
		checkInvariants(t, &s, []byte(b.String()))
		if s.Cut&CutStructure == 0 {
			t.Error("not marked")
		}
		stored(t, &s)
	})
	t.Run("parts", func(t *testing.T) {
		in := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 5000)
		s := scanString(in)
		checkInvariants(t, &s, []byte(in))
		if len(s.Body.Parts) != MaxParts-1 || s.Cut&CutStructure == 0 {
			t.Errorf("%d parts, cut %b", len(s.Body.Parts), s.Cut)
		}
	})
	t.Run("header", func(t *testing.T) {
		in := "From: a@b\r\n" + strings.Repeat("X-Fill: "+strings.Repeat("f", 90)+"\r\n", 3000) + "Subject: late\r\n\r\nbody\r\n"
		s := scanString(in)
		checkInvariants(t, &s, []byte(in))
		if s.Envelope.Subject != "" || s.Cut&CutFields == 0 || s.Body.BodyLen != 6 || len(s.Envelope.From) != 1 {
			t.Errorf("cut %b, %+v", s.Cut, s)
		}
	})
}

// Memory doesn't grow with the message.
func TestMemoryIsBounded(t *testing.T) {
	shapes := map[string]string{
		"one line":       "x",
		"header fields":  "To: " + strings.Repeat("a,", 4000) + "\r\n",
		"part headers":   "--b\r\nContent-Description: " + strings.Repeat("d", 9000) + "\r\nContent-Type: text/x; " + strings.Repeat("p=1;", 1000) + "\r\n",
		"inner messages": "--b\r\nContent-Type: message/rfc822\r\n\r\nTo: " + strings.Repeat("a,", 4000) + "\r\n\r\n",
		"text":           "--b\r\nContent-Type: text/html\r\n\r\n<p>text</p>\r\n",
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			s := NewScanner()
			s.Write([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"))
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			for range 16<<20/len(shape) + 1 {
				if len(shape) == 1 {
					s.Write(bytes.Repeat([]byte(shape), 1<<20))
					if s.off+s.lineLen > 16<<20 {
						break
					}
					continue
				}
				s.Write([]byte(shape))
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
				t.Errorf("%d octets are held", grown)
			}
			sum := s.Finish()
			stored(t, &sum)
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, mail := range []string{"", "Subject: x\r\n\r\ntext", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\nFrom: a@b\r\n\r\nx\r\n--a--"} {
		s := scanString(mail)
		f.Add(s.Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(b)
		if err != nil {
			if k := kinds.Of(err); k != kinds.Corrupt && k != kinds.TooNew {
				t.Fatal(err)
			}
			return
		}
		if _, err := Decode(s.Encode()); err != nil {
			t.Fatalf("not read again: %v", err)
		}
		s.Body.Walk(func(p *Part) bool {
			p.Filename()
			p.IsAttachment()
			return true
		})
	})
}

func TestDecodeHeaderSaysWhatDecodeSays(t *testing.T) {
	for _, mail := range []string{"", "Subject: =?utf-8?q?x?=\r\nReferences: <a@b>\r\n <c@d>\r\nTo: a@b, c\r\n\r\nbody", "no header",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b--", "References: " + strings.Repeat("<a@b> ", 5000) + "\r\n\r\n"} {
		s := scanString(mail)
		whole := stored(t, &s)
		d, err := DecodeHeader(s.Encode())
		if err != nil {
			t.Fatal(err)
		}
		want := Summary{Size: whole.Size, HeaderLen: whole.HeaderLen, Fields: whole.Fields, Cut: whole.Cut, Root: whole.Root,
			Envelope: whole.Envelope, Thread: whole.Thread}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Errorf("%.60q: %s", mail, diff)
		}
	}
	for _, b := range [][]byte{nil, {1}, {9, 0xa0}, {1, 0xff}, {1, 0xa1, 3, 5}} {
		if _, err := DecodeHeader(b); err == nil {
			t.Errorf("%x is taken", b)
		}
	}
}
