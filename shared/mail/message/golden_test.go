package message

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func scan(chunks ...[]byte) Summary {
	s := NewScanner()
	for _, c := range chunks {
		if n, err := s.Write(c); n != len(c) || err != nil {
			panic(fmt.Sprintf("Write gave %d, %v for %d octets", n, err, len(c)))
		}
	}
	return s.Finish()
}

func scanString(s string) Summary { return scan([]byte(s)) }

// crlf gives text with the line ends of mail.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".eml"), func(t *testing.T) {
			blob, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			s := scan(blob)
			got := render(&s, blob)
			golden := strings.TrimSuffix(f, ".eml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			d, err := Decode(s.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, render(&d, blob)); diff != "" {
				t.Errorf("stored and read again: -before +after\n%s", diff)
			}
			checkInvariants(t, &s, blob)
		})
	}
}

// render shows a summary as text, with the beginning and the end of each range.
func render(s *Summary, blob []byte) string {
	var b strings.Builder
	p := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	p("size %d, lines %d, header %d, cut %b", s.Size, s.Lines, s.HeaderLen, s.Cut)
	for line := range strings.SplitAfterSeq(s.Fields, "\n") {
		if line != "" {
			p("field %q", line)
		}
	}
	renderEnvelope(p, "", &s.Envelope)
	p("thread %q in-reply-to %q references %q root %q", s.Thread.MessageID, s.Thread.InReplyTo, s.Thread.References, s.Thread.Root)
	p("preview %q", s.Preview)
	p("attachments %q", s.Attachments)
	renderPart(p, "", "root", &s.Body, blob)
	return b.String()
}

func renderEnvelope(p func(string, ...any), indent string, e *Envelope) {
	when := "none"
	if !e.Time.IsZero() {
		when = e.Time.Format(time.RFC3339)
	}
	p("%sdate %q = %s", indent, e.Date, when)
	p("%ssubject %q = %q", indent, e.Subject, DecodeText(e.Subject))
	for _, l := range []struct {
		name string
		list []Address
	}{{"from", e.From}, {"sender", e.Sender}, {"reply-to", e.ReplyTo}, {"to", e.To}, {"cc", e.Cc}, {"bcc", e.Bcc}} {
		for _, a := range l.list {
			switch {
			case a.Group != "":
				p("%s%s group %q", indent, l.name, a.Group)
			case a.End:
				p("%s%s end of group", indent, l.name)
			default:
				p("%s%s %q <%q @ %q>", indent, l.name, a.Name, a.Local, a.Domain)
			}
		}
	}
	p("%smessage-id %q, in-reply-to %q", indent, e.MessageID, e.InReplyTo)
}

func renderPart(p func(string, ...any), indent, num string, part *Part, blob []byte) {
	typ, sub := part.MediaType()
	p("%s%s %s/%s (%s/%s) %q %s", indent, num, part.Type, part.Subtype, typ, sub, part.Params, part.TransferEncoding())
	in := indent + "  "
	p("%sheader %s", in, excerpt(blob, part.Header()))
	p("%sbody %s, %d lines", in, excerpt(blob, part.Content()), part.Lines)
	if part.ID+part.Description+part.Location+part.MD5 != "" || part.Language != nil {
		p("%sid %q description %q location %q md5 %q language %q", in, part.ID, part.Description, part.Location, part.MD5, part.Language)
	}
	if part.Disposition != "" {
		p("%sdisposition %s %q", in, part.Disposition, part.DispositionParams)
	}
	if n := part.Filename(); n != "" {
		p("%sname %q", in, n)
	}
	if part.Message != nil {
		renderEnvelope(p, in, &part.Message.Envelope)
		renderPart(p, in, num+" message", &part.Message.Body, blob)
	}
	for i, c := range part.Parts {
		renderPart(p, in, fmt.Sprintf("%s.%d", num, i+1), c, blob)
	}
}

func excerpt(blob []byte, r Range) string {
	c := blob[r.Off : r.Off+r.Len]
	if len(c) > 60 {
		return fmt.Sprintf("%d+%d %q...%q", r.Off, r.Len, c[:28], c[len(c)-28:])
	}
	return fmt.Sprintf("%d+%d %q", r.Off, r.Len, c)
}

// checkInvariants checks what holds for every summary of a blob.
func checkInvariants(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Summary, blob []byte) {
	t.Helper()
	if s.Size != int64(len(blob)) || s.Lines != int64(bytes.Count(blob, []byte{'\n'})) {
		t.Fatalf("size %d, lines %d of %d octets", s.Size, s.Lines, len(blob))
	}
	if s.HeaderLen != s.Body.HeaderLen || s.HeaderLen+s.Body.BodyLen != s.Size {
		t.Fatalf("header %d + body %d isn't %d", s.HeaderLen, s.Body.BodyLen, s.Size)
	}
	if n := len([]rune(s.Preview)); n > 256 {
		t.Fatalf("preview of %d characters", n)
	}
	parts := 0
	var check func(p *Part, from, to int64, depth int) int64
	check = func(p *Part, from, to int64, depth int) int64 {
		parts++
		end := p.Offset + p.HeaderLen + p.BodyLen
		if p.Offset < from || p.HeaderLen < 0 || p.BodyLen < 0 || end > to {
			t.Fatalf("part at %d, header %d, body %d isn't within %d..%d", p.Offset, p.HeaderLen, p.BodyLen, from, to)
		}
		if depth > MaxDepth+1 {
			t.Fatalf("depth %d", depth)
		}
		body := blob[p.Offset+p.HeaderLen : end]
		if n := int64(bytes.Count(body, []byte{'\n'})); n != p.Lines {
			t.Fatalf("part at %d: %d lines, counted %d", p.Offset, p.Lines, n)
		}
		if p.IsMultipart() != (len(p.Parts) > 0) {
			t.Fatalf("part at %d: %s with %d parts", p.Offset, p.Type, len(p.Parts))
		}
		if m := p.Message; m != nil {
			if got := check(&m.Body, p.Offset+p.HeaderLen, end, depth+1); got != end {
				t.Fatalf("embedded message ends at %d, its part at %d", got, end)
			}
		}
		next := p.Offset + p.HeaderLen
		for _, c := range p.Parts {
			next = check(c, next, end, depth+1)
		}
		return end
	}
	check(&s.Body, 0, s.Size, 1)
	if parts > 2*MaxParts {
		t.Fatalf("%d parts", parts)
	}
	if enc := s.Encode(); len(enc) > MaxEncoded {
		t.Fatalf("encoded to %d octets", len(enc))
	}
}
