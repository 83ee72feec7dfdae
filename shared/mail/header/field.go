// Package header reads header sections as raw bytes: fields as they came, with their
// folds, in their order.
package header

import (
	"bytes"
	"iter"
	"strings"
)

// Name gives the length of the field name at the start of line and the index at which
// the value begins (after the colon). ok is false if line is no header field, which
// includes a line that continues one. Given a whole field, it also takes a fold before
// the colon, as a reader does that unfolds first.
//
// RFC 5322, section 2.2: A field name MUST be composed of printable US-ASCII characters (i.e., characters that have values between 33 and 126, inclusive), except colon.
// RFC 5322, section 4.5.8: obs-optional = field-name *WSP ":" unstructured CRLF
func Name(line []byte) (n, value int, ok bool) {
	for n < len(line) && line[n] > ' ' && line[n] < 0x7f && line[n] != ':' {
		n++
	}
	value = n
	for value < len(line) && (line[value] == ' ' || line[value] == '\t' || foldAt(line[value:]) > 0) {
		value += max(1, foldAt(line[value:]))
	}
	if n == 0 || value == len(line) || line[value] != ':' {
		return 0, 0, false
	}
	return n, value + 1, true
}

// foldAt gives the length of the line end at the start of p, 0 unless a blank follows it.
func foldAt(p []byte) int {
	n := 0
	if n < len(p) && p[n] == '\r' {
		n++
	}
	if n+1 < len(p) && p[n] == '\n' && (p[n+1] == ' ' || p[n+1] == '\t') {
		return n + 1
	}
	return 0
}

// IsEmpty tells whether line, with its line end, is the empty one that ends a section.
func IsEmpty(line []byte) bool {
	return len(line) == 1 && line[0] == '\n' || len(line) == 2 && line[0] == '\r' && line[1] == '\n'
}

// Field is one header field. Its slices alias the section.
type Field struct {
	Name  []byte // as written
	Value []byte // after the colon, with folds and the last line end
	Raw   []byte // the whole field
}

// Is compares the name, without regard to case.
func (f Field) Is(name string) bool {
	return len(f.Name) == len(name) && strings.EqualFold(string(f.Name), name)
}

// Text is the value unfolded and trimmed.
func (f Field) Text() string { return Unfold(f.Value) }

// All goes through the fields of a header section up to its empty line or its end.
// Lines that are no field and continue none are passed over.
func All(section []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for len(section) > 0 {
			n := lineLen(section)
			if IsEmpty(section[:n]) {
				return
			}
			name, value, ok := Name(section[:n])
			for n < len(section) && (section[n] == ' ' || section[n] == '\t') {
				n += lineLen(section[n:])
			}
			if ok && !yield(Field{Name: section[:name], Value: section[value:n], Raw: section[:n]}) {
				return
			}
			section = section[n:]
		}
	}
}

func lineLen(p []byte) int {
	if i := bytes.IndexByte(p, '\n'); i >= 0 {
		return i + 1
	}
	return len(p)
}

// Unfold takes the line ends out of a value and trims the blanks round it.
//
// RFC 5322, section 2.2.3: Unfolding is accomplished by simply removing any CRLF that is immediately followed by WSP.
func Unfold[T string | []byte](value T) string {
	v := strings.Trim(string(value), " \t\r\n")
	if !strings.ContainsAny(v, "\n") {
		return v
	}
	var b strings.Builder
	b.Grow(len(v))
	for line := range strings.SplitSeq(v, "\n") {
		b.WriteString(strings.TrimSuffix(line, "\r"))
	}
	return b.String()
}
