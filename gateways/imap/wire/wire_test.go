package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParserReadsWhatIsThere(t *testing.T) {
	p := NewParser([]byte("a]tom \"quo\\\"ted\" {3}\r\na\r\n 7 1:*,4 (\\Seen x) NIL \"Gr&APwA3w-e\" \"17-Jul-1996 02:44:25 -0700\"\r\n"))
	var got []any
	got = append(got, p.AString())
	p.SP()
	got = append(got, p.Text())
	p.SP()
	got = append(got, p.Text())
	p.SP()
	got = append(got, p.Number())
	p.SP()
	got = append(got, p.Set())
	p.SP()
	got = append(got, p.Flags())
	p.SP()
	_, ok := p.NString()
	got = append(got, ok)
	p.SP()
	got = append(got, p.Mailbox())
	p.SP()
	got = append(got, p.DateTime().UTC().String())
	if err := p.End(); err != nil {
		t.Fatal(err)
	}
	want := []any{"a]tom", `quo"ted`, "a\r\n", uint32(7), Set{Spans: []Span{{1, Star}, {4, 4}}}, []string{`\Seen`, "x"}, false, "Grüße",
		"1996-07-17 09:44:25 +0000 UTC"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheFirstErrorSticks(t *testing.T) {
	p := NewParser([]byte("x y\r\n"))
	p.Number()
	first := p.Err()
	p.SP()
	if s := p.Atom(); s != "" || p.Err() != first || p.End() != first {
		t.Errorf("%q, %v", s, p.Err())
	}
	var syntax SyntaxError
	if !errors.As(first, &syntax) {
		t.Errorf("%T", first)
	}
}

func TestWhatIsNoSyntaxIsRefused(t *testing.T) {
	for text, read := range map[string]func(*Parser){
		"":                               func(p *Parser) { p.Atom() },
		"\"a":                            func(p *Parser) { p.Text() },
		"\"a\\x\"":                       func(p *Parser) { p.Text() },
		"\"\xff\"":                       func(p *Parser) { p.Text() },
		"{4}\r\nabc":                     func(p *Parser) { p.Text() },
		"{1}\r\n\x00":                    func(p *Parser) { p.Text() },
		"4294967296":                     func(p *Parser) { p.Number() },
		"9223372036854775808":            func(p *Parser) { p.Number64() },
		"0":                              func(p *Parser) { p.Set() },
		"1:":                             func(p *Parser) { p.Set() },
		"1,":                             func(p *Parser) { p.Set() },
		"(a":                             func(p *Parser) { p.Flags() },
		"(a  b)":                         func(p *Parser) { p.Flags() },
		"&bad":                           func(p *Parser) { p.Mailbox() },
		"a b":                            func(p *Parser) { p.Atom() },
		"\"31-Feb-2000 00:00:00 +0000\"": func(p *Parser) { p.DateTime() },
	} {
		p := NewParser([]byte(text))
		read(p)
		if p.End() == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// collect counts the writes that reach it.
type collect struct {
	bytes.Buffer
	writes int
}

func (c *collect) Write(p []byte) (int, error) {
	c.writes++
	return c.Buffer.Write(p)
}

func TestWriterCollectsAndGivesItsMemoryBack(t *testing.T) {
	var out collect
	w := &Writer{Out: &out, Buffers: &Buffers{}}
	for range 1000 {
		w.Raw("* ").Uint(7).Raw(" EXISTS").CRLF()
	}
	if err := w.Flush(); err != nil || out.writes != 1 || w.mem != nil || out.Len() != 1000*len("* 7 EXISTS\r\n") {
		t.Errorf("%d writes, %d octets, %v", out.writes, out.Len(), err)
	}
	long := strings.Repeat("0123456789abcdef", 10_000)
	out = collect{}
	if err := w.Literal("", int64(len(long)), []byte(long[:7]), strings.NewReader(long[7:])); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil || out.String() != "{160000}\r\n"+long {
		t.Errorf("%d octets, %v", out.Len(), err)
	}
	if err := w.Literal("", 5, nil, strings.NewReader("1234")); err == nil {
		t.Error("a literal that is too short passes")
	}
}

func TestStringsAreWrittenSoThatTheyCanBeRead(t *testing.T) {
	for _, s := range []string{"", "plain", `q"u\o`, "a\r\nb", "Grüße", "\xff", strings.Repeat("x", 5000)} {
		for _, utf8 := range []bool{false, true} {
			var out bytes.Buffer
			w := &Writer{Out: &out, Buffers: &Buffers{}, UTF8: utf8}
			if err := w.String(s).Flush(); err != nil {
				t.Fatal(err)
			}
			p := NewParser(out.Bytes())
			if got := p.Text(); got != s || p.End() != nil {
				t.Errorf("%.20q came back as %.20q, %v", s, got, p.Err())
			}
		}
	}
}

// FuzzParser reads whatever comes by everything that there is.
func FuzzParser(f *testing.F) {
	f.Add([]byte("a (b \"c\" {1}\r\nd) 1:*,$ \"1-Jan-2000 00:00:00 +0000\" &-"))
	f.Fuzz(func(t *testing.T, b []byte) {
		reads := []func(*Parser){func(p *Parser) { p.Atom() }, func(p *Parser) { p.AString() }, func(p *Parser) { p.Set() },
			func(p *Parser) { p.Flags() }, func(p *Parser) { p.Mailbox() }, func(p *Parser) { p.Pattern() }, func(p *Parser) { p.DateTime() },
			func(p *Parser) { p.Date() }, func(p *Parser) { p.NString() }, func(p *Parser) { p.ModSeq() }, func(p *Parser) { p.Name() },
			func(p *Parser) { p.NString8() }}
		for i := range reads {
			p := NewParser(b)
			for k := 0; p.Err() == nil && !p.AtEnd(); k++ {
				before := len(p.Rest())
				reads[(i+k)%len(reads)](p)
				p.Try(' ')
				if len(p.Rest()) > before || p.Err() == nil && len(p.Rest()) == before {
					t.Fatalf("%q: reader %d has read nothing", b, (i+k)%len(reads))
				}
			}
		}
		if name, ok := DecodeUTF7(string(b)); ok {
			if back, ok := DecodeUTF7(EncodeUTF7(name)); !ok || back != name {
				t.Errorf("%q came back as %q", name, back)
			}
		}
		if n, _, ok := LiteralAt(b); ok && n < 0 {
			t.Errorf("%q announces %d octets", b, n)
		}
	})
}
