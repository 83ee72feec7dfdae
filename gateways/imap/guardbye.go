package imap

import (
	"io"
	"time"
)

// lingerTime is for a client that is told BYE while it sends: what is on its way is read
// off, because a connection that is closed with octets unread takes the BYE back.
const lingerTime = time.Second

// bye ends the connection with a reason, when the command at work is answered or has had
// the time for it. A client that still sends its command then is told too, but one that
// still gets a response can only be cut off.
func (g *guard) bye(reason string, patience time.Duration) {
	g.mu.Lock()
	rest := g.rest
	g.mu.Unlock()
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-rest:
		// An update that the client doesn't take has no more time than BYE.
		_ = g.Conn.SetWriteDeadline(time.Now().Add(lingerTime))
		g.sayBye(reason)
	case <-g.closed:
	case <-t.C:
		g.interrupt(reason)
		t.Reset(2 * lingerTime)
		select {
		case <-g.closed:
		case <-t.C:
		}
	}
	_ = g.Conn.Close()
}

// interrupt says BYE when the client is next listened to, which may be now.
func (g *guard) interrupt(reason string) {
	g.mu.Lock()
	g.parting = reason
	now := g.awaiting && !g.left
	g.left = g.left || now
	g.mu.Unlock()
	if now {
		g.writeBye(reason)
		_ = g.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// sayBye is the last that the client hears. No response may be half written.
func (g *guard) sayBye(reason string) {
	g.writing.Lock()
	defer g.writing.Unlock()
	if g.depart() {
		g.writeBye(reason)
	}
}

func (g *guard) writeBye(reason string) {
	_ = g.Conn.SetWriteDeadline(time.Now().Add(lingerTime))
	_, _ = g.Conn.Write([]byte("* BYE " + reason + "\r\n"))
}

// depart ends what is heard and written, and reports whether it had not ended before.
func (g *guard) depart() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.left
	g.left = true
	return first
}

func (g *guard) hasLeft() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.left
}

// await begins or ends the wait for octets of the client's.
func (g *guard) await(now bool) {
	g.mu.Lock()
	parting := g.parting
	g.awaiting = now
	g.mu.Unlock()
	if now && parting != "" {
		g.sayBye(parting)
	}
}

// incoming is what the client sends. It ends after BYE, so that a command of which a part
// is missing is never run: the client is going to give it again.
type incoming struct {
	g     *guard
	ended bool
}

func (in *incoming) Read(p []byte) (int, error) {
	in.g.await(true)
	if !in.g.hasLeft() {
		n, err := in.g.Conn.Read(p)
		in.g.await(false)
		if !in.g.hasLeft() {
			return n, err
		}
	}
	if err := in.g.Conn.SetReadDeadline(time.Now().Add(lingerTime)); err == nil && !in.ended {
		in.ended = true
		_, _ = io.Copy(io.Discard, in.g.Conn)
	}
	return 0, io.ErrUnexpectedEOF
}
