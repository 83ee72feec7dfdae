// Package collate makes texts comparable as IMAP compares them in SEARCH, SORT and THREAD.
package collate

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Key gives the form of a text under the collation i;unicode-casemap. Two texts are equal,
// one is part of the other, or one comes before the other, as their keys are and do as octets.
// What is no UTF-8 counts as U+FFFD.
//
// RFC 5051, section 2: each character of the input string is converted to a titlecased canonicalized UTF-8 string
func Key(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'a' <= c && c <= 'z' {
			return string(Append(make([]byte, 0, len(s)+len(s)/8), []byte(s)))
		}
	}
	return s
}

// Append appends the key of a text. Characters are mapped one by one, so that pieces of a
// text that end with whole characters may be given one after the other.
func Append(key, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(text[i:])
			key = appendRune(key, r)
			i += n
			continue
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		key = append(key, c)
		i++
	}
	return key
}

// appendRune maps one character: first to title case, then to its full decomposition, the
// compatible ones included.
func appendRune(key []byte, r rune) []byte {
	from := len(key)
	key = utf8.AppendRune(key, unicode.ToTitle(r))
	if d := norm.NFKD.Properties(key[from:]).Decomposition(); d != nil {
		key = append(key[:from], d...)
	}
	return key
}
