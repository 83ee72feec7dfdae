package imap

import (
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/mail/message"
)

// envelopeOf is ENVELOPE. Encoded words stay as they are: imapserver encodes only what is
// not ASCII.
func envelopeOf(e *message.Envelope) *imap.Envelope {
	out := &imap.Envelope{Date: e.Time, Subject: text(e.Subject), From: addresses(e.From), Sender: addresses(e.SenderOrFrom()),
		ReplyTo: addresses(e.ReplyToOrFrom()), To: addresses(e.To), Cc: addresses(e.Cc), Bcc: addresses(e.Bcc)}
	if ids := messageIDs(e.MessageID); len(ids) > 0 {
		out.MessageID = ids[0]
	}
	out.InReplyTo = messageIDs(e.InReplyTo)
	return out
}

// text is header text as it may be sent: raw if it is ASCII, else UTF-8.
func text(raw string) string {
	for i := range len(raw) {
		if raw[i] >= utf8.RuneSelf {
			return message.DecodeText(raw)
		}
	}
	return raw
}

// messageIDs gives the ids in a field, without their brackets.
func messageIDs(field string) (ids []string) {
	for _, f := range strings.Split(field, "<")[min(1, strings.Count(field, "<")):] {
		id, _, _ := strings.Cut(f, ">")
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, text(id))
		}
	}
	return ids
}

// addresses gives an address list. Without a host an address would be taken for the
// beginning of a group.
//
// RFC 9051, section 7.5.2: [RFC5322] group syntax is indicated by a special form of address structure in which the host name field is NIL.
func addresses(list []message.Address) []imap.Address {
	out := make([]imap.Address, 0, len(list))
	for _, a := range list {
		switch {
		case a.Group != "":
			out = append(out, imap.Address{Mailbox: text(a.Group)})
		case a.End:
			out = append(out, imap.Address{})
		default:
			out = append(out, imap.Address{Name: text(a.Name), Mailbox: orMissing(a.Local), Host: orMissing(a.Domain)})
		}
	}
	return out
}

func orMissing(s string) string {
	if s == "" {
		return "missing.invalid"
	}
	return text(s)
}

// structure is BODY and BODYSTRUCTURE.
func structure(p *message.Part) imap.BodyStructure {
	if p.IsMultipart() && len(p.Parts) > 0 {
		bs := &imap.BodyStructureMultiPart{Subtype: text(p.Subtype), Extended: &imap.BodyStructureMultiPartExt{
			Params: params(p.Params), Disposition: disposition(p), Language: p.Language, Location: text(p.Location)}}
		for _, c := range p.Parts {
			bs.Children = append(bs.Children, structure(c))
		}
		return bs
	}
	typ, subtype := p.MediaType()
	bs := &imap.BodyStructureSinglePart{Type: text(typ), Subtype: text(subtype), Params: params(p.Params), ID: text(p.ID),
		Description: text(p.Description), Encoding: text(p.TransferEncoding()), Size: uint32(p.BodyLen),
		Extended: &imap.BodyStructureSinglePartExt{Disposition: disposition(p), Language: p.Language, Location: text(p.Location)}}
	switch {
	case p.Message != nil:
		bs.MessageRFC822 = &imap.BodyStructureMessageRFC822{Envelope: envelopeOf(&p.Message.Envelope),
			BodyStructure: structure(&p.Message.Body), NumLines: p.Lines}
	case typ == "text":
		bs.Text = &imap.BodyStructureText{NumLines: p.Lines}
	}
	return bs
}

func params(list []message.Param) map[string]string {
	out := make(map[string]string, len(list))
	for _, p := range list {
		if _, twice := out[p.Name]; !twice {
			out[text(p.Name)] = text(p.Value)
		}
	}
	return out
}

func disposition(p *message.Part) *imap.BodyStructureDisposition {
	if p.Disposition == "" {
		return nil
	}
	return &imap.BodyStructureDisposition{Value: text(p.Disposition), Params: params(p.DispositionParams)}
}
