package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// An index lies beside the messages that this package writes as mbox or .eml and holds
// what these forms have no place for. It is a file of JSON lines: first an indexHead, then a
// record for each message, in order. Other programs pass it over; without it, the messages
// are read as anybody's.
const (
	indexVersion = 1
	emlIndex     = "mailbox.jsonl" // in each folder of .eml files
	mboxIndex    = ".jsonl"        // after the name of each mbox file
	maxIndexLine = 64 << 10

	minDate = -62135596800 // seconds since 1970; the first of year 1
	maxDate = 253402300799 // the last of year 9999
)

type indexHead struct {
	Version int    `json:"version"`
	Mailbox string `json:"mailbox"`
}

type record struct {
	Name   string   `json:"name,omitempty"`   // of the .eml file
	At     int64    `json:"at,omitempty"`     // where the From_ line begins in the mbox
	Length int64    `json:"length,omitempty"` // from there to the next From_ line
	Line   int64    `json:"line,omitempty"`   // length of the From_ line, and of the status fields that were put after it
	Cut    bool     `json:"cut,omitempty"`    // the message has no line end at its end, though the mbox has
	SHA256 string   `json:"sha256,omitempty"` // of the message with CRLF line ends; tells that the mbox is as it was
	Date   int64    `json:"date"`             // internal date, seconds since 1970
	Flags  []string `json:"flags,omitempty"`

	Mailbox string `json:"mailbox,omitempty"` // in a zip, if the folder's name is another
}

// apply gives an item what the record says.
func (r record) apply(i *Item) {
	i.Flags, i.DateFrom = sortedFlags(r.Flags), FromIndex
	i.Date = time.Unix(max(minDate, min(maxDate, r.Date)), 0).UTC()
}

// index reads an index beside the messages.
type index struct {
	head indexHead
	br   *bufio.Reader
	rec  record
	ok   bool // rec is a record that was not asked for yet
}

// newIndex reads the head. kinds.TooNew, kinds.Corrupt.
func newIndex(r io.Reader) (*index, error) {
	x := &index{br: bufio.NewReaderSize(r, maxIndexLine)}
	line, err := x.br.ReadSlice('\n')
	if err != nil || json.Unmarshal(line, &x.head) != nil || x.head.Version < 1 {
		return nil, kinds.Errorf(kinds.Corrupt, "archive: no index")
	}
	if x.head.Version > indexVersion {
		return nil, kinds.Errorf(kinds.TooNew, "archive: an index of version %d", x.head.Version)
	}
	if !isName(x.head.Mailbox) {
		x.head.Mailbox = ""
	}
	x.advance()
	return x, nil
}

func (x *index) advance() {
	line, err := x.br.ReadSlice('\n')
	x.rec = record{}
	x.ok = err == nil && json.Unmarshal(line, &x.rec) == nil
}

// named gives the record of a file. Files are asked for in order.
func (x *index) named(name string) (record, bool) {
	for x != nil && x.ok && x.rec.Name < name {
		x.advance()
	}
	if x == nil || !x.ok || x.rec.Name != name {
		return record{}, false
	}
	return x.rec, true
}

// at gives the record of the message that begins at a place. Places are asked for in
// order.
func (x *index) at(at int64) (record, bool) {
	for x != nil && x.ok && x.rec.At < at {
		x.advance()
	}
	if x == nil || !x.ok || x.rec.At != at {
		return record{}, false
	}
	return x.rec, true
}

func jsonLine(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(b, '\n'), err
}

// isName tells whether a mailbox name from an index may be taken as it is.
func isName(s string) bool {
	return s != "" && utf8.ValidString(s) && !bytes.ContainsFunc([]byte(s), isControl) && checkName(s) == nil
}
