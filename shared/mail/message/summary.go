// Package message makes the summary of a message: what clients ask for most, found in
// one pass while the bytes stream by, so that most reads never touch the blob. Bad mail
// is no error: it degrades to what can be said of it.
package message

import "time"

// Limits of a summary. What lies beyond them is left out and marked in Cut.
const (
	MaxDepth   = 100       // parts within parts, the message itself counted
	MaxParts   = 1000      // parts of one message
	MaxHeader  = 256 << 10 // octets of one header section in which fields are looked for
	MaxEncoded = 16 << 10  // octets of an encoded summary
	maxField   = 16 << 10  // octets of one header field, folds included
	maxKept    = 256 << 10 // octets of text kept of one message while it is scanned
)

// Summary describes the bytes of one blob. All offsets count octets from its start.
type Summary struct {
	Size  int64 `cbor:"1,keyasint,omitempty"` // octets
	Lines int64 `cbor:"2,keyasint,omitempty"` // line feeds
	// HeaderLen is the length of the header section with the empty line that ends it.
	// It is 0 if the first line is no header field or begins with a blank: then the
	// whole blob is body, and whatever is put before it must end with an empty line.
	HeaderLen int64 `cbor:"3,keyasint,omitempty"`
	// Fields holds the raw bytes of the header fields that are on the closed list (see
	// Listed), in their order, folds and line ends included.
	Fields      string   `cbor:"4,keyasint,omitempty"`
	Body        Part     `cbor:"5,keyasint"`           // the message as a part: its header, its body, what is in it
	Preview     string   `cbor:"6,keyasint,omitempty"` // at most 256 characters of its text, UTF-8, one line
	Attachments []string `cbor:"7,keyasint,omitempty"` // decoded names, UTF-8, in order; "" for one without a name
	Cut         Cut      `cbor:"8,keyasint,omitempty"`
	// Root is kept where the References field had to be cut, so that a thread never
	// falls apart; read it by Thread.Root.
	Root string `cbor:"9,keyasint,omitempty"`

	Envelope Envelope `cbor:"-"` // made from Fields, by the scanner and by Decode
	Thread   Thread   `cbor:"-"` // likewise
}

// Cut says what is missing in a summary and must be read from the blob.
type Cut uint16

// What can be cut.
const (
	CutFields      Cut = 1 << iota // a listed header field is missing from Fields
	CutEnvelope                    // and it is one that the envelope or the thread is made of
	CutDetails                     // parts lack parameters, id, description and the like; embedded envelopes are incomplete
	CutStructure                   // parts, or the inside of embedded messages, are missing
	CutPreview                     // the preview is missing
	CutAttachments                 // names of attachments are missing
)

// Envelope is the envelope as IMAP means it. Texts are raw: unfolded, but encoded words
// and 8-bit characters as they are; NUL, CR and LF never occur, here and in Part. Of a
// field that comes twice the first counts.
type Envelope struct {
	Date      string    `cbor:"1,keyasint,omitempty"`
	Time      time.Time `cbor:"-"` // Date parsed, with its zone; zero if it can't be
	Subject   string    `cbor:"2,keyasint,omitempty"`
	From      []Address `cbor:"3,keyasint,omitempty"`
	Sender    []Address `cbor:"4,keyasint,omitempty"` // empty if not given; IMAP then says From
	ReplyTo   []Address `cbor:"5,keyasint,omitempty"` // likewise
	To        []Address `cbor:"6,keyasint,omitempty"`
	Cc        []Address `cbor:"7,keyasint,omitempty"`
	Bcc       []Address `cbor:"8,keyasint,omitempty"`
	InReplyTo string    `cbor:"9,keyasint,omitempty"`
	MessageID string    `cbor:"10,keyasint,omitempty"`
}

// Address is one entry of an address list. A group begins with an entry that has only
// Group (its name), and ends with one that has only End.
type Address struct {
	Name   string `cbor:"1,keyasint,omitempty"` // unquoted, encoded words as they are
	Local  string `cbor:"2,keyasint,omitempty"`
	Domain string `cbor:"3,keyasint,omitempty"`
	Group  string `cbor:"4,keyasint,omitempty"`
	End    bool   `cbor:"5,keyasint,omitempty"`
}

// Thread is what threads are made of: message ids with their angle brackets.
type Thread struct {
	MessageID  string
	InReplyTo  []string // at most 20
	References []string // at most 100: the first and the last ones
	// Root names the thread: first of References, else of In-Reply-To, else the own
	// Message-ID; empty if there is none of them.
	Root string
}

// Param is one parameter of a Content-Type or Content-Disposition: the name in lower
// case, the value unquoted. Encodings and continuations of RFC 2231 are not resolved
// (IMAP wants them raw); see Part.Filename.
type Param struct {
	Name  string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint,omitempty"`
}

// Part is a node of the body structure. Its header is the octets from Offset up to
// Offset+HeaderLen, its body the BodyLen octets after that, without the line end that
// belongs to the boundary that follows.
type Part struct {
	Type    string  `cbor:"1,keyasint,omitempty"` // lower case
	Subtype string  `cbor:"2,keyasint,omitempty"` // lower case
	Params  []Param `cbor:"3,keyasint,omitempty"`
	// Encoding is the Content-Transfer-Encoding in lower case, empty for 7bit.
	Encoding          string   `cbor:"4,keyasint,omitempty"`
	ID                string   `cbor:"5,keyasint,omitempty"`
	Description       string   `cbor:"6,keyasint,omitempty"`
	Disposition       string   `cbor:"7,keyasint,omitempty"` // lower case
	DispositionParams []Param  `cbor:"8,keyasint,omitempty"`
	Language          []string `cbor:"9,keyasint,omitempty"`
	Location          string   `cbor:"10,keyasint,omitempty"`
	MD5               string   `cbor:"11,keyasint,omitempty"`

	Offset    int64 `cbor:"12,keyasint,omitempty"`
	HeaderLen int64 `cbor:"13,keyasint,omitempty"` // with the empty line
	BodyLen   int64 `cbor:"14,keyasint,omitempty"`
	Lines     int64 `cbor:"15,keyasint,omitempty"` // line feeds in the body

	// Parts of a multipart; never empty there: a multipart in which no boundary is found
	// has one text part, its whole body.
	Parts []*Part `cbor:"16,keyasint,omitempty"`
	// Message is what a message/rfc822 or message/global part holds. It is nil if that
	// is encoded or too deep to be looked into, or cut.
	Message *Embedded `cbor:"17,keyasint,omitempty"`
}

// Embedded is a message within a message.
type Embedded struct {
	Envelope Envelope `cbor:"1,keyasint"`
	Body     Part     `cbor:"2,keyasint"` // Body.Offset is where the message begins
}
