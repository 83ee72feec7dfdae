package wire

import (
	"io"
	"mime"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// bufferSize is how much is collected before it is written: a TLS record, and its like
// again, so that a burst of small responses takes one call.
const bufferSize = 32 << 10

// Buffers lends memory to writers: one that has nothing to say has none. Safe for
// concurrent use.
type Buffers struct{ pool sync.Pool }

func (b *Buffers) get() *[bufferSize]byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p
	}
	return new([bufferSize]byte)
}

// Writer writes responses. They are collected, and go out when there are enough of them or
// at Flush. The first error sticks. Not safe for concurrent use.
type Writer struct {
	Out     io.Writer
	Buffers *Buffers
	UTF8    bool // the client takes UTF-8 in quoted strings and mailbox names

	mem *[bufferSize]byte
	n   int
	err error
}

// Err is the first error.
func (w *Writer) Err() error { return w.err }

// Flush writes what was collected and gives the memory back.
func (w *Writer) Flush() error {
	w.push()
	if w.mem != nil {
		w.Buffers.pool.Put(w.mem)
		w.mem = nil
	}
	return w.err
}

func (w *Writer) push() {
	if w.n > 0 && w.err == nil {
		_, w.err = w.Out.Write(w.mem[:w.n])
	}
	w.n = 0
}

// room gives at least n octets of memory, n <= 4 KiB.
func (w *Writer) room(n int) []byte {
	if w.mem == nil {
		w.mem = w.Buffers.get()
	}
	if w.n+n > bufferSize {
		w.push()
	}
	return w.mem[:w.n:bufferSize]
}

// Raw writes text as it is.
func (w *Writer) Raw(s string) *Writer {
	for len(s) > 0 {
		n := min(len(s), 4<<10)
		w.n = len(append(w.room(n), s[:n]...))
		s = s[n:]
	}
	return w
}

// Uint writes a number.
func (w *Writer) Uint(n uint64) *Writer {
	w.n = len(strconv.AppendUint(w.room(24), n, 10))
	return w
}

// Range writes a range of numbers.
func (w *Writer) Range(first, last uint32) *Writer {
	w.n = len(AppendRange(w.room(24), first, last))
	return w
}

// CRLF ends a response.
func (w *Writer) CRLF() *Writer { return w.Raw("\r\n") }

// String writes a quoted string, or a literal where it can't be one.
func (w *Writer) String(s string) *Writer {
	if !w.quotable(s) {
		return w.Raw("{").Uint(uint64(len(s))).Raw("}\r\n").Raw(s)
	}
	w.Raw(`"`)
	from := 0
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			w.Raw(s[from:i]).Raw(`\`)
			from = i
		}
	}
	return w.Raw(s[from:]).Raw(`"`)
}

func (w *Writer) quotable(s string) bool {
	if len(s) > 4<<10 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c == '\r' || c == '\n' || c == 0 || c >= utf8.RuneSelf && !w.UTF8 {
			return false
		}
	}
	return !w.UTF8 || utf8.ValidString(s)
}

// NString writes a string, or NIL if it is empty.
func (w *Writer) NString(s string) *Writer {
	if s == "" {
		return w.Raw("NIL")
	}
	return w.String(s)
}

// AString writes a string, as an atom where it can be one.
func (w *Writer) AString(s string) *Writer {
	if IsAtom(s) && !strings.EqualFold(s, "NIL") && len(s) < 1<<10 {
		return w.Raw(s)
	}
	return w.String(s)
}

// Text writes what is meant for people: what is not ASCII goes out in encoded words to a
// client that takes no UTF-8.
func (w *Writer) Text(s string) *Writer {
	if !w.UTF8 && !isASCII(s) {
		s = mime.QEncoding.Encode("utf-8", s)
	}
	return w.NString(s)
}

// Mailbox writes a mailbox's name.
func (w *Writer) Mailbox(name string) *Writer {
	switch {
	case name == "INBOX":
		return w.Raw(name)
	case !w.UTF8:
		name = EncodeUTF7(name)
	}
	return w.String(name)
}

// Literal writes a literal of size octets: head, and then what r gives; mark is "~" for one
// that may hold NULs. After an error of r the response can't be gone on with.
func (w *Writer) Literal(mark string, size int64, head []byte, r io.Reader) error {
	w.Raw(mark).Raw("{").Uint(uint64(size)).Raw("}\r\n")
	size -= int64(len(head))
	for len(head) > 0 {
		n := min(len(head), 4<<10)
		w.n = len(append(w.room(n), head[:n]...))
		head = head[n:]
	}
	for size > 0 && w.err == nil {
		buf := w.room(4 << 10)
		n, err := r.Read(buf[len(buf):min(int64(cap(buf)), int64(len(buf))+size)])
		w.n += n
		size -= int64(n)
		if err != nil && size > 0 {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return w.err
}
