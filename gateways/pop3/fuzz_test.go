package pop3

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzCommand: the parser takes no control characters and no broken UTF-8, and loses
// nothing of an argument.
func FuzzCommand(f *testing.F) {
	for _, s := range []string{"NOOP", "retr 1", "PASS a  b ", "", " ", "USER \x00", "USER ä", "USER \xff", "TOP 1 99999999999999999999"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		c, ok := parseCommand(line)
		if !ok {
			return
		}
		if !utf8.Valid(line) || strings.ContainsAny(string(line), "\x00\r\n") {
			t.Fatalf("%q was taken", line)
		}
		if c.verb != strings.ToUpper(c.verb) || !strings.HasSuffix(string(line), c.rest) || len(c.verb)+len(c.rest) > len(line) {
			t.Fatalf("%q became %q", line, c)
		}
		for _, a := range c.args() {
			if n, ok := parseNumber(a); ok && n < 0 {
				t.Fatalf("%q is %d", a, n)
			}
		}
	})
}

// FuzzSession: whatever a client sends, in clear, under TLS or logged in, it gets
// replies that are well formed, the session ends, and nothing is deleted but by QUIT.
func FuzzSession(f *testing.F) {
	f.Add([]byte("CAPA\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n"), uint8(2))
	f.Add([]byte("USER user@demo.test\r\nPASS open sesame\r\nLIST\r\nQUIT\r\n"), uint8(1))
	f.Add([]byte("AUTH PLAIN\r\nAHVzZXJAZGVtby50ZXN0AG9wZW4gc2VzYW1l\r\nRETR 2\r\n"), uint8(1))
	f.Add([]byte("AUTH LOGIN\r\n*\r\nAUTH LOGIN =\r\n\x00\r\n"), uint8(1))
	f.Add([]byte("USER a\r\nSTLS\r\nAUTH PLAIN\r\nUTF8\r\nLANG en\r\n"), uint8(0))
	f.Add([]byte(strings.Repeat("x", 70000)), uint8(2))
	f.Add([]byte("\r\n\n\xff\x00\r\nRETR 99999999999999999999999\r\nTOP -1 -1\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, input []byte, mode uint8) {
		m := &memory{messages: []string{hello, "Subject: ä\n\n.\r.\n", ""}}
		s := newServer(m)
		if mode%3 == 2 {
			input = append([]byte("USER user@demo.test\r\nPASS open sesame\r\n"), input...)
		}
		c := &recorded{in: bytes.NewReader(append(input, "\r\n"...))}
		s.serve(context.Background(), c, mode%3 > 0)
		reply := c.out.String()
		if !strings.HasSuffix(reply, "\r\n") || strings.Contains(strings.ReplaceAll(reply, "\r\n", ""), "\n") {
			t.Fatalf("reply %q", reply)
		}
		if m.expunged != nil && !strings.HasSuffix(reply, "+OK Bye\r\n") {
			t.Fatalf("expunged %v, reply %q", m.expunged, reply)
		}
		if mode%3 == 0 && strings.Contains(reply, "messages (") {
			t.Fatalf("a login in clear: %q", reply)
		}
	})
}

// recorded is a connection whose client has said all it will say.
type recorded struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *recorded) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *recorded) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *recorded) Close() error                     { return nil }
func (c *recorded) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *recorded) SetDeadline(time.Time) error      { return nil }
func (c *recorded) SetReadDeadline(time.Time) error  { return nil }
func (c *recorded) SetWriteDeadline(time.Time) error { return nil }
