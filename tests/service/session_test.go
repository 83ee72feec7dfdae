package service_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/world"
)

const inMailbox = `
eventually
c: tls_connect imaps
c<... * OK
c-> a LOGIN alice@demo.test "${password}"
c<* ^a OK
c-> b STATUS INBOX (MESSAGES)
c<~ ^\* STATUS "?INBOX"? \(MESSAGES 1\)
end
c-> c LOGOUT
`

// session is a connection on which something has been said.
type session struct {
	net.Conn
	in *bufio.Reader
}

// open connects, sends each text and reads lines until one begins with what is expected.
func open(t *testing.T, w *world.World, listener string, say ...string) *session {
	t.Helper()
	c, err := w.Dial(t.Context(), listener)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(listener, "s") {
		c = tls.Client(c, w.TLS())
	}
	t.Cleanup(func() { c.Close() })
	s := &session{c, bufio.NewReader(c)}
	for i, text := range say {
		if i%2 == 1 {
			if _, err := io.WriteString(s, text+"\r\n"); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for line := ""; !strings.HasPrefix(line, text); {
			if line, err = s.in.ReadString('\n'); err != nil {
				t.Fatalf("%s: waiting for %q: %v", listener, text, err)
			}
		}
	}
	return s
}

// say sends a line and reads up to one that begins with what is expected.
func (s *session) say(t *testing.T, text, want string) (lines []string) {
	t.Helper()
	if _, err := io.WriteString(s, text+"\r\n"); err != nil {
		t.Fatal(err)
	}
	for {
		if err := s.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		line, err := s.in.ReadString('\n')
		if err != nil {
			t.Fatalf("%q is answered with %q, not with %q: %v", text, lines, want, err)
		}
		lines = append(lines, line)
		if len(line) >= len(want) && line[:len(want)] == want {
			return lines
		}
	}
}
