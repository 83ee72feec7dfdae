package message

import (
	"bytes"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// Bounds of what may look like a boundary, in octets. RFC 2046 allows 70.
const (
	maxBoundary     = 256
	maxBoundaryLine = 1024
)

// Scanner makes a Summary out of the bytes written to it. Memory is bounded and work is
// linear, whatever is written. Write never fails.
type Scanner struct {
	sum   Summary
	stack []frame
	open  int   // frames whose boundary is looked for
	off   int64 // octets consumed
	lines int64 // line feeds in them

	inHeader  bool
	lineStart bool
	eol       int   // length of the line end before off, valid at the start of a line
	floor     int64 // a line end that begins before it can't belong to a boundary
	last      byte  // the last octet consumed or held

	line    []byte // a line of which the end hasn't come, as far as it must be known
	lineLen int64  // its full length so far

	hdr   hdr
	parts int
	kept  int // octets of text kept in parts below the top
	text  capture
	html  capture
	cur   *capture
	work  int64 // octets looked at, counted with repetition, for the test of linearity
}

// frame is a part that is not closed yet.
type frame struct {
	part     *Part
	boundary string // with its two hyphens; empty: none is looked for
	lines    int64  // Scanner.lines where the body begins
	message  *Embedded
	top      bool // part is the body of a message, the whole one or an embedded one
	digest   bool // parts are messages by default
}

// NewScanner gives a scanner for one message.
func NewScanner() *Scanner {
	s := &Scanner{lineStart: true, inHeader: true, parts: 1}
	s.text.max, s.html.max = maxTextCapture, maxHTMLCapture
	s.stack = append(make([]frame, 0, 8), frame{part: &s.sum.Body, top: true})
	s.hdr.reset()
	return s
}

// Write takes the next bytes of the message. It always takes all and never fails.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if s.inHeader {
			p = s.header(p)
		} else {
			p = s.body(p)
		}
	}
	return n, nil
}

// Finish says that the message is complete and gives its summary. The scanner is spent.
func (s *Scanner) Finish() Summary {
	if s.lineLen > 0 {
		if line := s.line; s.inHeader {
			s.headerLine(line, s.lineLen, 0)
		} else {
			s.bodyLine(line, s.lineLen, 0)
		}
	}
	for s.inHeader {
		s.endHeader(s.off)
	}
	s.closeFrames(0, s.off, s.lines)
	s.sum.Size, s.sum.Lines = s.off, s.lines
	s.sum.HeaderLen = s.sum.Body.HeaderLen
	s.sum.derive()
	s.preview()
	s.attachments()
	return s.sum
}

// header takes one line, or the piece of it that p has, and gives what follows it.
func (s *Scanner) header(p []byte) []byte {
	n, whole := bytes.IndexByte(p, '\n')+1, true
	if n == 0 {
		n, whole = len(p), false
	}
	s.work += int64(n)
	eol := s.lineEnd(p[:n])
	if whole && s.lineLen == 0 {
		s.headerLine(p[:min(n, maxField)], int64(n), eol)
		return p[n:]
	}
	s.hold(p[:n], maxField)
	if whole {
		line, full := s.line, s.lineLen
		s.line, s.lineLen = s.line[:0], 0
		s.headerLine(line, full, eol)
	}
	return p[n:]
}

// hold keeps at most limit octets of a line that isn't complete.
func (s *Scanner) hold(p []byte, limit int) {
	s.lineLen += int64(len(p))
	s.line = append(s.line, p[:min(len(p), max(0, limit-len(s.line)))]...)
}

// lineEnd gives the length of the line end with which p ends, and notes p's last octet.
func (s *Scanner) lineEnd(p []byte) int {
	last := s.last
	if len(p) >= 2 {
		last = p[len(p)-2]
	}
	s.last = p[len(p)-1]
	switch {
	case s.last != '\n':
		return 0
	case last == '\r':
		return 2
	}
	return 1
}

// consume goes past a line that is dealt with.
func (s *Scanner) consume(n int64, eol int) {
	s.off += n
	s.eol, s.lineStart = eol, eol > 0
	if eol > 0 {
		s.lines++
	}
}

// headerLine takes a line of a header section: its first octets, its full length, and the
// length of its line end.
func (s *Scanner) headerLine(line []byte, n int64, eol int) {
	if s.open > 0 {
		if k, closing := s.match(line); k >= 0 {
			s.boundary(k, closing, n, eol)
			return
		}
	}
	for s.inHeader && s.hdr.first {
		s.hdr.first = false
		if _, _, ok := header.Name(line); ok || header.IsEmpty(line) {
			break
		}
		// No header section: the line is the first one of the body, which can be
		// an embedded message, of which the same is asked.
		s.endHeader(s.off)
	}
	if !s.inHeader {
		s.bodyLine(line, n, eol)
		return
	}
	s.consume(n, eol)
	if header.IsEmpty(line) {
		s.endHeader(s.off)
		return
	}
	s.hdr.add(line, n, s.stack[len(s.stack)-1].top, len(s.stack) == 1)
}

// body takes bytes up to and including the next line that begins with two hyphens.
func (s *Scanner) body(p []byte) []byte {
	if s.open == 0 { // nothing but the end of the message can follow
		s.pass(p)
		return nil
	}
	if s.lineLen > 0 {
		n, whole := bytes.IndexByte(p, '\n')+1, true
		if n == 0 {
			n, whole = len(p), false
		}
		if s.lineLen+int64(n) > maxBoundaryLine { // too long for a boundary
			held := s.line
			s.line, s.lineLen, s.lineStart = s.line[:0], 0, false
			s.take(held)
			s.off += int64(len(held))
			return p
		}
		s.work += int64(n)
		eol := s.lineEnd(p[:n])
		s.hold(p[:n], maxBoundaryLine)
		if whole {
			line, full := s.line, s.lineLen
			s.line, s.lineLen = s.line[:0], 0
			s.bodyLine(line, full, eol)
		}
		return p[n:]
	}
	c := s.candidate(p)
	if c > 0 {
		s.pass(p[:c])
		return p[c:]
	}
	n := bytes.IndexByte(p, '\n') + 1
	if n == 0 && len(p) < maxBoundaryLine {
		s.work += int64(len(p))
		s.lineEnd(p)
		s.hold(p, maxBoundaryLine)
		return nil
	}
	if n == 0 {
		s.pass(p)
		return nil
	}
	s.work += int64(n)
	s.bodyLine(p[:n], int64(n), s.lineEnd(p[:n]))
	return p[n:]
}

// candidate gives the index of the next line that begins, or may begin, with two hyphens.
func (s *Scanner) candidate(p []byte) int {
	if s.lineStart && p[0] == '-' && (len(p) == 1 || p[1] == '-') {
		return 0
	}
	if i := bytes.Index(p, []byte("\n--")); i >= 0 {
		return i + 1
	}
	if len(p) > 1 && p[len(p)-1] == '-' && p[len(p)-2] == '\n' {
		return len(p) - 1
	}
	return len(p)
}

// pass goes past octets that are nothing but content.
func (s *Scanner) pass(p []byte) {
	s.work += int64(len(p))
	s.take(p)
	s.lines += int64(bytes.Count(p, []byte{'\n'}))
	s.off += int64(len(p))
	s.eol = s.lineEnd(p)
	s.lineStart = s.eol > 0
}

// bodyLine takes a line that may be a boundary; of a long one its first octets.
func (s *Scanner) bodyLine(line []byte, n int64, eol int) {
	if n <= maxBoundaryLine {
		if k, closing := s.match(line); k >= 0 {
			s.boundary(k, closing, n, eol)
			return
		}
	}
	s.take(line)
	s.consume(n, eol)
}

// endHeader ends the header section of the innermost part at offset at, and looks at what
// its body is.
func (s *Scanner) endHeader(at int64) {
	i := len(s.stack) - 1
	f := &s.stack[i]
	p := f.part
	p.HeaderLen = at - p.Offset
	s.floor, f.lines = at, s.lines
	s.inHeader = false
	s.hdr.finish()
	kept := string(s.hdr.buf)
	if i == 0 {
		s.sum.Fields, s.sum.Root = kept, s.hdr.root
	} else {
		s.kept += len(kept)
	}
	s.sum.Cut |= s.hdr.cut(i == 0)
	kept = clean(kept)
	p.fill(kept+clean(s.hdr.longType), i > 0 && s.stack[i-1].digest && !f.top)
	if f.message != nil {
		f.message.Envelope = parseEnvelope(kept, maxInnerAddresses)
	}
	s.hdr.full = s.kept > maxKept
	switch {
	case p.IsMultipart():
		b := p.Param("boundary")
		if len(s.stack) >= MaxDepth {
			s.sum.Cut |= CutStructure
		} else if b != "" && len(b) <= maxBoundary {
			f.boundary, f.digest = "--"+b, p.Subtype == "digest"
			s.open++
			return
		}
		only := p.asText()
		s.stack = append(s.stack, frame{part: only, lines: s.lines})
		s.listen(only)
	case p.isMessage() && p.Encoding != "base64" && p.Encoding != "quoted-printable":
		if len(s.stack) >= MaxDepth || s.parts >= MaxParts {
			s.sum.Cut |= CutStructure
			return
		}
		p.Message = &Embedded{Body: Part{Offset: at}}
		s.push(frame{part: &p.Message.Body, top: true, message: p.Message})
	default:
		s.listen(p)
	}
}
