package service_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"regexp"
	"runtime"
	"runtime/metrics"
	"strconv"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

const (
	large    = 100 << 20 // bytes of the message: as large as is taken in
	heapRoom = 32 << 20  // bytes by which the heap, client and service, may grow meanwhile
)

// heap watches how far this process's heap grows.
type heap struct {
	start, top uint64
	passed     int // bytes since the last look
}

func objects() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

func watchHeap() *heap {
	runtime.GC()
	n := objects()
	return &heap{start: n, top: n}
}

// pass is told of bytes that have passed.
func (h *heap) pass(n int) {
	if h.passed += n; h.passed >= 256<<10 {
		h.passed, h.top = 0, max(h.top, objects())
	}
}

func (h *heap) check(t *testing.T, doing string) {
	t.Helper()
	grown := h.top - h.start
	t.Logf("%s: the heap grew by %.1f MiB", doing, float64(grown)/(1<<20))
	if grown > heapRoom {
		t.Errorf("%s: the heap grew by %d bytes", doing, grown)
	}
}

// sendLarge writes the message, of large bytes, with what SMTP adds, and gives its hash.
func sendLarge(t *testing.T, to io.Writer, h *heap) []byte {
	t.Helper()
	sum, out := sha256.New(), bufio.NewWriterSize(to, 32<<10)
	left := large
	put := func(line []byte) {
		if line[0] == '.' {
			_ = out.WriteByte('.')
		}
		n, err := out.Write(line)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(line)
		left -= n
		h.pass(n)
	}
	put([]byte("Subject: large\r\n"))
	put([]byte("\r\n"))
	var line []byte
	for n := 0; left > 0; n++ {
		line = append(line[:0], ".. "[n%3:]...) // some begin with dots
		line = strconv.AppendInt(append(line, "line "...), int64(n), 10)
		for len(line) < 70+n%8 {
			line = append(line, 'a'+byte((n+len(line))%26))
		}
		if left < 200 { // the last one fills up
			line = bytes.Repeat([]byte("z"), left-2)
		}
		put(append(line, "\r\n"...))
	}
	if _, err := out.WriteString(".\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	return sum.Sum(nil)
}

// tail hashes what comes after the lines that the service puts before a message.
type tail struct {
	hash.Hash
	skip int64
	heap *heap
}

func (w *tail) Write(p []byte) (int, error) {
	n := min(w.skip, int64(len(p)))
	w.skip -= n
	w.Hash.Write(p[n:])
	w.heap.pass(len(p))
	return len(p), nil
}

// The largest message goes in and comes out as it was, and is never in memory as a whole.
func TestALargeMessagePassesThroughLittleMemory(t *testing.T) {
	w := world.New(t)
	deadline := time.Now().Add(2 * time.Minute)
	smtp := open(t, w, "smtp", "220", "EHLO client.test", "250 ", fmt.Sprintf("MAIL FROM:<a@example.net> SIZE=%d", large), "250",
		"RCPT TO:<"+world.Alice+">", "250", "DATA", "354")
	if err := smtp.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	h := watchHeap()
	want := sendLarge(t, smtp, h)
	if line, err := smtp.in.ReadString('\n'); err != nil || line[:3] != "250" {
		t.Fatalf("the answer to it is %q, %v", line, err)
	}
	h.pass(1 << 20)
	h.check(t, "accepting") // before a login, whose hash takes memory of its own
	if err := dialog.Play("delivered", inMailbox, w.Dialog()); err != nil {
		t.Fatal(err)
	}

	imap := open(t, w, "imaps", "* OK", `a LOGIN `+world.Alice+` "`+world.Password+`"`, "a OK", "b EXAMINE INBOX", "b OK")
	if err := imap.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	h = watchHeap()
	if _, err := io.WriteString(imap, "c FETCH 1 BODY.PEEK[]\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := imap.in.ReadString('\n')
	literal := regexp.MustCompile(`^\* 1 FETCH \(BODY\[\] \{(\d+)\}\r\n$`).FindStringSubmatch(line)
	if err != nil || literal == nil {
		t.Fatalf("FETCH gives %q, %v", line, err)
	}
	size, _ := strconv.ParseInt(literal[1], 10, 64)
	got := &tail{sha256.New(), size - large, h}
	if _, err := io.CopyN(got, imap.in, size); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Sum(nil), want) {
		t.Error("FETCH gives other bytes")
	}
	h.check(t, "FETCH")

	pop := open(t, w, "pop3s", "+OK", "USER "+world.Alice, "+OK", "PASS "+world.Password, "+OK", "RETR 1", "+OK")
	if err := pop.SetDeadline(deadline); err != nil {
		t.Fatal(err)
	}
	h = watchHeap()
	got = &tail{sha256.New(), size - large, h}
	for {
		line, err := pop.in.ReadSlice('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line[0] == '.' {
			if line = line[1:]; string(line) == "\r\n" {
				break
			}
		}
		if _, err := got.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got.Sum(nil), want) {
		t.Error("RETR gives other bytes")
	}
	h.check(t, "RETR")
}
