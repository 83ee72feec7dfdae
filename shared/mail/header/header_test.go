package header

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
	"pgregory.net/rapid"
)

// run filters in, written in chunks of n octets, and gives what comes out.
func run(in string, n int, o Options) (string, *Filter, error) {
	var out bytes.Buffer
	f := NewFilter(&out, o)
	for in != "" {
		c := min(n, len(in))
		if _, err := f.Write([]byte(in[:c])); err != nil {
			return out.String(), f, err
		}
		in = in[c:]
	}
	err := f.Close()
	return out.String(), f, err
}

// ours drops what a gateway named mx.test drops.
func ours(name string, value []byte) bool {
	return strings.EqualFold(name, "return-path") ||
		strings.EqualFold(name, "authentication-results") && ValueHasID(value, "mx.test")
}

func TestFilterDropsWholeFields(t *testing.T) {
	for name, c := range map[string]struct {
		in, want          string
		received, dropped int
		isField           bool
	}{
		"none":           {"From: a\r\n\r\nbody\r\n", "From: a\r\n\r\nbody\r\n", 0, 0, true},
		"first":          {"Return-Path: <x>\r\nFrom: a\r\n\r\nb", "From: a\r\n\r\nb", 0, 1, true},
		"last":           {"From: a\r\nReturn-path : <x>\r\n\r\nb", "From: a\r\n\r\nb", 0, 1, true},
		"folded":         {"A: 1\r\nReturn-Path:\r\n <x>\r\n\t<y>\r\nB: 2\r\n b\r\n\r\n", "A: 1\r\nB: 2\r\n b\r\n\r\n", 0, 1, true},
		"all":            {"Return-Path: <x>\r\nRETURN-PATH: <y>\r\n\r\nb", "\r\nb", 0, 2, true},
		"only":           {"Return-Path: <x>", "", 0, 1, true},
		"not in body":    {"A: 1\r\n\r\nReturn-Path: <x>\r\n", "A: 1\r\n\r\nReturn-Path: <x>\r\n", 0, 0, true},
		"no header":      {"hello\r\nReturn-Path: <x>\r\n", "hello\r\nReturn-Path: <x>\r\n", 0, 0, false},
		"blank first":    {" Return-Path: <x>\r\nReturn-Path: <x>\r\n", " Return-Path: <x>\r\nReturn-Path: <x>\r\n", 0, 0, false},
		"empty line":     {"\r\nReturn-Path: <x>\r\n", "\r\nReturn-Path: <x>\r\n", 0, 0, false},
		"bare LF":        {"Return-Path: <x>\nA: 1\n\nReturn-Path: b\n", "A: 1\n\nReturn-Path: b\n", 0, 1, true},
		"ours by id":     {"Authentication-Results: (c (d)) MX.test; spf=pass\r\nA: 1\r\n\r\n", "A: 1\r\n\r\n", 0, 1, true},
		"folded name":    {"A: 1\r\nReturn-Path\r\n : <x>\r\nB\r\n b\r\n\r\n", "A: 1\r\nB\r\n b\r\n\r\n", 0, 1, true},
		"another's id":   {"Authentication-Results: mx.test.evil; spf=pass\r\n\r\n", "Authentication-Results: mx.test.evil; spf=pass\r\n\r\n", 0, 0, true},
		"received":       {"Received: a\r\nreceived: b\r\n c\r\nX-Received: d\r\n\r\nReceived: e\r\n", "Received: a\r\nreceived: b\r\n c\r\nX-Received: d\r\n\r\nReceived: e\r\n", 2, 0, true},
		"no colon":       {"A: 1\r\nrubbish\r\n more\r\nReturn-Path: <x>\r\n\r\n", "A: 1\r\nrubbish\r\n more\r\n\r\n", 0, 1, true},
		"empty":          {"", "", 0, 0, false},
		"cut in a field": {"A: 1\r\nB: 2", "A: 1\r\nB: 2", 0, 0, true},
	} {
		for _, n := range []int{1, 2, 3, 7, 1 << 20} {
			got, f, err := run(c.in, n, Options{Drop: ours})
			if got != c.want || err != nil || f.Received() != c.received || f.Dropped() != c.dropped || f.StartsWithField() != c.isField {
				t.Errorf("%s in chunks of %d: %q, want %q; received %d, dropped %d, field %v, %v",
					name, n, got, c.want, f.Received(), f.Dropped(), f.StartsWithField(), err)
			}
		}
	}
}

func TestFilterLimits(t *testing.T) {
	long := "Subject: " + strings.Repeat("s", 200) + "\r\n " + strings.Repeat("t", 200) + "\r\n"
	drop := func(name string, _ []byte) bool { return name == "Subject" }
	for _, n := range []int{1, 5, 1 << 20} {
		if _, _, err := run(long+"\r\n", n, Options{MaxField: 100}); !kinds.Is(err, kinds.Limit) {
			t.Errorf("chunks of %d: a field over its limit gives %v", n, err)
		}
		in := "A: 1\r\n" + long + "B: 2\r\n\r\nbody"
		if got, _, err := run(in, n, Options{MaxField: 100, PassLong: true}); got != in || err != nil {
			t.Errorf("chunks of %d: a long field passes as %q, %v", n, got, err)
		}
		if got, f, err := run(in, n, Options{MaxField: 100, PassLong: true, Drop: drop}); got != "A: 1\r\nB: 2\r\n\r\nbody" || err != nil || f.Dropped() != 1 {
			t.Errorf("chunks of %d: a long field is dropped as %q, %v", n, got, err)
		}
		if got, f, err := run(strings.Repeat("x", 300)+"\r\nA: 1\r\n", n, Options{MaxField: 100, PassLong: true}); len(got) != 308 || f.StartsWithField() || err != nil {
			t.Errorf("chunks of %d: a long first line that is no field: %q, %v", n, got, err)
		}
		section := strings.Repeat("A: 1\r\n", 10)
		if _, _, err := run(section+"\r\n"+strings.Repeat("body", 100), n, Options{MaxSection: 62}); err != nil {
			t.Errorf("chunks of %d: a section at its limit gives %v", n, err)
		}
		if _, _, err := run(section+"\r\n", n, Options{MaxSection: 61}); !kinds.Is(err, kinds.Limit) {
			t.Errorf("chunks of %d: a section over its limit gives %v", n, err)
		}
	}
}

func TestFilterKeepsItsFirstError(t *testing.T) {
	broken := errors.New("broken")
	f := NewFilter(writerFunc(func([]byte) (int, error) { return 0, broken }), Options{})
	if _, err := f.Write([]byte("A: 1\r\n\r\nbody")); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := f.Write([]byte("more")); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := f.Close(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

var _ io.WriteCloser = (*Filter)(nil)

func TestValueHasID(t *testing.T) {
	for v, want := range map[string]bool{
		" mx.test; spf=pass":         true,
		"mx.test":                    true,
		"\r\n\tMX.Test\r\n 1; none":  true,
		"\"mx.test\"; none":          true,
		"\"m\\x.test\"; none":        true,
		"\"mx\\.\\test.\" 1; none":   true,
		"\"mx.test":                  true,
		"\"mx.test evil\"; none":     false,
		"mx.test.; none":             true,
		"mx.test(comment); none":     true,
		" (a \\) (b)) mx.test; none": true,
		"mx.test.example; none":      false,
		"other; x=mx.test":           false,
		"(mx.test) other":            false,
		"":                           false,
		"(((":                        false,
	} {
		if got := ValueHasID([]byte(v), "mx.test"); got != want {
			t.Errorf("%q: %v", v, got)
		}
	}
}

func TestAllGoesThroughTheFieldsOfASection(t *testing.T) {
	in := "From: a\r\nrubbish\r\n with fold\r\nSubject :\r\n folded\r\n\ttext \r\n: no name\r\nX:\n\r\nTo: body\r\n"
	var got []string
	for f := range All([]byte(in)) {
		got = append(got, string(f.Name)+"="+f.Text())
	}
	if s := strings.Join(got, "|"); s != "From=a|Subject=folded\ttext|X=" {
		t.Errorf("%q", s)
	}
	for f := range All([]byte(in)) {
		if !f.Is("FROM") || string(f.Raw) != "From: a\r\n" {
			t.Errorf("%q", f.Raw)
		}
		break
	}
}

var pieces = []string{"Return-Path: x\r\n", "return-path:", "Received: a\n", "A: b\r\n", " fold\r\n", "\t", "\r\n", "\n", "\r", "rubbish", ":", "authentication-results: mx.test;\r\n", "x", "long-field-name: and a long value"}

// Dropping nothing changes nothing; and what is left out doesn't depend on the chunks.
func TestFilterProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 20).Draw(t, "pieces"), "")
		n := rapid.IntRange(1, 40).Draw(t, "chunk")
		checkFilter(t, in, n)
	})
}

func checkFilter(t interface{ Fatalf(string, ...any) }, in string, n int) {
	for _, field := range []int{16, 1 << 20} {
		got, _, err := run(in, n, Options{MaxField: field, PassLong: true})
		if got != in || err != nil {
			t.Fatalf("%q in chunks of %d: %q, %v", in, n, got, err)
		}
	}
	whole, a, err := run(in, len(in)+1, Options{Drop: ours})
	cut, b, err2 := run(in, n, Options{Drop: ours})
	if err != nil || err2 != nil || whole != cut || a.Received() != b.Received() || a.StartsWithField() != b.StartsWithField() {
		t.Fatalf("%q: %q, in chunks of %d %q (%v, %v)", in, whole, n, cut, err, err2)
	}
	if a.StartsWithField() {
		for f := range All([]byte(whole)) {
			if ours(string(f.Name), f.Value) {
				t.Fatalf("%q: %q is left in %q", in, f.Raw, whole)
			}
		}
	}
}

func FuzzFilter(f *testing.F) {
	for i, p := range pieces {
		f.Add("A: 1\r\n"+p+"\r\nbody", i+1)
	}
	f.Fuzz(func(t *testing.T, in string, n int) {
		if len(in) > DefaultMaxField {
			return
		}
		checkFilter(t, in, max(1, n&0xff))
	})
}

func BenchmarkFilter(b *testing.B) {
	in := []byte(strings.Repeat("Received: from somewhere to elsewhere\r\n\tand so on\r\n", 40) + "\r\n" + strings.Repeat("text\r\n", 4000))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		f := NewFilter(io.Discard, Options{Drop: ours})
		if _, err := f.Write(in); err != nil {
			b.Fatal(err)
		}
	}
}
