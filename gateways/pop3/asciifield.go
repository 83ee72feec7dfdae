package pop3

import (
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// asciiField rewrites a header field into ASCII, folds and line end included: words
// become encoded words, domains A-labels. What is no field, or not UTF-8, stays as it is.
func asciiField(field []byte) []byte {
	name, value, ok := strings.Cut(string(field), ":")
	if !ok || !isASCII([]byte(name)) || !utf8.ValidString(value) {
		return field
	}
	body := strings.TrimRight(value, "\r\n")
	end := value[len(body):]
	w := asciiWriter{mime: len(name) > 8 && strings.EqualFold(name[:8], "content-")}
	if w.syntax = w.mime || structured(name); w.syntax {
		w.structured(body)
	} else {
		w.text(body)
	}
	return []byte(name + ":" + w.b.String() + end)
}

// structured tells whether a field's value has a syntax, in which an encoded word can
// stand for a word of a phrase or comment only.
func structured(name string) bool {
	name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "resent-")
	switch name {
	case "from", "sender", "reply-to", "to", "cc", "bcc", "return-path", "delivered-to", "received",
		"message-id", "in-reply-to", "references", "disposition-notification-to", "errors-to",
		"mail-followup-to", "mail-reply-to", "list-id", "list-post", "list-help", "list-archive",
		"list-owner", "list-subscribe", "list-unsubscribe", "authentication-results", "dkim-signature":
		return true
	}
	return false
}

// asciiWriter collects the ASCII form of a value.
type asciiWriter struct {
	b       strings.Builder
	mime    bool   // the field is one of MIME, with parameters
	syntax  bool   // the value is more than text
	blanks  string // seen, but not written yet
	encoded bool   // what was written last is an encoded word
}

// text writes unstructured text.
func (w *asciiWriter) text(s string) {
	for s != "" {
		if n := blanksAt(s); n > 0 {
			w.blanks, s = w.blanks+s[:n], s[n:]
			continue
		}
		n := strings.IndexAny(s, " \t\r\n")
		if n < 0 {
			n = len(s)
		}
		w.word(s[:n])
		s = s[n:]
	}
	w.flushBlanks()
}

// structured writes addresses, message ids, parameters and their like.
func (w *asciiWriter) structured(s string) {
	for s != "" {
		n := 1
		switch c := s[0]; {
		case blanksAt(s) > 0:
			n = blanksAt(s)
			w.blanks += s[:n]
		case c == '"':
			n = quotedAt(s)
			w.quoted(s[:n])
		case c == '<':
			if n = strings.IndexByte(s, '>') + 1; n == 0 {
				n = len(s)
			}
			w.angle(s[:n])
		case strings.IndexByte("(),;:=", c) >= 0:
			w.plain(s[:1])
		default:
			if n = strings.IndexAny(s, " \t\r\n\"<(),;:="); n < 0 {
				n = len(s)
			}
			if strings.Contains(s[:n], "@") && !isASCII([]byte(s[:n])) {
				w.plain(asciiAddress(s[:n]))
			} else {
				w.word(s[:n])
			}
		}
		s = s[n:]
	}
	w.flushBlanks()
}

func (w *asciiWriter) flushBlanks() {
	w.b.WriteString(w.blanks)
	w.blanks = ""
}

func (w *asciiWriter) plain(s string) {
	w.flushBlanks()
	w.b.WriteString(s)
	w.encoded = false
}

// word writes a word, encoded if it must be. Blanks between two encoded words count for
// nothing, so those that count go into the second.
func (w *asciiWriter) word(s string) {
	if isASCII([]byte(s)) {
		w.plain(s)
		return
	}
	if w.encoded && w.blanks != "" {
		s = strings.NewReplacer("\r", "", "\n", "").Replace(w.blanks) + s
		w.blanks = "\r\n "
	}
	w.flushBlanks()
	w.b.WriteString(w.encode(s))
	w.encoded = true
}

// encode gives one or more encoded words, each on a line of its own. In a phrase or
// comment they may hold no specials, which base64 has none of.
func (w *asciiWriter) encode(s string) string {
	enc := mime.QEncoding
	if w.syntax {
		enc = mime.BEncoding
	}
	return strings.ReplaceAll(enc.Encode("utf-8", s), "?= =?", "?=\r\n =?")
}

// quoted writes a quoted string. An encoded word can't stand in one: it becomes a phrase.
// QUIRK: but for parameters of MIME fields, where encoded words in quotes are what all
// clients understand, and RFC 2231 is not.
func (w *asciiWriter) quoted(s string) {
	if isASCII([]byte(s)) {
		w.plain(s)
		return
	}
	var in strings.Builder
	for i := 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		if s[i] != '\r' && s[i] != '\n' {
			in.WriteByte(s[i])
		}
	}
	if w.mime {
		w.plain(`"` + w.encode(in.String()) + `"`)
		return
	}
	w.word(in.String())
}

// angle writes what stands in angle brackets.
func (w *asciiWriter) angle(s string) {
	if !isASCII([]byte(s)) {
		s = "<" + asciiAddress(strings.Trim(s, "<>")) + ">"
	}
	w.plain(s)
}

// noAddress stands for an address whose local part has no form in ASCII: nobody can
// answer to it by accident.
const noAddress = "invalid@internationalized-address.invalid"

func asciiAddress(s string) string {
	i := strings.LastIndexByte(s, '@')
	if i < 0 || !isASCII([]byte(s[:i])) {
		return noAddress
	}
	domain, err := idna.Lookup.ToASCII(s[i+1:])
	if err != nil || !isASCII([]byte(domain)) {
		return noAddress
	}
	return s[:i+1] + domain
}

func blanksAt(s string) int { return len(s) - len(strings.TrimLeft(s, " \t\r\n")) }

// quotedAt gives the length of the quoted string at the begin of s, all of s if it has
// no end.
func quotedAt(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}
