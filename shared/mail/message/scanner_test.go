package message

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pieces are what hostile and broken mail is put together from.
var pieces = []string{"\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "--", "-", "--a", "--a\r\n", "--a--\r\n", "--ab\r\n", "--ab--\n",
	"--b \t\r\n", "\r\n--a\r\n", "\n--b\n", "\r\n--a--\r\n", "Content-Type: multipart/mixed; boundary=a\r\n",
	"Content-Type: multipart/digest; boundary=\"b\"\n", "content-type:multipart/alternative;\r\n boundary=ab\r\n",
	"Content-Type: message/rfc822\r\n", "Content-Type: text/html; charset=koi8-r\r\n", "Content-Transfer-Encoding: base64\r\n",
	"Content-Disposition: attachment; filename*0*=utf-8''%e2%82; filename*1=x\r\n", "From: A (b) <a@b>, g: x@y;\r\n",
	"To: \"q, q\" <\"l l\"@d>\r\n", "Subject: =?utf-8?q?=C3=A9?=\r\n", "References: <1@x>\r\n <2@x>\r\n", "Message-ID: <m@x>\r\n",
	"Date: Tue, 3 Mar 2026 08:15:00 +0100\r\n", " folded\r\n", "\tx", "no colon\r\n", "From x\n", ": empty\r\n", "text", "R3LDvMOfZQ==",
	"<p>", "<style>", "=?", "\x00", "\xff\xfe", "é", "  ", strings.Repeat("x", 1100), "--" + strings.Repeat("y", 1100)}

func hostileMail() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		n := rapid.IntRange(0, 60).Draw(t, "pieces")
		var b bytes.Buffer
		if rapid.Bool().Draw(t, "multipart") {
			b.WriteString("Content-Type: multipart/mixed; boundary=a\r\n\r\n")
		}
		for range n {
			b.WriteString(rapid.SampledFrom(pieces).Draw(t, "piece"))
		}
		return b.Bytes()
	})
}

func chunksOf(t *rapid.T, b []byte) (chunks [][]byte) {
	for len(b) > 0 {
		n := rapid.IntRange(1, max(1, min(len(b), rapid.SampledFrom([]int{1, 2, 5, 50, 5000}).Draw(t, "most")))).Draw(t, "chunk")
		chunks = append(chunks, b[:n])
		b = b[n:]
	}
	return chunks
}

func TestSummaryDoesNotDependOnHowTheMessageIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := hostileMail().Draw(t, "mail")
		whole := scan(blob)
		cut := scan(chunksOf(t, blob)...)
		if d := cmp.Diff(render(&whole, blob), render(&cut, blob)); d != "" {
			t.Fatalf("-whole +cut\n%s", d)
		}
	})
}

func TestOffsetsAreWithinTheBlobAndTheParent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := hostileMail().Draw(t, "mail")
		s := scan(blob)
		checkInvariants(t, &s, blob)
	})
}

// A message put together from parts is taken apart into the same parts.
func TestStructureOfAWellFormedMessageIsFound(t *testing.T) {
	type part struct {
		header, body string
		children     []*part
	}
	n := 0
	var build func(t *rapid.T, depth int) *part
	build = func(t *rapid.T, depth int) *part {
		eol := rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(t, "eol")
		if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
			body := rapid.StringMatching(`([a-z -]{0,9}(\r\n|\n)?){0,6}`).Draw(t, "body")
			return &part{header: "Content-Type: application/x" + eol + eol, body: body}
		}
		n++
		b := fmt.Sprintf("=_%d_%d", n, depth)
		p := &part{header: "Content-Type: multipart/mixed; boundary=\"" + b + "\"" + eol + eol}
		p.body = rapid.SampledFrom([]string{"", "preamble" + eol, "preamble" + eol + eol}).Draw(t, "preamble")
		for range rapid.IntRange(1, 3).Draw(t, "children") {
			c := build(t, depth-1)
			p.children = append(p.children, c)
			p.body += "--" + b + eol + c.header + c.body + eol
		}
		p.body += "--" + b + "--" + rapid.SampledFrom([]string{"", eol, eol + "epilogue"}).Draw(t, "epilogue")
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		want := build(t, 4)
		blob := want.header + want.body
		s := scanString(blob)
		var check func(w *part, got *Part)
		check = func(w *part, got *Part) {
			h, c := got.Header(), got.Content()
			if g := blob[h.Off : h.Off+h.Len]; g != w.header {
				t.Fatalf("header %q, want %q", g, w.header)
			}
			if g := blob[c.Off : c.Off+c.Len]; g != w.body {
				t.Fatalf("body %q, want %q", g, w.body)
			}
			if len(w.children) != len(got.Parts) {
				t.Fatalf("%d parts, want %d", len(got.Parts), len(w.children))
			}
			for i := range w.children {
				check(w.children[i], got.Parts[i])
			}
		}
		check(want, &s.Body)
	})
}

// Work is counted in octets looked at: twice the mail may be at most a bit more than twice
// the work, for each shape that invites a quadratic search.
func TestWorkIsLinear(t *testing.T) {
	nested := func(n int) string {
		var b strings.Builder
		for i := range 90 {
			fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=%s%d\r\n\r\n--%[1]s%d\r\n", strings.Repeat("p", 60), i)
		}
		b.WriteString("\r\n")
		b.WriteString(strings.Repeat("--"+strings.Repeat("p", 60)+"\r\n", n))
		return b.String()
	}
	shapes := map[string]func(n int) string{
		"long body":              func(n int) string { return "A: b\r\n\r\n" + strings.Repeat("text\r\n", n) },
		"many header lines":      func(n int) string { return strings.Repeat("A: b\r\n", n) },
		"one folded field":       func(n int) string { return "Subject: x\r\n" + strings.Repeat(" fold\r\n", n) },
		"one long line":          func(n int) string { return "Subject: " + strings.Repeat("x", n) },
		"many listed fields":     func(n int) string { return strings.Repeat("To: a@b\r\n", n) },
		"almost boundaries":      nested,
		"dashes":                 func(n int) string { return nested(0) + strings.Repeat("--\n", n) },
		"dashes without newline": func(n int) string { return nested(0) + strings.Repeat("--", n) },
		"many parts": func(n int) string {
			return "Content-Type: multipart/mixed; boundary=a\r\n\r\n" + strings.Repeat("--a\r\n\r\nx\r\n", n)
		},
		"messages in messages": func(n int) string { return strings.Repeat("Content-Type: message/rfc822\r\n\r\n", n) },
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			work := func(n, chunk int) float64 {
				s := NewScanner()
				in := []byte(shape(n))
				for len(in) > 0 {
					c := min(chunk, len(in))
					s.Write(in[:c])
					in = in[c:]
				}
				s.Finish()
				return float64(s.work)
			}
			for _, chunk := range []int{7, 1000, 1 << 30} {
				one, two := work(20_000, chunk), work(40_000, chunk)
				if two > 2.1*one {
					t.Errorf("in chunks of %d: %v octets of work, %v for twice as much", chunk, one, two)
				}
				if size := float64(len(shape(40_000))); two > 110*size {
					t.Errorf("in chunks of %d: %v octets of work for %v", chunk, two, size)
				}
			}
		})
	}
}

func FuzzScanner(f *testing.F) {
	for i, p := range pieces {
		f.Add([]byte("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"+p+"\r\n--a--"), i+1)
		f.Add([]byte(p), i)
	}
	f.Fuzz(func(t *testing.T, blob []byte, chunk int) {
		s := scan(blob)
		checkInvariants(t, &s, blob)
		chunk = max(1, chunk&0xff)
		var chunks [][]byte
		for rest := blob; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
			chunks = append(chunks, rest[:min(chunk, len(rest))])
		}
		cut := scan(chunks...)
		if d := cmp.Diff(render(&s, blob), render(&cut, blob)); d != "" {
			t.Fatalf("in chunks of %d: -whole +cut\n%s", chunk, d)
		}
		d, err := Decode(s.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if d.Cut == s.Cut {
			if diff := cmp.Diff(render(&s, blob), render(&d, blob)); diff != "" {
				t.Fatalf("stored: -before +after\n%s", diff)
			}
		}
	})
}
