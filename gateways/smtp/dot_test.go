package smtp

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// readAll feeds p in pieces of the given sizes, again and again, and gives the message, how
// many octets were taken, whether it ended and whether a line end was bare.
func readAll(p []byte, sizes ...int) (msg []byte, taken int, end, bare bool) {
	var d dotReader
	for i := 0; taken < len(p); i++ {
		piece := p[taken:min(len(p), taken+max(1, sizes[i%len(sizes)]))]
		n, e := d.read(piece, func(b []byte) { msg = append(msg, b...) })
		if taken += n; e {
			return msg, taken, true, d.bare
		}
	}
	return msg, taken, false, d.bare
}

func TestWhatAClientStuffsComesOutAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`[.a \x00-\x09]{0,6}`)).Draw(t, "lines")
		sizes := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 4).Draw(t, "sizes")
		want, wire := "", ""
		for _, l := range lines {
			want += l + "\r\n"
			if strings.HasPrefix(l, ".") {
				wire += "."
			}
			wire += l + "\r\n"
		}
		wire += ".\r\n"
		got, n, end, bare := readAll([]byte(wire+"NOOP\r\n"), sizes...)
		if string(got) != want || n != len(wire) && end || !end || bare {
			t.Fatalf("%q came out as %q, %d octets taken of %d, end %v, bare %v", wire, got, n, len(wire), end, bare)
		}
	})
}

func TestOnlyCRLFDotCRLFEndsAMessage(t *testing.T) {
	for _, c := range []struct {
		wire string
		rest string // what is left after the end; "-": it never ends
		bare bool
	}{
		{".\r\n", "", false},
		{"a\r\n.\r\nMAIL", "MAIL", false},
		{"a\r\n..\r\n", "-", false},
		{"a\r\n.b\r\n.\r\n", "", false},
		{"a.\r\n", "-", false},
		{"a\n.\n", "-", true},
		{"a\n.\r\n", "-", true},
		{"a\r\n.\n", "-", true},
		{"a\r.\r\n", "-", true},
		{"a\r\n.\r", "-", false},
		{"a\r\n.\r\r\n", "-", true},
		{"a\r\r\n.\r\n", "", true},
		{"a\r\n\x00.\r\n", "-", false},
		{"a\n.\n\r\n.\r\nX", "X", true},
		{"a\r.\r\r\n.\r\nX", "X", true},
		{"a\r\n.\rX\r\n.\r\nY", "Y", true},
		{"\n.\r\n", "-", true},
		{".\n\r\n.\r\nX", "X", true},
		{"\r\n.\r\n", "", false},
	} {
		for size := 1; size <= len(c.wire); size++ {
			_, n, end, bare := readAll([]byte(c.wire), size)
			if end != (c.rest != "-") || end && c.wire[n:] != c.rest || bare != c.bare {
				t.Errorf("%q in pieces of %d: end %v with %q left, bare %v", c.wire, size, end, c.wire[n:], bare)
			}
		}
	}
}

// slow is the definition, octet by octet.
func slow(p []byte) (msg []byte, end, bare bool) {
	for i := 0; i < len(p); {
		j := bytes.Index(p[i:], []byte("\r\n"))
		line := p[i:]
		if j >= 0 {
			line = p[i : i+j]
		}
		if j >= 0 && string(line) == "." {
			return msg, true, bare
		}
		whole := bytes.HasSuffix(line, []byte("\r")) && j < 0 // may be half a line end
		body := line
		if whole {
			body = line[:len(line)-1]
		}
		bare = bare || bytes.ContainsAny(body, "\r\n")
		if j < 0 {
			return append(msg, bytes.TrimPrefix(line, []byte("."))...), false, bare
		}
		msg = append(append(msg, bytes.TrimPrefix(line, []byte("."))...), '\r', '\n')
		i += j + 2
	}
	return msg, false, bare
}

func FuzzDotReader(f *testing.F) {
	for _, s := range []string{"a\r\n.\r\n", "a\r\r\n.\r\n", "a\n.\n", "..\r\n.\r\n", ".\rX", "\r\n.\r"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, p []byte, size int) {
		got, _, end, bare := readAll(p, size%17)
		want, wantEnd, wantBare := slow(p)
		if end != wantEnd || bare != wantBare {
			t.Fatalf("%q: end %v, bare %v, want %v, %v", p, end, bare, wantEnd, wantBare)
		}
		if end && !bare && !bytes.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", p, got, want)
		}
	})
}
