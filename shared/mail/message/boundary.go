package message

import "bytes"

// match finds the innermost open part whose boundary line is; -1 if there is none.
//
// RFC 2046, section 5.1.1: Boundary string comparisons must compare the boundary string with the beginning of each candidate line.
// QUIRK: what follows must begin with a blank, or a boundary would be found in one that it
// is a prefix of; generators count "=_Part_1", "=_Part_10".
func (s *Scanner) match(line []byte) (frame int, closing bool) {
	if len(line) < 3 || line[0] != '-' || line[1] != '-' {
		return -1, false
	}
	t := bytes.TrimRight(line, " \t\r\n")
	for k := len(s.stack) - 1; k >= 0; k-- {
		b := s.stack[k].boundary
		s.work++
		if b == "" || len(t) < len(b) {
			continue
		}
		if s.work += int64(len(b)); string(t[:len(b)]) != b {
			continue
		}
		rest := t[len(b):]
		closing := len(rest) >= 2 && rest[0] == '-' && rest[1] == '-'
		if closing {
			rest = rest[2:]
		}
		if len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t' {
			return k, closing
		}
	}
	return -1, false
}

// boundary deals with the boundary line of n octets at off, which belongs to frame k.
func (s *Scanner) boundary(k int, closing bool, n int64, eol int) {
	for s.inHeader {
		s.endHeader(s.off)
	}
	end, lines := s.off, s.lines
	// RFC 2046, section 5.1.1: The CRLF preceding the boundary delimiter line is conceptually attached to the boundary
	if e := s.off - int64(s.eol); s.eol > 0 && e >= s.floor {
		end, lines = e, lines-1
	}
	s.closeFrames(k+1, end, lines)
	s.consume(n, eol)
	s.cur = nil
	f := &s.stack[k]
	switch {
	case closing:
		s.shut(f)
		s.floor = s.off - int64(eol)
	case s.parts >= MaxParts:
		s.shut(f)
		s.sum.Cut |= CutStructure
	default:
		s.floor = s.off
		p := &Part{Offset: s.off}
		f.part.Parts = append(f.part.Parts, p)
		s.push(frame{part: p})
	}
}

// shut stops the search for f's boundary.
func (s *Scanner) shut(f *frame) {
	if f.boundary != "" {
		f.boundary = ""
		s.open--
	}
}

func (s *Scanner) push(f frame) {
	s.stack = append(s.stack, f)
	s.parts++
	s.inHeader = true
	s.hdr.reset()
}

// closeFrames ends the parts from frame k on at offset end.
func (s *Scanner) closeFrames(k int, end, lines int64) {
	for i := len(s.stack) - 1; i >= k; i-- {
		f := &s.stack[i]
		s.shut(f)
		p := f.part
		p.BodyLen = max(0, end-p.Offset-p.HeaderLen)
		p.Lines = max(0, lines-f.lines)
		if p.IsMultipart() && len(p.Parts) == 0 {
			only := p.asText()
			only.BodyLen, only.Lines = p.BodyLen, p.Lines
		}
	}
	s.stack = s.stack[:k]
}

// asText gives the multipart p, which can't be divided, its whole body as one text part.
func (p *Part) asText() *Part {
	only := &Part{Type: "text", Subtype: "plain", Params: usASCII(), Offset: p.Offset + p.HeaderLen}
	p.Parts = []*Part{only}
	return only
}
