package message

import (
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// maxListed bounds the listed fields of one header section, in octets.
const maxListed = 64 << 10

// maxName is longer than any name on the list.
const maxName = 40

type class uint8

const (
	unlisted class = iota
	listed         // asked for when a folder is opened
	envelope       // and part of the envelope or of the thread
	mimeType       // Content-Type and Content-Transfer-Encoding: without them nothing can be said
	mimeMore       // the other MIME fields
	bulky          // listed, long, and the first to be cut
)

// classify finds the class of a field name in lower case. The list is what mail clients
// name in HEADER.FIELDS when they fill a folder's view: Thunderbird, Apple Mail, Outlook,
// K-9, mutt, Roundcube.
func classify(name string) class {
	switch name {
	case "date", "from", "sender", "reply-to", "to", "cc", "bcc", "subject",
		"message-id", "in-reply-to", "references":
		return envelope
	case "content-type", "content-transfer-encoding":
		return mimeType
	case "content-description", "content-disposition", "content-id", "content-language",
		"content-location", "content-md5":
		return mimeMore
	case "priority", "x-priority", "importance", "x-msmail-priority", "sensitivity", "precedence",
		"auto-submitted", "newsgroups", "followup-to", "lines", "x-label",
		"list-id", "list-post", "list-help", "list-subscribe", "list-unsubscribe", "list-unsubscribe-post",
		"disposition-notification-to", "return-receipt-to", "mail-followup-to", "mail-reply-to",
		"return-path", "delivered-to", "x-original-to", "x-draft-info", "x-spam-flag",
		"thread-topic", "thread-index", "x-k9mail-identity", "chat-version",
		"x-uniform-type-identifier", "x-universally-unique-identifier",
		"bimi-indicator", "bimi-location", "x-bimi-indicator-hash":
		return listed
	case "dkim-signature", "authentication-results":
		return bulky
	}
	return unlisted
}

// lowered puts name in lower case into b without an allocation; a name that is longer than
// any on the list gives none.
func lowered[T string | []byte](name T, b *[maxName]byte) []byte {
	if len(name) > maxName {
		return nil
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		b[i] = c
	}
	return b[:len(name)]
}

// Listed tells whether a header field is on the closed list. If Cut has no CutFields,
// Summary.Fields then has every such field of the message.
func Listed(name string) bool { return classify(strings.ToLower(name)) != unlisted }

// Select gives the raw bytes of the fields with these names, in the message's order. ok is
// false if the blob must be asked, because a name isn't listed or fields were cut.
func (s *Summary) Select(names ...string) (raw []byte, ok bool) {
	if s.Cut&CutFields != 0 {
		return nil, false
	}
	for _, n := range names {
		if !Listed(n) {
			return nil, false
		}
	}
	for f := range header.All([]byte(s.Fields)) {
		for _, n := range names {
			if f.Is(n) {
				raw = append(raw, f.Raw...)
				break
			}
		}
	}
	return raw, true
}

// Field gives the first field of this name, unfolded; "" if there is none.
func (s *Summary) Field(name string) string {
	for f := range header.All([]byte(s.Fields)) {
		if f.Is(name) {
			return f.Text()
		}
	}
	return ""
}

// hdr collects the listed fields of the header section at hand.
type hdr struct {
	buf   []byte
	start int   // where the field at hand begins in buf; -1 if it isn't kept
	class class // of the field at hand
	limit int   // octets kept of it
	long  bool  // it was longer
	size  int64
	first bool // no line was seen yet
	full  bool // no more text is kept of parts below the top, but for the type
	lost  [bulky + 1]bool
	root  string // first of a References field that was too long
	// longType is the beginning of a Content-Type that was too long.
	longType string
}

func (h *hdr) reset() {
	*h = hdr{buf: h.buf[:0], start: -1, first: true, full: h.full}
}

// add takes a line: its first octets and its full length.
func (h *hdr) add(line []byte, n int64, isMessage, top bool) {
	h.size += n
	if line[0] == ' ' || line[0] == '\t' {
		h.more(line, n)
		return
	}
	h.finish()
	l, _, ok := header.Name(line)
	if !ok {
		return
	}
	var low [maxName]byte
	c := classify(string(lowered(line[:l], &low)))
	switch {
	case c == unlisted,
		!top && (c == listed || c == bulky),
		!isMessage && c == envelope:
		return
	case h.size > MaxHeader, len(h.buf) >= maxListed, h.full && !top && c != mimeType:
		h.lost[c] = true
		return
	}
	h.class, h.start, h.limit = c, len(h.buf), maxField
	if !top && c == mimeType {
		h.limit = 4 << 10
	}
	h.more(line, n)
}

// more adds a line to the field at hand.
func (h *hdr) more(line []byte, n int64) {
	if h.start < 0 {
		return
	}
	room := min(h.limit-(len(h.buf)-h.start), maxListed+maxField-len(h.buf))
	if h.size > MaxHeader {
		room = 0
	}
	keep := line[:min(len(line), max(0, room))]
	h.buf = append(h.buf, keep...)
	h.long = h.long || int64(len(keep)) < n
}

// finish ends the field at hand. One that is too long is left out, for raw bytes must be
// whole, but what is needed of it is kept.
func (h *hdr) finish() {
	if h.start >= 0 && h.long {
		h.lost[h.class] = true
		raw := h.buf[h.start:]
		if n, v, ok := header.Name(raw); ok && strings.EqualFold(string(raw[:n]), "references") && h.root == "" {
			if ids := messageIDs(header.Unfold(raw[v:]), 1); len(ids) > 0 {
				h.root = strings.Clone(ids[0])
			}
		}
		if h.class == mimeType && h.longType == "" {
			h.longType = string(raw) + "\n"
		}
		h.buf = h.buf[:h.start]
	}
	h.start, h.long = -1, false
}

// cut gives the marks for what was left out.
func (h *hdr) cut(top bool) (c Cut) {
	if h.lost[mimeType] || h.lost[mimeMore] || h.lost[envelope] && !top {
		c |= CutDetails
	}
	if top && h.lost != [bulky + 1]bool{} {
		c |= CutFields
	}
	if top && h.lost[envelope] {
		c |= CutEnvelope
	}
	return c
}
