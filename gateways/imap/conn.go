package imap

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
)

// How long a client may take.
const (
	// RFC 9051, section 5.4: If a server has an inactivity autologout timer that applies to sessions after authentication, the duration of that timer MUST be at least 30 minutes.
	idlePatience     = 35 * time.Minute // between commands, and in IDLE
	strangerPatience = 5 * time.Minute  // between commands before it has logged in
	linePatience     = 2 * time.Minute  // for the rest of a command that has begun
	literalPatience  = time.Minute      // for one read of a message
	writePatience    = time.Minute      // for one write
	goodbyeTime      = 5 * time.Second  // for the command at work when the session has to end
	// lingerTime is for a client that is told BYE while it sends: what is on its way is read
	// off, because a connection that is closed with octets unread takes the BYE back.
	lingerTime = time.Second
)

// errOver ends a session that has said all it had to say.
var errOver = errors.New("imap: the session is over")

// conn is the connection of a session. One goroutine reads and writes; only while it waits
// for octets of the client's may another one write: BYE, or what happens during IDLE.
//
// A client that is told to end has the time to end its command, and is told BYE if it takes
// more; one that still gets a response can only be cut off, so that BYE falls into none.
type conn struct {
	net.Conn
	w        wire.Writer
	in       input
	z        *squeeze      // nil without COMPRESS
	closed   chan struct{} // when the session has ended
	lent     bool          // the writer is somebody else's while the client is waited for
	mistakes int
	patience time.Duration // for each read
	until    time.Time     // for all reads of a command, if it isn't zero

	writing sync.Mutex // held by who writes while the client is waited for
	broken  bool       // under writing, or by the reading goroutine: a write has failed

	mu       sync.Mutex // held for moments
	busy     bool       // a command was taken, and isn't answered
	awaiting bool       // octets of the client's: nothing is being written
	parting  string     // why the session is to end
	force    bool       // and the command at work is not waited for any longer
	left     bool       // BYE was said, or can't be: nothing is heard or written any more
}

func newConn(c net.Conn, buffers *wire.Buffers) *conn {
	s := &conn{Conn: c, closed: make(chan struct{}), patience: strangerPatience}
	s.in.conn = s
	s.w.Out, s.w.Buffers = out{s}, buffers
	return s
}

// out is what the writer writes to. Each write has a deadline of its own, so that a large
// message may take its time as long as it gets on.
type out struct{ c *conn }

func (o out) Write(p []byte) (int, error) {
	patience := writePatience
	o.c.mu.Lock()
	if o.c.left {
		patience = lingerTime
	}
	o.c.mu.Unlock()
	if err := o.c.Conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	err := o.c.put(p)
	o.c.broken = o.c.broken || err != nil // what broke off here can't be gone on with
	return len(p), err
}

// put writes to the connection.
func (c *conn) put(p []byte) error {
	if c.z != nil {
		return c.z.write(p)
	}
	_, err := c.Conn.Write(p)
	return err
}

// read reads what the client has said.
func (c *conn) read(p []byte) (int, error) {
	if c.z != nil {
		return c.z.Read(p)
	}
	return c.receive(p)
}

// receive is the one place where the client is waited for. What was answered goes out
// before. It ends after BYE, so that a command of which a part is missing is never run:
// the client is going to give it again.
func (c *conn) receive(p []byte) (int, error) {
	if !c.lent {
		if err := c.w.Flush(); err != nil {
			return 0, err
		}
	}
	if !c.await() {
		return 0, c.linger()
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.awaiting = false
	left := c.left
	c.mu.Unlock()
	if left {
		return 0, c.linger()
	}
	return n, err
}

// await begins the wait for the client, unless the session is to end now.
func (c *conn) await() bool {
	c.mu.Lock()
	if c.left {
		c.mu.Unlock()
		return false
	}
	if reason := c.parting; reason != "" && (c.force || !c.busy) {
		c.left = true
		c.mu.Unlock()
		c.sayBye(reason)
		return false
	}
	c.awaiting = true
	by := c.until
	if by.IsZero() {
		by = time.Now().Add(c.patience)
	}
	_ = c.Conn.SetReadDeadline(by)
	c.mu.Unlock()
	return true
}

// each gives each read some time, all gives it to all of them together.
func (c *conn) each(d time.Duration) { c.patience, c.until = d, time.Time{} }
func (c *conn) all(d time.Duration)  { c.until = time.Now().Add(d) }

// linger reads off what is on its way.
func (c *conn) linger() error {
	if err := c.Conn.SetReadDeadline(time.Now().Add(lingerTime)); err == nil {
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	return errOver
}

// rest says whether a command is at work; where none is, and the session is to end, it ends
// here.
func (c *conn) rest(now bool) error {
	c.mu.Lock()
	c.busy = !now
	reason := c.parting
	over := now && reason != "" && !c.left
	c.left = c.left || over
	c.mu.Unlock()
	if !over {
		return nil
	}
	if c.w.Flush() == nil {
		c.sayBye(reason)
		return c.linger()
	}
	return errOver
}

// bye ends the session with a reason, when the command at work is answered or has had the
// time for it. It returns when the connection is closed.
func (c *conn) bye(reason string, patience time.Duration) {
	if !c.part(reason, false) {
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case <-c.closed:
			return
		case <-t.C:
		}
		c.part(reason, true)
		t.Reset(2 * lingerTime)
		select {
		case <-c.closed:
		case <-t.C:
		}
	}
	_ = c.Conn.Close()
}

// part says BYE if the client is being listened to, and may be interrupted.
func (c *conn) part(reason string, force bool) (said bool) {
	c.mu.Lock()
	c.parting, c.force = reason, force
	said = c.awaiting && !c.left && (force || !c.busy)
	c.left = c.left || said
	c.mu.Unlock()
	if said {
		c.sayBye(reason)
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
	return said && !force
}

// sayBye is the last that the client hears. An update that it doesn't take has no more time
// than BYE.
func (c *conn) sayBye(reason string) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(lingerTime))
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.broken {
		return
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(lingerTime))
	_ = c.put([]byte("* BYE " + reason + "\r\n"))
}

// lost is what is done about an error of reading: a client that said nothing for too long
// is told so.
func (c *conn) lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.mu.Lock()
		c.left = true
		c.mu.Unlock()
		c.sayBye("Autologout, idle for too long")
	}
	return err
}

// say writes one line, which goes out with the next that waits.
func (c *conn) say(tag, text string) { c.w.Raw(tag).Raw(" ").Raw(text).CRLF() }
