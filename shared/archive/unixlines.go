package archive

import (
	"bytes"
	"io"
)

// unixLines writes CRLF as LF. A line that ends with CR CRLF keeps it, so that making
// CRLF of each bare LF gives what was there. b is nil at the end.
type unixLines struct {
	cr  int  // CRs not yet written: 0, 1 or 2
	any bool // something was written
	lf  bool // and ended with LF
}

func (u *unixLines) convert(w io.Writer, b []byte) error {
	if b == nil {
		return u.flush(w)
	}
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\r')
		if u.cr > 0 {
			switch {
			case b[0] == '\n' && u.cr == 1:
				u.cr = 0
			case b[0] == '\r' && u.cr == 1:
				u.cr, b = 2, b[1:]
				continue
			case b[0] == '\r':
				if err := u.write(w, []byte{'\r'}); err != nil {
					return err
				}
				b = b[1:]
				continue
			default:
				if err := u.flush(w); err != nil {
					return err
				}
			}
		}
		switch {
		case n < 0:
			n = len(b)
			if err := u.write(w, b); err != nil {
				return err
			}
		default:
			if err := u.write(w, b[:n]); err != nil {
				return err
			}
			u.cr = 1
			n++
		}
		b = b[n:]
	}
	return nil
}

func (u *unixLines) flush(w io.Writer) error {
	n := u.cr
	u.cr = 0
	return u.write(w, []byte("\r\r")[:n])
}

func (u *unixLines) write(w io.Writer, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	u.any, u.lf = true, b[len(b)-1] == '\n'
	_, err := w.Write(b)
	return err
}

// quoter writes mboxrd: one ">" more before each line of any number of ">" and "From ".
type quoter struct {
	w    io.Writer
	mid  bool // within a line; else gt and from say what was held back
	gt   int64
	from int
}

const fromWord = "From "

func (q *quoter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		switch {
		case q.mid:
			end := bytes.IndexByte(b, '\n') + 1
			q.mid = end == 0
			if q.mid {
				end = len(b)
			}
			if _, err := q.w.Write(b[:end]); err != nil {
				return 0, err
			}
			b = b[end:]
		case q.from == 0 && b[0] == '>':
			q.gt++
			b = b[1:]
		case b[0] == fromWord[q.from]:
			q.from++
			b = b[1:]
			if q.from == len(fromWord) {
				q.gt++
				if err := q.flush(); err != nil {
					return 0, err
				}
			}
		default:
			if err := q.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

// flush writes what was held back.
func (q *quoter) flush() error {
	q.mid = true
	for q.gt > 0 {
		k := min(q.gt, int64(len(marks)))
		if _, err := io.WriteString(q.w, marks[:k]); err != nil {
			return err
		}
		q.gt -= k
	}
	_, err := io.WriteString(q.w, fromWord[:q.from])
	q.from = 0
	return err
}

const marks = ">>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>>"
