package imap

import (
	"bytes"
	"io"
	"sync"
)

const (
	smallInput = 256     // memory of a connection that waits for a command
	largeInput = 8 << 10 // and of one that gets more at once
)

// inputs is memory that connections share.
type inputs struct{ pool sync.Pool }

func (p *inputs) get() *[largeInput]byte {
	if b, ok := p.pool.Get().(*[largeInput]byte); ok {
		return b
	}
	return new([largeInput]byte)
}

// input is what the client has sent. Between commands it takes hardly any memory.
type input struct {
	conn  *conn
	pool  *inputs
	small [smallInput]byte
	large *[largeInput]byte
	buf   []byte // received and not read
}

// fill receives more; buf is empty.
func (in *input) fill() error {
	if in.large == nil {
		in.large = in.pool.get()
	}
	n, err := in.conn.read(in.large[:])
	in.buf = in.large[:n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// wait is fill for a connection that may say nothing for long.
func (in *input) wait() error {
	in.release()
	if z := in.conn.z; z != nil {
		if err := z.sleep(); err != nil {
			return err
		}
	}
	n, err := in.conn.read(in.small[:])
	in.buf = in.small[:n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// release gives memory back; buf is empty.
func (in *input) release() {
	if in.large != nil {
		in.pool.pool.Put(in.large)
		in.large, in.buf = nil, nil
	}
}

// line appends to line up to a line feed. Of what goes beyond limit octets only the
// beginning and the end are kept, and whole is false.
func (in *input) line(line []byte, limit int) (_ []byte, length int, whole bool, err error) {
	whole = true
	from := len(line)
	for {
		if len(in.buf) == 0 {
			if err := in.fill(); err != nil {
				return line, length, whole, err
			}
		}
		n := bytes.IndexByte(in.buf, '\n') + 1
		ended := n > 0
		if !ended {
			n = len(in.buf)
		}
		line = append(line, in.buf[:n]...)
		in.buf = in.buf[n:]
		if length += n; length > limit {
			whole = false
			if k := len(line); k > from+512 {
				line = append(line[:from+256], line[k-64:]...)
			}
		}
		if ended {
			return line, length, whole, nil
		}
	}
}

// full appends n octets to b.
func (in *input) full(b []byte, n int64) ([]byte, error) {
	for n > 0 {
		if len(in.buf) == 0 {
			if err := in.fill(); err != nil {
				return b, err
			}
		}
		k := min(int64(len(in.buf)), n)
		b = append(b, in.buf[:k]...)
		in.buf = in.buf[k:]
		n -= k
	}
	return b, nil
}

// discard passes over n octets.
func (in *input) discard(n int64) error {
	for n > 0 {
		if len(in.buf) == 0 {
			if err := in.fill(); err != nil {
				return err
			}
		}
		k := min(int64(len(in.buf)), n)
		in.buf = in.buf[k:]
		n -= k
	}
	return nil
}

// Read reads what comes.
func (in *input) Read(p []byte) (int, error) {
	if len(in.buf) == 0 {
		if err := in.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf)
	in.buf = in.buf[n:]
	return n, nil
}
