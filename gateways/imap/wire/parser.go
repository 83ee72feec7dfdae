package wire

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// SyntaxError is what is wrong with a command, in words for the client.
type SyntaxError string

func (e SyntaxError) Error() string { return string(e) }

// Parser reads the arguments of one command, which is whole in memory with its literals.
// The first error sticks: after it everything is empty, so that it need be looked at only
// in the end. Strings are copies.
type Parser struct {
	b    []byte
	at   int
	err  error
	UTF8 bool // mailbox names are UTF-8, not UTF-7
}

// NewParser reads b, which may end with a line end.
func NewParser(b []byte) *Parser { return &Parser{b: b} }

// Err is the first error, a SyntaxError or what Fail was given.
func (p *Parser) Err() error { return p.err }

// Fail ends the parsing with an error, unless there is one already.
func (p *Parser) Fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *Parser) bad(text string) { p.Fail(SyntaxError(text)) }

// Rest is what was not read yet.
func (p *Parser) Rest() []byte { return p.b[p.at:] }

// Peek is the next octet, 0 at the end and after an error.
func (p *Parser) Peek() byte {
	if p.err != nil || p.at == len(p.b) || p.b[p.at] == '\r' || p.b[p.at] == '\n' {
		return 0
	}
	return p.b[p.at]
}

// AtEnd tells whether nothing is left but the line end, and blanks that some client has
// left before it.
func (p *Parser) AtEnd() bool {
	for _, c := range p.b[p.at:] {
		if c != ' ' && c != '\r' && c != '\n' {
			return false
		}
	}
	return true
}

// End demands that nothing is left.
func (p *Parser) End() error {
	if p.err == nil && !p.AtEnd() {
		p.bad("There is something behind the command's last argument")
	}
	return p.err
}

// Try takes c if it is next.
func (p *Parser) Try(c byte) bool {
	if p.Peek() != c {
		return false
	}
	p.at++
	return true
}

// Expect demands c.
func (p *Parser) Expect(c byte) {
	if !p.Try(c) {
		p.bad("Expected " + strconv.QuoteToASCII(string(rune(c))))
	}
}

// SP demands a blank.
func (p *Parser) SP() {
	if !p.Try(' ') {
		p.bad("An argument is missing")
	}
}

// word takes octets as long as they are of a kind.
func (p *Parser) word(of func(byte) bool) string {
	from := p.at
	for p.err == nil && p.at < len(p.b) && of(p.b[p.at]) {
		p.at++
	}
	return string(p.b[from:p.at])
}

func (p *Parser) some(of func(byte) bool, what string) string {
	s := p.word(of)
	if s == "" {
		p.bad("Expected " + what)
	}
	return s
}

// Atom demands an atom.
func (p *Parser) Atom() string { return p.some(isAtom, "an atom") }

// Keyword is an atom in upper case.
func (p *Parser) Keyword() string { return strings.ToUpper(p.Atom()) }

// Name is a keyword that may have a bracket behind it, as in FETCH.
func (p *Parser) Name() string {
	return strings.ToUpper(p.some(func(c byte) bool { return isAtom(c) && c != '[' && c != '<' }, "a name"))
}

// Label is what names a part within brackets.
func (p *Parser) Label() string {
	return strings.ToUpper(p.word(func(c byte) bool { return isAtom(c) && c != '[' && c != '<' }))
}

// TryWord takes a keyword (in upper case) if it is next, and nothing else.
func (p *Parser) TryWord(word string) bool {
	end := p.at + len(word)
	if p.err != nil || end > len(p.b) || !strings.EqualFold(string(p.b[p.at:end]), word) || end < len(p.b) && isAtom(p.b[end]) {
		return false
	}
	p.at = end
	return true
}

// AString demands an atom or a string.
func (p *Parser) AString() string {
	if c := p.Peek(); c == '"' || c == '{' {
		return p.Text()
	}
	return p.some(isAString, "a string")
}

// Text demands a quoted string or a literal.
func (p *Parser) Text() string {
	switch p.Peek() {
	case '"':
		return p.quoted()
	case '{':
		return p.literal(false)
	}
	p.bad("Expected a string")
	return ""
}

// NString is a string, or NIL for which ok is false.
func (p *Parser) NString() (s string, ok bool) {
	if p.TryWord("NIL") {
		return "", false
	}
	s = p.Text()
	return s, p.err == nil
}

// NString8 is NString, or a literal of any octets.
//
// RFC 9051, section 9: literal8 = "~{" number64 ["+"] "}" CRLF *OCTET
func (p *Parser) NString8() (s string, ok bool) {
	if !p.Try('~') {
		return p.NString()
	}
	s = p.literal(true)
	return s, p.err == nil
}

// RFC 9051, section 9: quoted = DQUOTE *QUOTED-CHAR DQUOTE
func (p *Parser) quoted() string {
	var out []byte
	for p.at++; p.at < len(p.b); p.at++ {
		c := p.b[p.at]
		switch {
		case c == '"':
			p.at++
			if !utf8.Valid(out) {
				p.bad("A quoted string is no UTF-8")
			}
			return string(out)
		case c == '\\':
			if p.at++; p.at == len(p.b) || p.b[p.at] != '"' && p.b[p.at] != '\\' {
				p.bad("A quoted string has a bad escape")
				return ""
			}
			out = append(out, p.b[p.at])
		case c == '\r' || c == '\n' || c == 0:
			p.bad("A quoted string has no end")
			return ""
		default:
			out = append(out, c)
		}
	}
	p.bad("A quoted string has no end")
	return ""
}

// literal takes a literal of which the octets are there.
//
// RFC 9051, section 9: CHAR8 = %x01-ff ; any OCTET except NUL, %x00
func (p *Parser) literal(any bool) string {
	if p.err != nil {
		return ""
	}
	line := p.b[p.at:]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i+1]
	}
	n, _, ok := LiteralAt(line)
	from := p.at + len(line)
	if !ok || line[0] != '{' || bytes.IndexByte(line[1:], '{') >= 0 || n > int64(len(p.b)-from) {
		p.bad("Malformed literal")
		return ""
	}
	p.at = from + int(n)
	s := p.b[from:p.at]
	if !any && bytes.IndexByte(s, 0) >= 0 {
		p.bad("NUL must not occur in a literal")
	}
	return string(s)
}

// Number demands a number of 32 bits.
func (p *Parser) Number() uint32 { return uint32(p.number(32)) }

// Number64 demands a number of 63 bits.
func (p *Parser) Number64() int64 { return int64(p.number(63)) }

func (p *Parser) number(bits int) uint64 {
	s := p.some(isDigit, "a number")
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil {
		p.bad("A number is out of range")
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// List demands a list in parentheses, which may be empty; item reads one of it.
func (p *Parser) List(item func()) {
	p.Expect('(')
	if p.Try(')') {
		return
	}
	for p.err == nil {
		item()
		if p.Try(')') {
			return
		}
		p.SP()
	}
}

// Mailbox demands the name of a mailbox.
func (p *Parser) Mailbox() string { return p.name(p.AString()) }

// Pattern demands a name with wildcards, as in LIST.
//
// RFC 9051, section 9: list-char = ATOM-CHAR / list-wildcards / resp-specials
func (p *Parser) Pattern() string {
	if c := p.Peek(); c == '"' || c == '{' {
		return p.name(p.Text())
	}
	return p.name(p.some(func(c byte) bool { return isAString(c) || c == '*' || c == '%' }, "a pattern"))
}

func (p *Parser) name(s string) string {
	name, ok := s, utf8.ValidString(s)
	if !p.UTF8 {
		name, ok = DecodeUTF7(s)
	}
	if !ok {
		p.bad("A mailbox name is neither UTF-8 nor modified UTF-7")
	}
	return name
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Flag demands a flag or keyword.
//
// RFC 9051, section 9: flag-extension = "\" atom
func (p *Parser) Flag() string {
	if p.Try('\\') {
		return `\` + p.Atom()
	}
	return p.Atom()
}

// Flags demands a list of flags.
func (p *Parser) Flags() (list []string) {
	p.List(func() { list = append(list, p.Flag()) })
	return list
}
