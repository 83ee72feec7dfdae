package imap

import (
	"bufio"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// compressed is a client's side of COMPRESS.
type compressed struct {
	net.Conn
	w *flate.Writer
}

func (c *compressed) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err == nil {
		err = c.w.Flush()
	}
	return n, err
}

func (r *raw) compress(t testing.TB) {
	t.Helper()
	if got := r.ask("z", "COMPRESS DEFLATE"); !strings.HasPrefix(got[len(got)-1], "z OK") {
		t.Fatal(got)
	}
	w, err := flate.NewWriter(r.Conn, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	r.r = bufio.NewReader(flate.NewReader(r.r))
	r.Conn = &compressed{Conn: r.Conn, w: w}
}

// Each command refers to what was said before it, over many pauses of the client.
func TestCompressedSessionsGoOnAfterPauses(t *testing.T) {
	w := newWorld(t)
	r := w.raw(true)
	r.compress(t)
	if got := r.ask("a", "CAPABILITY"); strings.Contains(got[0], "COMPRESS") {
		t.Errorf("%q", got)
	}
	if got := r.ask("b", "COMPRESS DEFLATE"); !strings.HasPrefix(got[0], "b NO [COMPRESSIONACTIVE]") {
		t.Errorf("%q", got)
	}
	r.ask("c", "SELECT INBOX")
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for text.Len() < 100_000 {
		fmt.Fprintf(&text, "%x\r\n", random.Uint64())
	}
	for i := range 20 {
		body := text.String()[:random.IntN(text.Len())]
		got := r.ask("d", fmt.Sprintf("APPEND INBOX {%d+}\r\n%s", len(body), body))
		if !strings.HasPrefix(got[len(got)-1], "d OK") {
			t.Fatal(got)
		}
		lines := r.ask("e", fmt.Sprintf("FETCH %d BODY.PEEK[]", i+1))
		back := strings.Join(lines[1:len(lines)-1], "\r\n")
		if back != strings.TrimSuffix(body, "\r\n")+")" && back != body+")" {
			t.Fatalf("message %d of %d octets came back as %d", i+1, len(body), len(back))
		}
		r.ask("f", "SEARCH SUBJECT nothing UNSEEN")
	}
	r.say("g IDLE\r\n")
	if line := r.line(); !strings.HasPrefix(line, "+") {
		t.Fatalf("%q", line)
	}
	w.deliver("", "Subject: new\r\n\r\nnew\r\n")
	if line := r.line(); line != "* 21 EXISTS" {
		t.Errorf("%q", line)
	}
	r.say("DONE\r\n")
	if got := r.answer("g"); !strings.HasPrefix(got[len(got)-1], "g OK") {
		t.Errorf("%q", got)
	}
}

func TestWhatIsNotCompressedEndsACompressedSession(t *testing.T) {
	w := newWorld(t)
	r := w.raw(true)
	plain := r.Conn
	r.compress(t)
	_, _ = plain.Write([]byte("\xff\xff\xff\xffa CREATE evil\r\n"))
	if line := r.line(); r.err == nil {
		t.Errorf("%q", line)
	}
	if w.open().State().Mailbox("evil") != nil {
		t.Error("it was taken for a command")
	}
	r = w.raw(true)
	r.say("a COMPRESS DEFLATE\r\nb NOOP\r\n")
	if got := r.answer("b"); !strings.HasPrefix(got[0], "a BAD") {
		t.Errorf("%q", got)
	}
}

// RFC 8437, section 4.1: with UNAUTHENTICATE compression ends, behind its answer.
func TestUnauthenticateEndsCompression(t *testing.T) {
	w := newWorld(t)
	r := w.raw(true)
	for range 3 {
		conn, in := r.Conn, r.r
		r.compress(t)
		r.ask("a", "SELECT INBOX")
		if got := r.ask("b", "UNAUTHENTICATE"); !strings.HasPrefix(got[0], "b OK") {
			t.Fatalf("%q", got)
		}
		r.Conn, r.r = conn, in
		if got := r.ask("c", fmt.Sprintf("LOGIN %s %q", w.id.Address, testPassword)); !strings.Contains(got[0], " COMPRESS=DEFLATE ") {
			t.Fatalf("%q", got)
		}
	}
	r.compress(t)
	r.say("d UNAUTHENTICATE\r\ne NOOP\r\n")
	if line := r.line(); !strings.HasPrefix(line, "* BYE") {
		t.Errorf("%q", line)
	}
}
