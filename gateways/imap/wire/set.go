package wire

import (
	"math"
	"strconv"
)

// Star is "*" in a set: the largest number in use.
const Star = 0

// Span is a range of a set as it was written: either end may be Star, and come first.
type Span struct{ Start, Stop uint32 }

// Set is a set of sequence numbers or of UIDs.
type Set struct {
	Saved bool // "$": the result of the last SEARCH that was saved
	Spans []Span
}

// Set demands a set; "$" too.
//
// RFC 9051, section 9: sequence-set = (seq-number / seq-range) ["," sequence-set]
func (p *Parser) Set() (s Set) {
	if p.Try('$') {
		s.Saved = true
		return s
	}
	for p.err == nil {
		span := Span{Start: p.setNumber()}
		span.Stop = span.Start
		if p.Try(':') {
			span.Stop = p.setNumber()
		}
		s.Spans = append(s.Spans, span)
		if !p.Try(',') {
			break
		}
	}
	return s
}

func (p *Parser) setNumber() uint32 {
	if p.Try('*') {
		return Star
	}
	n := p.Number()
	if n == 0 {
		p.bad("Numbers begin with 1")
	}
	return n
}

// Bounds gives the numbers between which a span lies where largest is in use.
func (s Span) Bounds(largest uint32) (lo, hi uint32) {
	if s.Start == Star {
		s.Start = largest
	}
	if s.Stop == Star {
		s.Stop = largest
	}
	return min(s.Start, s.Stop), max(s.Start, s.Stop)
}

// AppendRange writes a range of a set.
func AppendRange(b []byte, first, last uint32) []byte {
	b = strconv.AppendUint(b, uint64(first), 10)
	if last != first {
		b = append(b, ':')
		b = strconv.AppendUint(b, uint64(last), 10)
	}
	return b
}

// IsSet tells whether a set is next, and not a name.
func (p *Parser) IsSet() bool {
	c := p.Peek()
	return isDigit(c) || c == '*' || c == '$'
}

// ModSeq demands a mod-sequence, which may be 0.
//
// RFC 7162, section 7: mod-sequence-valzer = "0" / mod-sequence-value
func (p *Parser) ModSeq() uint64 { return min(p.number(63), math.MaxInt64) }
