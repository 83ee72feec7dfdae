// Package dialog runs protocol dialogues that are written down as text, against whatever
// address a World leads to. A script is a list of lines:
//
//	# a comment, as far as the line; empty lines mean nothing
//	c: connect smtp            open connection c to the listener that the world calls smtp
//	c: tls_connect imaps       the same, with TLS from the first byte
//	c: starttls                TLS on an open connection; what was read ahead is a failure
//	c: close                   hang up
//	c-> EHLO client.test       send the text and CRLF
//	c->- MAIL FR               send the text alone
//	c<- 250 2.0.0 OK           expect exactly this line
//	c<~ ^250[ -](?P<what>.*)   expect a line that matches; named groups become variables
//	c<... 250                  expect a line that begins so
//	c<* ^a OK                  read lines up to one that matches; named groups as above
//	c<eof>                     expect the end of the connection
//	eventually                 run the lines up to end again until they all hold, 10 s long
//	end
//
// Without a name before the arrow, c is meant. In texts, \r \n \t \0 \\ and \xNN stand for
// bytes; ${user} for a variable; ${b64:text} for the base64 of the text and
// ${repeat:N:text} for N times the text, in both of which variables and escapes are
// replaced first. In regular expressions variables are replaced, and quoted.
//
// A failure within eventually closes what the block has opened. On connections that were
// open before, the block must not care for lines left unread (c<* does not).
package dialog

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long anything expected may take.
const patience = 10 * time.Second

// World is where a script runs.
type World struct {
	// Dial opens a connection, without TLS, to the listener with the name.
	Dial func(ctx context.Context, listener string) (net.Conn, error)
	TLS  *tls.Config // of the client
	Vars map[string]string
}

// Run runs the script in the file.
func Run(t *testing.T, path string, w World) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Play(filepath.Base(path), string(text), w); err != nil {
		t.Fatal(err)
	}
}

// RunAll runs each script that the pattern matches as a subtest in a world of its own.
func RunAll(t *testing.T, pattern string, world func(t *testing.T) World) {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) { Run(t, path, world(t)) })
	}
}

// Play runs a script and gives the first thing that is not as it should be.
func Play(name, text string, w World) error {
	lines, err := parse(text)
	if err != nil {
		return fmt.Errorf("%s:%w", name, err)
	}
	p := &player{world: w, vars: maps.Clone(w.Vars), conns: map[string]*conn{}}
	if p.vars == nil {
		p.vars = map[string]string{}
	}
	defer p.closeAll(nil)
	if err := p.play(lines); err != nil {
		return fmt.Errorf("%s:%w", name, err)
	}
	return nil
}

type player struct {
	world World
	vars  map[string]string
	conns map[string]*conn
}

type conn struct {
	net.Conn
	r *bufio.Reader
}

// play runs lines in order. Its error begins with the number of the line.
func (p *player) play(lines []line) error {
	for _, l := range lines {
		if err := p.step(l); err != nil {
			return fmt.Errorf("%d: %s: %w", l.number, l.source, err)
		}
	}
	return nil
}

func (p *player) step(l line) error {
	if l.verb == "eventually" {
		return p.eventually(l.block)
	}
	if l.verb == "connect" || l.verb == "tls_connect" {
		return p.connect(l)
	}
	c := p.conns[l.conn]
	if c == nil {
		return fmt.Errorf("%s is not connected", l.conn)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	switch l.verb {
	case "starttls":
		return p.startTLS(l.conn, c)
	case "close":
		delete(p.conns, l.conn)
		return c.Close()
	case "->", "->-":
		s, err := p.text(l.text)
		if err != nil {
			return err
		}
		if l.verb == "->" {
			s += "\r\n"
		}
		_, err = io.WriteString(c, s)
		return err
	case "<eof>":
		got, err := c.line()
		if err == nil {
			return fmt.Errorf("got %q", got)
		}
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return err
		}
		return nil // a reset is an end, too
	}
	return p.expect(c, l)
}

func (p *player) connect(l line) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	raw, err := p.world.Dial(ctx, l.text)
	if err != nil {
		return err
	}
	if l.verb == "tls_connect" {
		t := tls.Client(raw, p.world.TLS)
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return err
		}
		raw = t
	}
	if old := p.conns[l.conn]; old != nil {
		old.Close()
	}
	p.conns[l.conn] = &conn{raw, bufio.NewReader(raw)}
	return nil
}

func (p *player) startTLS(name string, c *conn) error {
	if n := c.r.Buffered(); n > 0 {
		b, _ := c.r.Peek(n)
		return fmt.Errorf("there are bytes before the handshake: %q", b)
	}
	t := tls.Client(c.Conn, p.world.TLS)
	if err := t.Handshake(); err != nil {
		return err
	}
	p.conns[name] = &conn{t, bufio.NewReader(t)}
	return nil
}

// eventually runs the block until it holds.
func (p *player) eventually(block []line) error {
	end := time.Now().Add(patience)
	for {
		before := maps.Clone(p.conns)
		err := p.play(block)
		if err == nil {
			return nil
		}
		p.closeAll(before)
		if time.Now().After(end) {
			return fmt.Errorf("still after %v: %w", patience, err)
		}
		<-time.After(20 * time.Millisecond) // between two looks
	}
}

// closeAll closes all connections but those kept.
func (p *player) closeAll(kept map[string]*conn) {
	for name, c := range p.conns {
		if kept[name] != c {
			c.Close()
			delete(p.conns, name)
		}
	}
}

// line reads a line, without its CRLF. Any other line end stays.
func (c *conn) line() (string, error) {
	var b strings.Builder
	for b.Len() < 1<<20 {
		part, err := c.r.ReadSlice('\n')
		b.Write(part)
		if err == nil {
			return strings.TrimSuffix(b.String(), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if b.Len() > 0 {
				return "", fmt.Errorf("%w after %q", err, b.String())
			}
			return "", err
		}
	}
	return "", errors.New("a line of more than 1 MiB")
}
