package wire

import (
	"strings"
	"time"
)

// Layouts of dates.
const (
	dateLayout     = "2-Jan-2006"
	DateTimeLayout = "_2-Jan-2006 15:04:05 -0700"
)

// Date demands a day, which is given in UTC.
func (p *Parser) Date() time.Time {
	var s string
	if p.Peek() == '"' {
		s = p.quoted()
	} else {
		s = p.Atom()
	}
	return p.time(dateLayout, s)
}

// DateTime demands a moment.
//
// RFC 9051, section 9: date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE
//
// QUIRK: some clients write days below ten with a zero or with one digit, instead of a blank.
func (p *Parser) DateTime() time.Time {
	if p.Peek() != '"' {
		p.bad("Expected a date")
		return time.Time{}
	}
	return p.time("2-Jan-2006 15:04:05 -0700", strings.TrimPrefix(p.quoted(), " "))
}

func (p *Parser) time(layout, s string) time.Time {
	t, err := time.Parse(layout, s)
	if err != nil {
		p.bad("A date is malformed")
	}
	return t
}
