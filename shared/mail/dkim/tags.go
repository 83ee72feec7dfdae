package dkim

import (
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// tags is a tag list: values without the blanks round them.
type tags map[string]string

var errTags = errors.New("is no tag list")

// parseTags reads a tag list.
//
// RFC 6376, section 3.2: Tags with duplicate names MUST NOT occur within a single tag-list; if a tag name does occur more than once, the entire tag-list is invalid.
func parseTags(s string) (tags, error) {
	list := tags{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(part, "=")
		if name = trim(name); !ok && name == "" {
			continue // after the last semicolon
		}
		if _, twice := list[name]; !ok || twice || !isTagName(name) || len(list) == maxTags {
			return nil, errTags
		}
		list[name] = trim(value)
	}
	return list, nil
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

func isTagName(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '_'):
		default:
			return false
		}
	}
	return s != ""
}

// compact is a value without any blanks.
func (t tags) compact(name string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, t[name])
}

// list is a value that is a list with colons between.
func (t tags) list(name string) []string {
	if t.compact(name) == "" {
		return nil
	}
	return strings.Split(t.compact(name), ":")
}

func (t tags) base64(name string) ([]byte, bool) {
	b, err := base64.StdEncoding.DecodeString(t.compact(name))
	return b, err == nil && len(b) > 0
}

// seconds is a point in time, the zero one if there is none.
func (t tags) seconds(name string) (time.Time, bool) {
	v := t.compact(name)
	if v == "" {
		return time.Time{}, true
	}
	n, err := strconv.ParseUint(v, 10, 40)
	return time.Unix(int64(n), 0), err == nil
}

// isDomain tells whether s can be a domain that signs: two labels at least, in ASCII.
func isDomain(s string) bool {
	if len(s) > 253 || !strings.Contains(s, ".") {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return true
}

func isSelector(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return len(s) <= 200
}
