package imap

import (
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
)

// item is a kind of what FETCH gives.
type item uint8

const (
	itemDate item = iota
	itemSize
	itemEnvelope
	itemBody
	itemStructure
	itemModSeq
	itemEmailID
	itemThreadID
	itemSaveDate
	itemPreview
	itemSection
	itemBinary
	itemBinarySize
)

// wanted is one item that is asked for. The sections are of the last three kinds.
type wanted struct {
	item
	name    string // of a section, as it is answered: BODY[...]<...>
	body    *imap.FetchItemBodySection
	binary  *imap.FetchItemBinarySection
	part    []int // of BINARY.SIZE
	setSeen bool
}

// request is what a FETCH asks for. UID and FLAGS come first, the others in their order.
type request struct {
	uid, flags bool
	items      []wanted
	sections   int
	setsSeen   bool
	contents   bool // more is needed than what a mailbox keeps of a message
	since      uint64
	changed    bool // only what has changed after since
	vanished   bool
	page       *page
}

// parseRequest reads the items of a FETCH.
//
// RFC 9051, section 9: fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
func parseRequest(cmd *command) *request {
	q := &request{}
	if cmd.Peek() == '(' {
		cmd.List(func() { q.item(cmd, cmd.Name()) })
		return q
	}
	var macro []string
	switch name := cmd.Name(); name {
	case "FAST":
		macro = []string{"FLAGS", "INTERNALDATE", "RFC822.SIZE"}
	case "ALL":
		macro = []string{"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"}
	case "FULL":
		macro = []string{"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"}
	default:
		q.item(cmd, name)
	}
	for _, name := range macro {
		q.item(cmd, name)
	}
	return q
}

func (q *request) add(w wanted) {
	q.items = append(q.items, w)
	q.setsSeen = q.setsSeen || w.setSeen
	switch w.item {
	case itemDate, itemSize, itemModSeq, itemSaveDate:
	case itemSection, itemBinary, itemBinarySize:
		q.sections++
		q.contents = true
	default:
		q.contents = true
	}
}

func (q *request) item(cmd *command, name string) {
	switch name {
	case "UID":
		q.uid = true
	case "FLAGS":
		q.flags = true
	case "INTERNALDATE":
		q.add(wanted{item: itemDate})
	case "RFC822.SIZE":
		q.add(wanted{item: itemSize})
	case "ENVELOPE":
		q.add(wanted{item: itemEnvelope})
	case "BODYSTRUCTURE":
		q.add(wanted{item: itemStructure, name: "BODYSTRUCTURE "})
	case "MODSEQ":
		q.add(wanted{item: itemModSeq})
	case "EMAILID":
		q.add(wanted{item: itemEmailID})
	case "THREADID":
		q.add(wanted{item: itemThreadID})
	case "SAVEDATE":
		q.add(wanted{item: itemSaveDate})
	case "PREVIEW":
		if strings.HasPrefix(string(cmd.Rest()), " (") {
			cmd.SP()
			cmd.List(func() { // LAZY: it is always there
				if cmd.Keyword() != "LAZY" {
					cmd.Fail(wire.SyntaxError("Unknown modifier of PREVIEW"))
				}
			})
		}
		q.add(wanted{item: itemPreview})
	case "BODY":
		if cmd.Peek() != '[' {
			q.add(wanted{item: itemBody, name: "BODY "})
			return
		}
		q.section(cmd, false)
	case "BODY.PEEK":
		q.section(cmd, true)
	case "RFC822":
		q.add(wanted{item: itemSection, name: name, body: &imap.FetchItemBodySection{}, setSeen: true})
	case "RFC822.HEADER":
		q.add(wanted{item: itemSection, name: name, body: &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader}})
	case "RFC822.TEXT":
		q.add(wanted{item: itemSection, name: name, body: &imap.FetchItemBodySection{Specifier: imap.PartSpecifierText}, setSeen: true})
	case "BINARY", "BINARY.PEEK", "BINARY.SIZE":
		q.binary(cmd, name)
	default:
		cmd.Fail(wire.SyntaxError("Unknown FETCH item"))
	}
}

// section reads [...]<...> of BODY.
func (q *request) section(cmd *command, peek bool) {
	cmd.Expect('[')
	s := &imap.FetchItemBodySection{Peek: peek}
	label := cmd.Label()
	part, spec, ok := splitLabel(label)
	s.Part = part
	name := "BODY[" + label
	switch spec {
	case "":
	case "HEADER", "TEXT", "MIME":
		s.Specifier = imap.PartSpecifier(spec)
		ok = ok && (spec != "MIME" || len(part) > 0)
	case "HEADER.FIELDS", "HEADER.FIELDS.NOT":
		s.Specifier = imap.PartSpecifierHeader
		cmd.SP()
		var fields []string
		name += " ("
		cmd.List(func() {
			f := cmd.AString()
			if len(fields) > 0 {
				name += " "
			}
			name += quoted(f)
			fields = append(fields, f)
		})
		name += ")"
		ok = ok && len(fields) > 0
		if s.HeaderFields = fields; spec != "HEADER.FIELDS" {
			s.HeaderFields, s.HeaderFieldsNot = nil, fields
		}
	default:
		ok = false
	}
	cmd.Expect(']')
	if !ok {
		cmd.Fail(wire.SyntaxError("Malformed section"))
	}
	name += "]"
	s.Partial = partial(cmd, &name)
	q.add(wanted{item: itemSection, name: name, body: s, setSeen: !peek})
}

// quoted writes the name of a header field. One that holds what can't be quoted is none,
// and finds nothing.
func quoted(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// binary reads [...]<...> of BINARY (RFC 3516).
func (q *request) binary(cmd *command, name string) {
	cmd.Expect('[')
	label := cmd.Label()
	part, spec, ok := splitLabel(label)
	cmd.Expect(']')
	if !ok || spec != "" {
		cmd.Fail(wire.SyntaxError("Malformed section"))
	}
	if name == "BINARY.SIZE" {
		q.add(wanted{item: itemBinarySize, name: "BINARY.SIZE[" + label + "]", part: part})
		return
	}
	b := &imap.FetchItemBinarySection{Part: part, Peek: name != "BINARY"}
	answer := "BINARY[" + label + "]"
	// RFC 3516, section 4.3 has the origin octet in the response as in BODY[]<0>.
	b.Partial = partial(cmd, &answer)
	q.add(wanted{item: itemBinary, name: answer, binary: b, setSeen: !b.Peek})
}

// splitLabel takes part numbers off a section.
func splitLabel(label string) (part []int, spec string, ok bool) {
	for label != "" && label[0] >= '0' && label[0] <= '9' {
		number, rest, more := strings.Cut(label, ".")
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil || n == 0 || more && rest == "" {
			return nil, "", false
		}
		part, label = append(part, int(n)), rest
	}
	return part, label, true
}

// partial reads <offset.size>, if it is there.
//
// RFC 9051, section 9: partial = "<" number64 "." nz-number64 ">"
func partial(cmd *command, name *string) *imap.SectionPartial {
	if !cmd.Try('<') {
		return nil
	}
	p := &imap.SectionPartial{Offset: cmd.Number64()}
	cmd.Expect('.')
	if p.Size = cmd.Number64(); p.Size == 0 {
		cmd.Fail(wire.SyntaxError("A part of no octets"))
	}
	cmd.Expect('>')
	*name += "<" + strconv.FormatInt(p.Offset, 10) + ">"
	return p
}
