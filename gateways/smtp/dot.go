package smtp

import "bytes"

// dotReader finds the end of a message and takes out the dots that were stuffed in
// (RFC 5321, section 4.5.2). The end is CRLF "." CRLF and nothing else: what other
// servers took for it is how one message is smuggled in another. A carriage return or
// line feed that stands alone is noted, so that the message can be refused when its end
// has come.
type dotReader struct {
	state dotState
	bare  bool // a CR or LF stood alone; what is emitted after it is of no use
}

type dotState uint8

const (
	atLineStart dotState = iota // the CRLF of the DATA command counts
	inLine
	afterCR
	afterDot   // at the start of a line
	afterDotCR // "." CR at the start of a line
)

// read takes p, up to the end of the message if that is in it, and hands on what belongs to
// the message in pieces of p. It gives how many octets it took, and whether the end came.
func (d *dotReader) read(p []byte, emit func([]byte)) (n int, end bool) {
	from := 0 // p[from:i] belongs to the message and isn't handed on yet
	for i := 0; i < len(p); {
		switch d.state {
		case atLineStart:
			d.state = inLine
			if p[i] == '.' {
				if i > from {
					emit(p[from:i])
				}
				d.state = afterDot
				i++
				from = i
			}
		case inLine:
			i = d.skipLine(p, i)
		case afterCR:
			switch p[i] {
			case '\n':
				d.state = atLineStart
			case '\r':
				d.bare = true
			default:
				d.bare, d.state = true, inLine
			}
			i++
		case afterDot:
			if p[i] != '\r' {
				d.state = inLine // looks at p[i] again
				continue
			}
			d.state = afterDotCR
			i++
			from = i
		case afterDotCR:
			if p[i] == '\n' {
				return i + 1, true
			}
			d.bare, d.state = true, afterCR // as after any CR
			from = i
		}
	}
	if len(p) > from {
		emit(p[from:])
	}
	return len(p), false
}

// skipLine goes on within a line, past its CR or to the end of p.
func (d *dotReader) skipLine(p []byte, i int) int {
	n := bytes.IndexByte(p[i:], '\r')
	line := p[i:]
	if n >= 0 {
		line = p[i : i+n]
		d.state = afterCR
	}
	if !d.bare && bytes.IndexByte(line, '\n') >= 0 {
		d.bare = true
	}
	if n >= 0 {
		return i + n + 1
	}
	return len(p)
}

// check judges line ends only, of bytes in which dots mean nothing.
func (d *dotReader) check(p []byte) {
	for i := 0; i < len(p); {
		if d.state != afterCR {
			i = d.skipLine(p, i)
			continue
		}
		switch p[i] {
		case '\n':
			d.state = inLine
		case '\r':
			d.bare = true
		default:
			d.bare, d.state = true, inLine
		}
		i++
	}
}
