package header

import (
	"bytes"
	"io"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits that apply where Options leaves them zero, in octets.
const (
	DefaultMaxSection = 256 << 10
	DefaultMaxField   = 64 << 10
)

// Options of a Filter.
type Options struct {
	// Drop says whether a field is left out. value is the text after the colon with its
	// folds and line end; it is valid during the call only. Nil drops nothing.
	Drop func(name string, value []byte) bool
	// End gives what is put at the end of the header section, before its empty line: whole
	// fields. Nil, or of a message without a header section: nothing.
	End func() []byte
	// MaxSection bounds the header section, the empty line included; beyond it Write
	// fails with kinds.Limit.
	MaxSection int64
	// MaxField bounds what is buffered of one field. A longer field fails with
	// kinds.Limit, or, with PassLong, is judged by its first MaxField octets.
	MaxField int
	PassLong bool
}

// Filter passes a message on and leaves out the header fields that it is told to. Once
// the header section is over, bytes pass as they come.
type Filter struct {
	w        io.Writer
	o        Options
	field    []byte // the field at hand, as far as it came
	line     int    // where its last line begins, len(field) at the start of a line
	long     bool   // field was judged already, the rest of it follows that
	dropping bool   // and is left out
	body     bool
	first    bool // the first line was seen
	isField  bool
	received int
	dropped  int
	read     int64
	err      error
}

// NewFilter gives a filter that writes to w.
func NewFilter(w io.Writer, o Options) *Filter {
	if o.MaxSection == 0 {
		o.MaxSection = DefaultMaxSection
	}
	if o.MaxField == 0 {
		o.MaxField = DefaultMaxField
	}
	return &Filter{w: w, o: o}
}

// Received counts the Received fields seen so far.
func (f *Filter) Received() int { return f.received }

// Dropped counts the fields left out so far.
func (f *Filter) Dropped() int { return f.dropped }

// StartsWithField tells whether the first line was a header field. If it wasn't, the
// message has no header section (unless the first line was empty) and passes unchanged.
func (f *Filter) StartsWithField() bool { return f.isField }

// Write takes the next bytes of the message. The first error sticks.
func (f *Filter) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	total := len(p)
	for len(p) > 0 && !f.body {
		n := lineLen(p)
		if f.read += int64(n); f.read > f.o.MaxSection {
			return 0, f.fail(kinds.Errorf(kinds.Limit, "header: section over %d octets", f.o.MaxSection))
		}
		if err := f.take(p[:n]); err != nil {
			return 0, f.fail(err)
		}
		p = p[n:]
	}
	if len(p) > 0 {
		if _, err := f.w.Write(p); err != nil {
			return 0, f.fail(err)
		}
	}
	return total, nil
}

// Close passes on what is held back. It doesn't close the writer beneath.
func (f *Filter) Close() error {
	if f.err != nil {
		return f.err
	}
	if !f.body && f.line < len(f.field) {
		if err := f.endLine(); err != nil {
			return f.fail(err)
		}
	}
	if err := f.flush(); err != nil {
		return f.fail(err)
	}
	return nil
}

func (f *Filter) fail(err error) error {
	f.err = err
	return err
}

// take adds a piece of a line, of which the end is the line's end if it is a line feed.
func (f *Filter) take(piece []byte) error {
	if f.line == len(f.field) && len(f.field) > 0 && piece[0] != ' ' && piece[0] != '\t' {
		if err := f.flush(); err != nil { // the field before it is complete
			return err
		}
	}
	if f.long {
		return f.pass(piece)
	}
	f.field = append(f.field, piece...)
	if len(f.field) > f.o.MaxField && !IsEmpty(f.field[f.line:]) {
		return f.judgeLong()
	}
	if piece[len(piece)-1] == '\n' {
		return f.endLine()
	}
	return nil
}

// endLine looks at a complete line.
func (f *Filter) endLine() error {
	line := f.field[f.line:]
	if !f.first {
		f.first = true
		_, _, f.isField = Name(line)
		if !f.isField {
			f.body = true
			return f.flush()
		}
	}
	if IsEmpty(line) {
		f.body = true
		if f.o.End != nil {
			if _, err := f.w.Write(f.o.End()); err != nil {
				return err
			}
		}
		return f.flush()
	}
	f.line = len(f.field)
	return nil
}

func (f *Filter) judgeLong() error {
	if !f.o.PassLong {
		return kinds.Errorf(kinds.Limit, "header: field over %d octets", f.o.MaxField)
	}
	if !f.first {
		f.first = true
		if _, _, f.isField = Name(f.field); !f.isField {
			f.body = true
			return f.flush()
		}
	}
	f.dropping = f.judge()
	f.long = true
	return f.pass(f.field)
}

// judge counts the field at hand and asks whether it is to be left out.
func (f *Filter) judge() bool {
	n, value, ok := Name(f.field)
	if !ok {
		return false
	}
	name := f.field[:n]
	if len(name) == len("received") && strings.EqualFold(string(name), "received") {
		f.received++
	}
	if f.o.Drop == nil || !f.o.Drop(string(name), f.field[value:]) {
		return false
	}
	f.dropped++
	return true
}

// pass deals with a piece of a long field, which may be what was held. Of it only the last
// octet is kept, to know where a line begins.
func (f *Filter) pass(p []byte) error {
	if !f.dropping {
		if _, err := f.w.Write(p); err != nil {
			return err
		}
	}
	last := p[len(p)-1]
	f.field, f.line = append(f.field[:0], last), 0
	if last == '\n' {
		f.line = 1
	}
	return nil
}

// flush passes on the field at hand, or leaves it out.
func (f *Filter) flush() error {
	held := f.field
	f.field, f.line = f.field[:0], 0
	if f.long {
		f.long, f.dropping = false, false
		return nil
	}
	if len(held) == 0 {
		return nil
	}
	f.field = held // judge reads it
	drop := f.judge()
	f.field = f.field[:0]
	if drop {
		return nil
	}
	_, err := f.w.Write(held)
	return err
}

// ValueHasID tells whether an Authentication-Results value names authserv-id id, in
// which case it pretends to be from us.
//
// RFC 8601, section 5: a receiving MTA MUST remove any header fields that claim its own authserv-id
func ValueHasID(value []byte, id string) bool {
	v := bytes.ToLower(skipComments(value))
	var got string
	if len(v) > 0 && v[0] == '"' {
		got = unquote(v[1:])
	} else if end := bytes.IndexAny(v, "; \t\r\n(/"); end >= 0 {
		got = string(v[:end])
	} else {
		got = string(v)
	}
	return strings.TrimSuffix(got, ".") == strings.TrimSuffix(strings.ToLower(id), ".")
}

// unquote reads a quoted string up to its end, without folds and the backslashes of
// quoted pairs, which say nothing.
func unquote(v []byte) string {
	var b strings.Builder
	for i := 0; i < len(v) && v[i] != '"'; i++ {
		if v[i] == '\\' && i+1 < len(v) {
			i++
		}
		if v[i] != '\r' && v[i] != '\n' {
			b.WriteByte(v[i])
		}
	}
	return strings.TrimSpace(b.String())
}

// skipComments passes over blanks and (nested) comments.
func skipComments(v []byte) []byte {
	depth := 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && depth > 0:
			i++
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth > 0 || c == ' ' || c == '\t' || c == '\r' || c == '\n':
		default:
			return v[i:]
		}
	}
	return nil
}
