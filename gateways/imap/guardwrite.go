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

// Write passes on what imapserver has to say, and notes where the command stands. A
// response begins with a Write of its own.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.silent {
		g.silent = !bytes.HasSuffix(p, []byte("\r\n"))
		return len(p), nil
	}
	out := p
	switch tag := []byte(g.tag + " "); {
	case len(tag) > 1 && bytes.HasPrefix(p, tag):
		if g.answered {
			return len(p), nil // the guard has said it in other words
		}
		g.answered = true
		g.atRest()
		if bytes.Equal(p[len(tag):], syntaxError) {
			out = append(tag, badSyntax...)
		}
	case bytes.HasPrefix(p, []byte("+ ")):
		if g.answered {
			return len(p), nil
		}
		if g.prompted = true; g.verb == "IDLE" {
			g.atRest()
		}
	}
	if err := g.Conn.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	n, err := g.Conn.Write(out)
	if err == nil {
		n = len(p)
	}
	return min(n, len(p)), err
}

// SetWriteDeadline does nothing: each Write has a deadline of its own, so that a large
// message may take its time as long as it gets on.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }

// say writes a response of the guard's own.
func (g *guard) say(tag, text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
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

// bye ends the connection with a reason, when the command at work is answered or has had
// the time for it.
func (g *guard) bye(reason string, patience time.Duration) {
	g.mu.Lock()
	rest := g.rest
	g.mu.Unlock()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-rest:
		g.say("*", "BYE "+reason)
	case <-g.closed:
	case <-t.C:
	}
	_ = g.Conn.Close()
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
