package imap

import (
	"bytes"
	"time"
)

// syntaxError is what imapserver says, after the tag, of arguments that it can't parse: the
// session has other words for what goes wrong there.
var (
	syntaxError = []byte("NO [SERVERBUG] Internal server error\r\n")
	badSyntax   = []byte("BAD Syntax error in the command's arguments\r\n")
)

// Write passes on what imapserver has to say. A response begins with a Write of its own.
func (g *guard) Write(p []byte) (int, error) {
	g.writing.Lock()
	defer g.writing.Unlock()
	out := g.respond(p)
	if len(out) == 0 {
		return len(p), nil
	}
	if err := g.Conn.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	n, err := g.Conn.Write(out)
	if err != nil {
		g.depart() // what broke off here can't be gone on with
		return min(n, len(p)), err
	}
	return len(p), nil
}

// respond notes where the command stands after p, and gives what the client is to get in
// its place.
func (g *guard) respond(p []byte) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.left {
		return nil
	}
	if g.silent {
		g.silent = !bytes.HasSuffix(p, []byte("\r\n"))
		return nil
	}
	switch tag := []byte(g.tag + " "); {
	case len(tag) > 1 && bytes.HasPrefix(p, tag):
		if g.answered {
			return nil // the guard has said it in other words
		}
		g.answered = true
		g.atRest()
		if bytes.Equal(p[len(tag):], syntaxError) {
			return append(tag, badSyntax...)
		}
	case bytes.HasPrefix(p, []byte("+ ")):
		if g.answered {
			return nil
		}
		if g.prompted = true; g.verb == "IDLE" {
			g.atRest()
		}
	}
	return p
}

// SetWriteDeadline does nothing: each Write has a deadline of its own, so that a large
// message may take its time as long as it gets on.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }

// say writes a response of the guard's own.
func (g *guard) say(tag, text string) {
	g.writing.Lock()
	defer g.writing.Unlock()
	if g.hasLeft() {
		return
	}
	_ = g.Conn.SetWriteDeadline(time.Now().Add(writePatience))
	// The next read tells if this failed.
	_, _ = g.Conn.Write([]byte(tag + " " + text + "\r\n"))
}

// answer marks the command as answered by the guard.
func (g *guard) answer() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = true
	g.atRest()
}

// atRest says that no command is at work; mu is held.
func (g *guard) atRest() {
	select {
	case <-g.rest:
	default:
		close(g.rest)
	}
}

func (g *guard) isAnswered() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.answered
}

// command is the name of the last command.
func (g *guard) command() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.verb
}
