package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// A body of messages, of the type application/vnd.godwit.messages, is for each a line of JSON
// (a NewMessage), and then so many octets as the line says.

const maxLine = 256 << 10 // bytes of a line of JSON

// NewMessage stands before the octets of a message that is sent.
type NewMessage struct {
	Name    string    `json:"name"`            // 12 octets in base64url, unique in the account: of messages with one name, one is added
	Mailbox string    `json:"mailbox"`         // its name
	Flags   []string  `json:"flags"`           // as IMAP has them
	Date    time.Time `json:"date"`            // INTERNALDATE
	Size    int64     `json:"size,omitempty"`  // octets that follow
	Parts   []string  `json:"parts,omitempty"` // what of a large message was sent before, in order, instead of octets that follow
}

// incoming is a message on its way in.
type incoming struct {
	add     account.Add
	octets  []byte
	parts   []blob.Ref
	size    int64
	state   string        // how it ended
	refused error         // why it isn't taken
	failed  error         // why it could not be stored now
	stored  chan struct{} // closed when the content is, or failed is set
}

// The ends of a message.
const (
	isImported = "imported"
	isPresent  = "present"
	isRefused  = "refused"
)

var names = base64.RawURLEncoding

// parseBatch takes a body apart. What is no batch at all is an error; a message that can't be
// taken is refused alone.
func parseBatch(body []byte, state *account.State) ([]*incoming, error) {
	var list []*incoming
	for len(body) > 0 {
		end := bytes.IndexByte(body[:min(len(body), maxLine)], '\n')
		if end < 0 {
			return nil, kinds.Errorf(kinds.Invalid, "api: before message %d is no line of JSON", len(list)+1)
		}
		var n NewMessage
		if err := json.Unmarshal(body[:end], &n); err != nil {
			return nil, kinds.Errorf(kinds.Invalid, "api: the line before message %d is no JSON of a message", len(list)+1)
		}
		body = body[end+1:]
		name, err := names.DecodeString(n.Name)
		switch {
		case err != nil || len(name) != account.NameSize:
			return nil, kinds.Errorf(kinds.Invalid, "api: the name of message %d is not %d octets in base64url", len(list)+1, account.NameSize)
		case n.Size < 0 || n.Size > int64(len(body)):
			return nil, kinds.Errorf(kinds.Invalid, "api: message %d is cut off", len(list)+1)
		case len(list) == maxMessages:
			return nil, kinds.Errorf(kinds.Limit, "api: more than %d messages in one request", maxMessages)
		}
		m := &incoming{octets: body[:n.Size:n.Size], size: n.Size, stored: make(chan struct{})}
		body = body[n.Size:]
		m.add.Name = name
		m.refused = m.read(&n, state)
		list = append(list, m)
	}
	return list, nil
}

// read judges what is said of a message.
func (m *incoming) read(n *NewMessage, state *account.State) (err error) {
	box, err := account.CheckName(n.Mailbox)
	if err != nil {
		return err
	}
	to := state.Mailbox(box)
	if to == nil {
		return kinds.Errorf(kinds.NotFound, "there is no such mailbox")
	}
	m.add.Mailbox = to.ID
	if m.add.Flags, m.add.Words, err = parseFlags(n.Flags); err != nil {
		return err
	}
	if len(m.add.Words) > account.MaxKeywords {
		return kinds.Errorf(kinds.Limit, "%d keywords, of which a mailbox has %d at most", len(m.add.Words), account.MaxKeywords)
	}
	if year := n.Date.Year(); year < 1970 || year > 6000 { // what an entry holds
		return kinds.Errorf(kinds.Invalid, "no date of a message")
	}
	m.add.Date = n.Date.UnixMilli()
	if len(n.Parts) == 0 {
		return nil
	}
	if n.Size > 0 {
		return kinds.Errorf(kinds.Invalid, "a message in parts that has octets besides")
	}
	for _, p := range n.Parts {
		ref, err := parsePart(p, state.Ref())
		if err != nil {
			return err
		}
		m.parts = append(m.parts, ref)
		if m.size += ref.Size; m.size > maxMessage {
			return kinds.Errorf(kinds.Limit, "a message of more than %d octets", maxMessage)
		}
	}
	return nil
}

// A part of a large message is a blob whose header says so: that of a message never does, so
// nobody can pass off what he may not read as a part of his.
func partOwner(ref account.Ref) string { return "part of " + string(ref.ID) }

func formatPart(ref blob.Ref) (string, error) {
	b, err := cbor.Marshal(ref)
	return names.EncodeToString(b), kinds.Wrap(kinds.Internal, err, "api: a part")
}

func parsePart(text string, of account.Ref) (ref blob.Ref, err error) {
	b, err := names.DecodeString(text)
	if err == nil {
		err = cbor.Unmarshal(b, &ref)
	}
	if err != nil || blob.CheckName(ref.Name) != nil || !strings.HasPrefix(ref.Name, "m/"+of.Tenant+"/") || ref.Size < 0 || ref.Size > maxBatch {
		return ref, kinds.Errorf(kinds.Invalid, "no part of a message")
	}
	return ref, nil
}
