package imap

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/emersion/go-imap/v2"
)

// RFC 4978, section 3: a deflate stream each way. What is written is compressed by pieces
// that know nothing of each other, so that it takes no memory between them. What the client
// sends refers to the last 32 KiB before it; while it says nothing they are kept compressed.

// compress is COMPRESS.
func (s *session) compress(cmd *command) error {
	cmd.SP()
	name := cmd.Keyword()
	if err := cmd.End(); err != nil {
		return err
	}
	switch {
	case name != "DEFLATE":
		return no(imap.ResponseCodeCannot, "No such compression")
	case s.conn.z != nil:
		return no("COMPRESSIONACTIVE", "Compression is active already")
	case len(s.conn.in.buf) > 0:
		return bad("Nothing may follow before COMPRESS is answered")
	}
	s.startCompress, cmd.text = true, "Compression is active"
	return nil
}

// deflate compresses what may not refer to anything before it.
func deflate(b *bytes.Buffer, p []byte) error {
	b.Reset()
	return flate.StatelessDeflate(b, p, false, nil)
}

// squeeze is a connection's compression.
type squeeze struct {
	inflater
	conn    *conn
	buffers *sync.Pool // of *bytes.Buffer
	small   [smallInput]byte
	large   *[largeInput]byte
	asleep  bool
	packed  []byte // the window, compressed, while the client says nothing
	held    int    // its length
}

func newSqueeze(c *conn, buffers *sync.Pool) *squeeze {
	z := &squeeze{conn: c, buffers: buffers}
	z.receive = z.hear
	return z
}

func (z *squeeze) buffer() *bytes.Buffer {
	if b, ok := z.buffers.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

// hear waits for the client.
func (z *squeeze) hear() ([]byte, error) {
	mem := z.small[:]
	if !z.asleep {
		if z.large == nil {
			z.large = z.conn.in.pool.get()
		}
		mem = z.large[:]
	}
	n, err := z.conn.receive(mem)
	if z.asleep && n > 0 {
		if wrong := z.wake(); wrong != nil {
			return nil, wrong
		}
	}
	return mem[:n], err
}

// sleep keeps little memory while the client says nothing, unless it has said something
// that is still to be read.
func (z *squeeze) sleep() error {
	if z.asleep || len(z.in) > 0 || z.at < len(z.win) {
		return nil
	}
	b := z.buffer()
	defer z.buffers.Put(b)
	window := z.win[max(0, len(z.win)-inflateWindow):]
	if err := deflate(b, window); err != nil {
		return err
	}
	z.packed, z.held = bytes.Clone(b.Bytes()), len(window)
	z.win, z.at, z.asleep = nil, 0, true
	if z.large != nil {
		z.conn.in.pool.pool.Put(z.large)
		z.large = nil
	}
	return nil
}

func (z *squeeze) wake() error {
	z.asleep = false
	own := inflater{receive: func() ([]byte, error) { return nil, io.ErrUnexpectedEOF }, in: z.packed}
	z.win = make([]byte, z.held)
	if _, err := io.ReadFull(&own, z.win); err != nil {
		return err
	}
	z.packed, z.at = nil, len(z.win)
	return nil
}

// write compresses p, and writes it at once.
func (z *squeeze) write(p []byte) error {
	b := z.buffer()
	defer z.buffers.Put(b)
	if err := deflate(b, p); err != nil {
		return err
	}
	_, err := z.conn.Conn.Write(b.Bytes())
	return err
}

// even tells whether the client has ended a block, and nothing is behind it.
func (z *squeeze) even() bool {
	return z.at == len(z.win) && len(z.in) == 0 && z.n < 8 && (z.phase == atBlock || z.phase == atEnd)
}
