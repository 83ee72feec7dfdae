package pop3

import (
	"bytes"
	"io"
)

// maxFieldKept is how long a header field may be and still be rewritten.
const maxFieldKept = 64 << 10

// surrogate passes a message on to a client that has not said UTF8: header fields with
// UTF-8 in them are rewritten into ASCII. All else goes through byte by byte, bodies and
// fields in other, unknowable charsets too.
//
// RFC 6856, section 2.1: If a client requests a UTF-8 message when UTF-8 mode is not enabled, the server MUST either send the client a surrogate message that complies with unextended POP and Internet Mail Format without UTF-8 mode support, or fail the request with an -ERR response.
//
// To fail would leave a client stuck at that message for ever: few clients say UTF8.
type surrogate struct {
	to     io.Writer
	field  []byte // what has come of the current field
	long   bool   // it is too long to be kept: its begin is sent already
	line   int64  // octets of the current line
	cr     bool   // the last of them is CR
	inBody bool
}

func (s *surrogate) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if s.inBody {
			if _, err := s.to.Write(rest); err != nil {
				return 0, err
			}
			break
		}
		if s.line == 0 && rest[0] != ' ' && rest[0] != '\t' { // a new field begins
			if err := s.flush(); err != nil {
				return 0, err
			}
			s.long = false
		}
		n, ends := bytes.IndexByte(rest, '\n')+1, true
		if n == 0 {
			n, ends = len(rest), false
		}
		s.field = append(s.field, rest[:n]...)
		if ends {
			s.inBody = s.line+int64(n) == 1 || s.line+int64(n) == 2 && (s.cr || rest[0] == '\r')
			s.line, s.cr = 0, false
		} else {
			s.line, s.cr = s.line+int64(n), rest[n-1] == '\r'
		}
		rest = rest[n:]
		if tooLong := len(s.field) > maxFieldKept; tooLong || s.inBody {
			s.long = s.long || tooLong
			if err := s.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// flush passes on what has come of the current field.
func (s *surrogate) flush() error {
	f := s.field
	s.field = f[:0]
	if len(f) == 0 {
		return nil
	}
	switch {
	case isASCII(f):
	case s.long:
		for i := range f {
			if f[i] > '~' {
				f[i] = '?'
			}
		}
	default:
		f = asciiField(f)
	}
	_, err := s.to.Write(f)
	return err
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
