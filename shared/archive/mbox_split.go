package archive

import (
	"bufio"
	"bytes"
	"io"
	"strconv"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// Dialect says how an mbox file is written.
type Dialect uint8

// The dialects. AnyDialect judges each message: with a Content-Length that fits it is
// mboxcl2 if a line in it begins with "From ", else mboxcl; without one it is mboxrd,
// which reads mboxo right but for lines of ">>From ", hardly ever seen there.
const (
	AnyDialect Dialect = iota
	MboxO              // "From " at a line's start became ">From "; not to be told from what was ">From " before
	MboxRD             // ">" was put before each line of any number of ">" and "From "
	MboxCL             // as MboxO, and Content-Length says how long the body is
	MboxCL2            // Content-Length alone; nothing is quoted
)

// span is one message of an mbox file.
type span struct {
	from    int64  // where its From_ line begins
	line    []byte // the From_ line
	start   int64  // where the message begins
	end     int64  // where it ends, without the empty line that the file adds
	quoting quoting
}

// splitter finds the messages of an mbox file, in one pass and in one buffer.
type splitter struct {
	f       io.ReaderAt
	size    int64
	dialect Dialect
	br      *bufio.Reader
	pos     int64  // octets read
	from    int64  // where the next message's From_ line begins
	line    []byte // that line, already read; nil before the first and after the last
	begun   bool
}

func newSplitter(f io.ReaderAt, size int64, d Dialect) *splitter {
	return &splitter{f: f, size: size, dialect: d, br: bufio.NewReaderSize(io.NewSectionReader(f, 0, size), 256<<10)}
}

// first goes to the first From_ line; junk tells how many octets stand before it, 0 if
// they are but empty lines.
func (s *splitter) first() (junk int64, err error) {
	s.begun = true
	if b, _ := s.br.Peek(3); string(b) == "\xef\xbb\xbf" { // a byte order mark
		s.br.Discard(3)
		s.pos = 3
	}
	lineStart, after := true, true
	for {
		at := s.pos
		b, err := s.read()
		if len(b) == 0 {
			return junk, ended(err)
		}
		if lineStart && bytes.HasPrefix(b, []byte("From ")) && (junk == 0 || s.isSeparator(&b, after)) {
			s.take(b, at)
			return junk, nil
		}
		after = lineStart && header.IsEmpty(b)
		lineStart = b[len(b)-1] == '\n'
		if !after {
			junk = s.pos
		}
	}
}

// take keeps the From_ line just read, and goes to its end if it is too long for one.
func (s *splitter) take(b []byte, at int64) {
	s.from, s.line = at, bytes.Clone(b[:min(len(b), maxFromLine+1)])
	for len(b) > 0 && b[len(b)-1] != '\n' {
		b, _ = s.read()
	}
}

// next gives the next message, after first was called; io.EOF after the last.
func (s *splitter) next() (span, error) {
	if s.line == nil {
		return span{}, io.EOF
	}
	m := span{from: s.from, line: s.line, start: s.pos}
	s.line = nil
	var (
		inHeader  = true
		lineStart = true
		empty     = int64(0)  // length of the last line, if it was an empty one
		length    = int64(-1) // Content-Length
		limit     = int64(-1) // where the message ends by it
		bare      = false     // a line begins with "From " before the limit
	)
	for {
		at := s.pos
		if limit >= 0 && at >= limit {
			return s.endAt(m, limit, bare)
		}
		b, err := s.read()
		if len(b) == 0 {
			if err = ended(err); err != nil {
				return m, err
			}
			m.end = s.pos - empty
			m.quoting = s.quoting(limit >= 0, bare)
			return m, nil
		}
		if lineStart && b[0] == 'F' && bytes.HasPrefix(b, []byte("From ")) {
			if limit >= 0 {
				bare = true
			} else if s.isSeparator(&b, empty > 0 || at == m.start) {
				s.take(b, at)
				m.end = at - empty
				m.quoting = s.quoting(false, false)
				return m, nil
			}
		}
		blank := lineStart && header.IsEmpty(b)
		empty = 0
		if blank {
			empty = int64(len(b))
		}
		if inHeader && lineStart {
			if blank {
				inHeader = false
				if length >= 0 && s.dialect != MboxO && s.dialect != MboxRD && s.endsAt(s.pos, length) {
					limit = s.pos + length
				}
			} else if n, ok := contentLength(b); ok {
				length = n
			}
		}
		lineStart = b[len(b)-1] == '\n'
	}
}

// endAt finishes a message whose Content-Length says where it ends.
func (s *splitter) endAt(m span, limit int64, bare bool) (span, error) {
	m.end = limit
	m.quoting = s.quoting(true, bare)
	for {
		at := s.pos
		b, err := s.read()
		if len(b) == 0 {
			return m, ended(err)
		}
		if bytes.HasPrefix(b, []byte("From ")) {
			s.take(b, at)
			return m, nil
		}
	}
}

// endsAt tells whether a message whose body begins at body and has length octets ends
// where the file or the next message says so. A Content-Length is taken for true only
// then: senders write any into their mail, and programs that change a body forget it.
func (s *splitter) endsAt(body, length int64) bool {
	if length > s.size-body {
		return false
	}
	at := body + length
	var b [maxFromLine + 8]byte
	n, _ := s.f.ReadAt(b[:], max(at-1, 0))
	if n == 0 {
		return false
	}
	before, rest := b[0], b[1:n]
	skipped := 0
	for skipped < 4 && skipped < len(rest) && (rest[skipped] == '\n' || rest[skipped] == '\r') {
		skipped++
	}
	if rest = rest[skipped:]; len(rest) == 0 {
		return at+int64(skipped) == s.size
	}
	if before != '\n' && skipped == 0 {
		return false
	}
	if end := bytes.IndexByte(rest, '\n'); end >= 0 {
		rest = rest[:end+1]
	}
	_, dated := fromDate(rest)
	return dated
}

// skip goes to a place after which a From_ line or the end of the file comes.
func (s *splitter) skip(to int64) error {
	for s.pos < to {
		n, err := s.br.Discard(int(min(to-s.pos, 1<<30)))
		s.pos += int64(n)
		if err != nil {
			return err
		}
	}
	s.line = nil
	b, err := s.read()
	if len(b) == 0 {
		return ended(err)
	}
	s.take(b, to)
	return nil
}

// read gives the next line, or as much of it as the buffer holds; nothing at the end.
func (s *splitter) read() ([]byte, error) {
	b, err := s.br.ReadSlice('\n')
	s.pos += int64(len(b))
	return b, err
}

// isSeparator judges the line just read. To look at what follows, the buffer may have to
// move, and the line with it.
func (s *splitter) isSeparator(line *[]byte, after bool) bool {
	if len(*line) > maxFromLine || (*line)[len(*line)-1] != '\n' {
		_, dated := fromDate(*line)
		return dated && after
	}
	*line = bytes.Clone(*line)
	rest, _ := s.br.Peek(256)
	return separates(*line, rest, after)
}

func (s *splitter) quoting(byLength, bare bool) quoting {
	switch {
	case s.dialect == MboxRD:
		return anyLevel
	case s.dialect == MboxO, s.dialect == MboxCL:
		return oneLevel
	case s.dialect == MboxCL2, byLength && bare:
		return verbatim
	case byLength:
		return oneLevel
	}
	return anyLevel
}

func contentLength(line []byte) (int64, bool) {
	const name = "content-length"
	if line[0]|0x20 != 'c' || len(line) <= len(name) || !bytes.EqualFold(line[:len(name)], []byte(name)) {
		return 0, false
	}
	_, value, ok := header.Name(line)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(line[value:])), 10, 64)
	return n, err == nil && n >= 0
}

func ended(err error) error {
	if err == io.EOF || err == bufio.ErrBufferFull {
		return nil
	}
	return err
}
