package archive

import (
	"bufio"
	"io"
)

// quoting says how lines that begin with "From " were written in an mbox.
type quoting uint8

const (
	verbatim quoting = iota // as they are
	oneLevel                // mboxo, mboxcl: "From " became ">From ", nothing else was touched
	anyLevel                // mboxrd: any number of ">" and "From " got one ">" more
)

// lines gives what it reads with CRLF line ends and the quoting undone. It holds one
// buffer, however long lines are.
type lines struct {
	br      *bufio.Reader
	quoting quoting
	start   bool   // at the start of a line
	cr      bool   // the last octet read was CR
	gt      int64  // so many ">" come next
	out     []byte // then this, in br's buffer
	tail    string // then this
	err     error  // then this
}

func (l *lines) reset(r io.Reader, q quoting) {
	l.br.Reset(r)
	*l = lines{br: l.br, quoting: q, start: true}
}

func (l *lines) Read(p []byte) (n int, err error) {
	for n < len(p) {
		switch {
		case l.gt > 0:
			k := int(min(l.gt, int64(len(p)-n)))
			for i := range k {
				p[n+i] = '>'
			}
			n, l.gt = n+k, l.gt-int64(k)
		case len(l.out) > 0:
			k := copy(p[n:], l.out)
			n, l.out = n+k, l.out[k:]
		case l.tail != "":
			k := copy(p[n:], l.tail)
			n, l.tail = n+k, l.tail[k:]
		case l.err != nil:
			if n > 0 {
				return n, nil
			}
			return 0, l.err
		case l.start && l.quoting != verbatim:
			l.start = false
			l.gt = countMarks(l.br)
			l.cr = l.cr && l.gt == 0
			if (l.gt == 1 || l.gt > 1 && l.quoting == anyLevel) && fromNext(l.br) {
				l.gt--
			}
		default:
			l.line()
		}
	}
	return n, nil
}

func (l *lines) line() {
	line, err := l.br.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		l.err = err
	}
	if len(line) == 0 {
		return
	}
	last := len(line) - 1
	if line[last] != '\n' {
		l.out, l.cr, l.start = line, line[last] == '\r', false
		return
	}
	if last > 0 && line[last-1] == '\r' || last == 0 && l.cr {
		l.out = line
	} else {
		l.out, l.tail = line[:last], "\r\n"
	}
	l.cr, l.start = false, true
}

// countMarks takes the ">" that come next, however many.
func countMarks(br *bufio.Reader) (n int64) {
	for {
		br.Peek(1) // fills the buffer if it is empty
		b, _ := br.Peek(br.Buffered())
		k := 0
		for k < len(b) && b[k] == '>' {
			k++
		}
		br.Discard(k)
		n += int64(k)
		if k < len(b) || k == 0 {
			return n
		}
	}
}

func fromNext(br *bufio.Reader) bool {
	b, _ := br.Peek(len("From "))
	return string(b) == "From "
}
