package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// transmitted is what a client gets of a message, in writes of at most step bytes.
func transmitted(message []byte, lines int64, step int, to func(io.Writer) (io.Writer, func() error)) (string, error) {
	var b bytes.Buffer
	w := bufio.NewWriterSize(&b, 16)
	t := transmit{out: w, body: lines}
	dst, finish := to(&t)
	for rest := message; len(rest) > 0; rest = rest[min(step, len(rest)):] {
		if _, err := dst.Write(rest[:min(step, len(rest))]); errors.Is(err, errEnough) {
			break
		} else if err != nil {
			return "", err
		}
	}
	if err := finish(); err != nil && !errors.Is(err, errEnough) {
		return "", err
	}
	t.close()
	w.Flush()
	return b.String(), nil
}

func direct(w io.Writer) (io.Writer, func() error) { return w, func() error { return nil } }

func downgraded(w io.Writer) (io.Writer, func() error) {
	s := &surrogate{to: w}
	return s, s.flush
}

// received undoes a multi-line reply as a client does. ok is false where the reply isn't
// one, or goes on after its end.
func received(reply string) (lines []string, ok bool) {
	for {
		line, rest, found := strings.Cut(reply, "\r\n")
		switch {
		case !found || strings.Contains(line, "\n"):
			return nil, false
		case line == ".":
			return lines, rest == ""
		}
		lines = append(lines, strings.TrimPrefix(line, "."))
		reply = rest
	}
}

// wanted is what a client should see of a message: all lines, or the header's, the empty
// one and n of the body.
func wanted(message string, n int64) (lines []string) {
	if message == "" {
		return nil
	}
	all := strings.Split(strings.TrimSuffix(message, "\n"), "\n")
	body := false
	for i, l := range all {
		if i < len(all)-1 || strings.HasSuffix(message, "\n") {
			l = strings.TrimSuffix(l, "\r")
		}
		if body {
			if n == 0 {
				break
			}
			n--
		}
		lines = append(lines, l)
		body = body || l == ""
	}
	return lines
}

var pieces = []string{"\r\n", "\r\n", "\r\n", "\n", "\r", ".", "..", "a", "Subject: x", " ", "\x00", "\xff", "ä", "\r\n\r\n", "\r\n.\r\n"}

func TestWhatIsReceivedIsTheMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 40).Draw(t, "message"), "")
		n := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Just(int64(wholeMessage))).Draw(t, "lines")
		step := rapid.IntRange(1, 50).Draw(t, "step")
		checkTransmit(t, message, n, step)
	})
}

func FuzzTransmit(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\n.\r\n..\r\nend"), int64(2), 3)
	f.Add([]byte("\n\r\n.\r"), int64(wholeMessage), 1)
	f.Fuzz(func(t *testing.T, message []byte, n int64, step int) {
		checkTransmit(t, string(message), max(n, 0), max(step, 1))
	})
}

func checkTransmit(t interface{ Fatalf(string, ...any) }, message string, n int64, step int) {
	reply, err := transmitted([]byte(message), n, step, direct)
	if err != nil {
		t.Fatalf("%v", err)
	}
	got, ok := received(reply)
	if !ok {
		t.Fatalf("%q gives no reply: %q", message, reply)
	}
	want := wanted(message, n)
	if strings.Join(got, "|") != strings.Join(want, "|") || len(got) != len(want) {
		t.Fatalf("%q, %d lines: got %q, want %q", message, n, got, want)
	}
	// A message of lines that end as they should comes back byte by byte.
	if n == wholeMessage && !strings.Contains(strings.ReplaceAll(message, "\r\n", ""), "\n") && strings.HasSuffix(message, "\r\n") {
		if back := strings.Join(got, "\r\n") + "\r\n"; back != message {
			t.Fatalf("%q came back as %q", message, back)
		}
	}
}
