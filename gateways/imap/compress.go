package imap

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/emersion/go-imap/v2"
)

// RFC 4978, section 3: a deflate stream each way. What is written is compressed by pieces
// that know nothing of each other, so that it takes no memory between them. What the client
// sends refers to the last 32 KiB before it; while it says nothing they are kept compressed,
// and its decompressor serves another.
const inflateWindow = 32 << 10

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

// codecs are memory that connections share.
type codecs struct{ inflaters, buffers sync.Pool }

func (c *codecs) buffer() *bytes.Buffer {
	if b, ok := c.buffers.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

// squeeze is a connection's compression.
type squeeze struct {
	conn   *conn
	codecs *codecs
	r      io.ReadCloser // nil while the client says nothing
	window []byte        // what it has said last, up to twice as much as counts
	packed []byte        // the same, compressed, while r is nil
	small  [smallInput]byte
	large  *[largeInput]byte
	buf    []byte // received and not read
	tail   uint32 // the last four octets that were read
	held   int    // length of what is packed
	asleep bool   // nothing is to be received
}

var errAsleep = errors.New("imap: nothing more was received")

// ReadByte gives the decompressor one octet at a time, so that it takes none too many.
func (z *squeeze) ReadByte() (byte, error) {
	if len(z.buf) == 0 {
		if z.asleep {
			return 0, errAsleep
		}
		if z.large == nil {
			z.large = z.conn.in.pool.get()
		}
		n, err := z.conn.receive(z.large[:])
		if n == 0 {
			return 0, orNoProgress(err)
		}
		z.buf = z.large[:n]
	}
	c := z.buf[0]
	z.buf = z.buf[1:]
	z.tail = z.tail<<8 | uint32(c)
	return c, nil
}

// Read is for the interface; a decompressor takes octets by ReadByte.
func (z *squeeze) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := z.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

// read gives what the client has said.
func (z *squeeze) read(p []byte) (int, error) {
	if z.r == nil {
		if err := z.wake(); err != nil {
			return 0, err
		}
	}
	n, err := z.r.Read(p)
	if z.window = append(z.window, p[:n]...); len(z.window) > 2*inflateWindow {
		z.window = append(z.window[:0], z.window[len(z.window)-inflateWindow:]...)
	}
	if n > 0 {
		return n, nil
	}
	return 0, orNoProgress(err)
}

func orNoProgress(err error) error {
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// wake waits for the client, and then gets a decompressor.
func (z *squeeze) wake() error {
	n, err := z.conn.receive(z.small[:])
	if n == 0 {
		return orNoProgress(err)
	}
	z.buf = z.small[:n]
	if len(z.packed) > 0 {
		if z.window, err = io.ReadAll(io.LimitReader(z.inflater(bytes.NewReader(z.packed), nil), int64(z.held))); err != nil {
			return err
		}
		z.codecs.inflaters.Put(z.r)
	}
	z.packed, z.tail, z.held = nil, 0, 0
	z.inflater(z, z.window)
	return nil
}

// inflater makes r read from src.
func (z *squeeze) inflater(src io.Reader, window []byte) io.Reader {
	r, ok := z.codecs.inflaters.Get().(io.ReadCloser)
	if !ok {
		r = flate.NewReaderDict(src, window)
	} else if err := r.(flate.Resetter).Reset(src, window); err != nil {
		r = flate.NewReaderDict(src, window)
	}
	z.r = r
	return r
}

// sleep lets the decompressor go, if the client has ended its last piece as it should. It
// gives what the client has said before, if there is some left.
//
// RFC 1951, section 3.2.4: a piece ends with an empty block that isn't compressed, of which
// the last four octets are 00 00 FF FF.
func (z *squeeze) sleep(p []byte) (n int, err error) {
	if z.r == nil || len(z.buf) > 0 || z.tail != 0x0000ffff {
		return 0, nil
	}
	z.asleep = true
	n, err = z.r.Read(p)
	z.asleep = false
	if n > 0 {
		z.window = append(z.window, p[:n]...)
		return n, nil
	}
	if !errors.Is(err, errAsleep) {
		return 0, orNoProgress(err)
	}
	z.codecs.inflaters.Put(z.r)
	z.r = nil
	if z.large != nil {
		z.conn.in.pool.pool.Put(z.large)
		z.large = nil
	}
	z.window = z.window[max(0, len(z.window)-inflateWindow):]
	b := z.codecs.buffer()
	defer z.codecs.buffers.Put(b)
	if err := deflate(b, z.window); err != nil {
		return 0, err
	}
	z.packed, z.held, z.window = bytes.Clone(b.Bytes()), len(z.window), nil
	return 0, nil
}

// write compresses p, and writes it at once.
func (z *squeeze) write(p []byte) error {
	b := z.codecs.buffer()
	defer z.codecs.buffers.Put(b)
	if err := deflate(b, p); err != nil {
		return err
	}
	_, err := z.conn.Conn.Write(b.Bytes())
	return err
}
