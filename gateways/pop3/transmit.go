package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"math"
)

// errEnough ends the reading of a message of which only a part is wanted.
var errEnough = errors.New("pop3: enough of the message")

// transmit writes a message as the lines of a multi-line reply: lines end with CRLF
// whatever ended them (CRLF or LF; a CR alone is left as it is), and a dot at the begin
// of a line is doubled.
//
// RFC 1939, section 3: If any line of the multi-line response begins with the termination octet, the line is "byte-stuffed" by pre-pending the termination octet to that line of the response.
type transmit struct {
	out  *bufio.Writer
	body int64 // lines wanted after the header's end

	inBody bool
	length int64 // octets of the current line so far
	cr     bool  // the last of them was CR
}

// wholeMessage as the number of body lines means all there are.
const wholeMessage = math.MaxInt64

// Write takes the next bytes of the message. It returns errEnough when all wanted lines
// are out.
func (t *transmit) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if t.inBody && t.body == 0 {
			return len(p) - len(rest), errEnough
		}
		i := bytes.IndexByte(rest, '\n')
		seg := rest
		if i >= 0 {
			seg = rest[:i]
		}
		if t.length == 0 && len(seg) > 0 && seg[0] == '.' {
			t.out.WriteByte('.')
		}
		if len(seg) > 0 {
			t.out.Write(seg)
			t.length += int64(len(seg))
			t.cr = seg[len(seg)-1] == '\r'
		}
		rest = rest[len(seg):]
		if i >= 0 {
			rest = rest[1:]
			t.endLine()
		}
	}
	// The writer keeps its first error: a peer that has gone ends the reading here.
	if _, err := t.out.Write(nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (t *transmit) endLine() {
	if !t.cr {
		t.out.WriteByte('\r')
	}
	t.out.WriteByte('\n')
	switch {
	case t.inBody:
		t.body--
	case t.length == 0 || t.length == 1 && t.cr:
		t.inBody = true
	}
	t.length, t.cr = 0, false
}

// close ends the last line of the message if it has no end, and then the reply.
func (t *transmit) close() {
	if t.length > 0 {
		t.out.WriteString("\r\n")
	}
	t.out.WriteString(".\r\n")
}
