package smtp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const bufferSize = 16 << 10

// Errors of wire.line, beside those of the connection.
var (
	errLong     = errors.New("smtp: line too long")
	errLineEnd  = errors.New("smtp: line does not end in CRLF, or has a bare CR or a NUL")
	errDraining = errors.New("smtp: shutting down")
)

// maxHeld is how much of replies may be held back.
const maxHeld = 16 << 10

// wire is a connection with its buffers. Replies are held back until there is nothing
// more to be read, or maxHeld of them, so that a pipelined group is answered by one write.
type wire struct {
	c    net.Conn
	buf  []byte
	r, w int // what was read and not taken yet is buf[r:w]
	out  []byte

	mu       sync.Mutex
	waiting  bool // for a command
	draining bool
}

func newWire(c net.Conn) *wire { return &wire{c: c, buf: make([]byte, bufferSize)} }

// drain ends the wait for the next command, now and whenever it begins, and shortens the
// wait for the next block of a message.
func (w *wire) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	if w.waiting {
		_ = w.c.SetReadDeadline(time.Unix(1, 0))
	} else {
		_ = w.c.SetReadDeadline(time.Now().Add(drainBlockTime))
	}
}

// wait begins or ends the wait for a command.
func (w *wire) wait(deadline time.Time, waiting bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if waiting && w.draining {
		return errDraining
	}
	if last := time.Now().Add(drainBlockTime); w.draining && deadline.After(last) {
		deadline = last
	}
	w.waiting = waiting
	return w.c.SetReadDeadline(deadline)
}

func (w *wire) isDraining() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
}

// buffered is what was read and not taken yet; take takes n octets of it.
func (w *wire) buffered() []byte { return w.buf[w.r:w.w] }
func (w *wire) take(n int)       { w.r += n }

// fill sends what is held back and reads more.
func (w *wire) fill() error {
	if err := w.flush(); err != nil {
		return err
	}
	if w.r == w.w {
		w.r, w.w = 0, 0
	} else if w.w == len(w.buf) {
		w.w = copy(w.buf, w.buf[w.r:w.w])
		w.r = 0
	}
	n, err := w.c.Read(w.buf[w.w:])
	w.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// line waits for a line, at most until the deadline, and takes it. The line has no CRLF
// and is valid until the next fill.
//
// RFC 5321, section 2.3.8: the carriage return and line feed characters MUST only be used as a pair
func (w *wire) line(deadline time.Time) ([]byte, error) {
	if len(w.out) > maxHeld {
		if err := w.flush(); err != nil {
			return nil, err
		}
	}
	if err := w.wait(deadline, true); err != nil {
		return nil, err
	}
	defer func() { _ = w.wait(time.Time{}, false) }()
	seen, long := 0, 0
	for {
		b := w.buffered()
		if i := bytes.IndexByte(b[seen:], '\n'); i >= 0 {
			n := seen + i
			w.take(n + 1)
			switch {
			case long > 0 || n+1 > maxLine:
				return nil, errLong
			case n == 0 || b[n-1] != '\r' || bytes.IndexByte(b[:n-1], '\r') >= 0 || bytes.IndexByte(b[:n], 0) >= 0:
				return nil, errLineEnd
			}
			return b[:n-1], nil
		}
		seen = len(b)
		if seen > maxLine { // read off the rest of it
			if long += seen; long > maxLongLine {
				return nil, kinds.Wrap(kinds.Limit, errLong, "far")
			}
			w.take(seen)
			seen = 0
		}
		if err := w.fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && w.isDraining() {
				err = errDraining
			}
			return nil, err
		}
	}
}

// flush sends what is held back.
func (w *wire) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	if err := w.c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := w.c.Write(w.out)
	w.out = w.out[:0]
	return err
}

// upgrade goes on over TLS.
func (w *wire) upgrade(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.c = c
}
