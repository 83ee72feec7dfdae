package message

import (
	"iter"
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/header"
)

// Bounds of an envelope.
const (
	maxAddresses      = 1000 // in one list
	maxInnerAddresses = 100  // in one list of an embedded message
	maxReferences     = 100
	maxInReplyTo      = 20
)

// rawField is a field of which name and value alias the text it was read from.
type rawField struct {
	name, value, raw string
	class            class
}

// allFields goes through kept fields: header.All for strings, with the class.
func allFields(kept string) iter.Seq[rawField] {
	return func(yield func(rawField) bool) {
		var low [maxName]byte
		for len(kept) > 0 {
			n := lineLen(kept)
			for n < len(kept) && (kept[n] == ' ' || kept[n] == '\t') {
				n += lineLen(kept[n:])
			}
			raw := kept[:n]
			kept = kept[n:]
			c := strings.IndexByte(raw, ':')
			if c < 0 {
				continue
			}
			name := strings.TrimRight(raw[:c], " \t")
			if !yield(rawField{name, raw[c+1:], raw, classify(string(lowered(name, &low)))}) {
				return
			}
		}
	}
}

func lineLen(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i + 1
	}
	return len(s)
}

func isName(name, lower string) bool {
	return len(name) == len(lower) && strings.EqualFold(name, lower)
}

// parseEnvelope reads the envelope from kept fields; limit bounds each address list.
func parseEnvelope(kept string, limit int) (e Envelope) {
	text := func(dst *string, v string) {
		if *dst == "" {
			*dst = header.Unfold(v)
		}
	}
	list := func(dst *[]Address, v string) {
		if *dst == nil {
			*dst = parseAddresses(v, limit)
		}
	}
	var low [maxName]byte
	for f := range allFields(kept) {
		if f.class != envelope {
			continue
		}
		switch string(lowered(f.name, &low)) {
		case "date":
			text(&e.Date, f.value)
		case "subject":
			text(&e.Subject, f.value)
		case "message-id":
			text(&e.MessageID, f.value)
		case "in-reply-to":
			text(&e.InReplyTo, f.value)
		case "from":
			list(&e.From, f.value)
		case "sender":
			list(&e.Sender, f.value)
		case "reply-to":
			list(&e.ReplyTo, f.value)
		case "to":
			list(&e.To, f.value)
		case "cc":
			list(&e.Cc, f.value)
		case "bcc":
			list(&e.Bcc, f.value)
		}
	}
	return e
}

// clean takes out of raw fields what no protocol can carry on: NULs go, and a CR that
// belongs to no line end becomes a blank.
func clean(kept string) string {
	if strings.IndexByte(kept, 0) >= 0 {
		kept = strings.ReplaceAll(kept, "\x00", "")
	}
	if strings.Count(kept, "\r") == strings.Count(kept, "\r\n") {
		return kept
	}
	b := []byte(kept)
	for i, c := range b {
		if c == '\r' && (i+1 == len(b) || b[i+1] != '\n') {
			b[i] = ' '
		}
	}
	return string(b)
}

// SenderOrFrom is Sender, or From where that is empty.
//
// RFC 9051, section 7.5.2: If the Sender or Reply-To header fields are absent in the RFC5322 header or are present but empty, the server sets the corresponding member of the envelope to be the same value as the from member
func (e *Envelope) SenderOrFrom() []Address { return orElse(e.Sender, e.From) }

// ReplyToOrFrom is Reply-To, or From where that is empty.
func (e *Envelope) ReplyToOrFrom() []Address { return orElse(e.ReplyTo, e.From) }

func orElse(a, b []Address) []Address {
	if len(a) > 0 {
		return a
	}
	return b
}

// derive makes envelope and thread from the kept fields.
func (s *Summary) derive() {
	fields := clean(s.Fields)
	s.Envelope = parseEnvelope(fields, maxAddresses)
	s.Envelope.Time = ParseDate(s.Envelope.Date)
	s.Body.Walk(func(p *Part) bool {
		if p.Message != nil {
			p.Message.Envelope.Time = ParseDate(p.Message.Envelope.Date)
		}
		return true
	})
	t := &s.Thread
	*t = Thread{Root: s.Root}
	for f := range allFields(fields) {
		if t.References == nil && isName(f.name, "references") {
			t.References = messageIDs(header.Unfold(f.value), maxReferences)
		}
	}
	t.InReplyTo = messageIDs(s.Envelope.InReplyTo, maxInReplyTo)
	if ids := messageIDs(s.Envelope.MessageID, 1); len(ids) > 0 {
		t.MessageID = ids[0]
	}
	switch {
	case t.Root != "":
	case len(t.References) > 0:
		t.Root = t.References[0]
	case len(t.InReplyTo) > 0:
		t.Root = t.InReplyTo[0]
	default:
		t.Root = t.MessageID
	}
}

// messageIDs finds <...> in s: the first and the last ones, limit in all. What stands
// between them (phrases, comments) is passed over.
func messageIDs(s string, limit int) (ids []string) {
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			return ids
		}
		s = s[i:]
		end := strings.IndexByte(s, '>')
		if end < 0 {
			return ids
		}
		if next := strings.LastIndexByte(s[:end], '<'); next > 0 { // one that wasn't closed
			s, end = s[next:], end-next
		}
		switch {
		case end == 1:
		case len(ids) < limit:
			ids = append(ids, s[:end+1])
		case limit == 1:
			return ids
		default:
			copy(ids[1:], ids[2:])
			ids[limit-1] = s[:end+1]
		}
		s = s[end+1:]
	}
}
