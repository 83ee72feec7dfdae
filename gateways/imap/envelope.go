package imap

import (
	"strings"
	"unicode/utf8"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// writeEnvelope writes ENVELOPE. Encoded words stay as they are.
//
// RFC 9051, section 7.5.2: The fields of the envelope structure are in the following order: date, subject, from, sender, reply-to, to, cc, bcc, in-reply-to, and message-id.
func writeEnvelope(w *wire.Writer, e *message.Envelope) {
	w.Raw("(").NString(text(e.Date)).Raw(" ").Text(text(e.Subject))
	for _, list := range [...][]message.Address{e.From, e.SenderOrFrom(), e.ReplyToOrFrom(), e.To, e.Cc, e.Bcc} {
		w.Raw(" ")
		writeAddresses(w, list)
	}
	w.Raw(" ").NString(text(e.InReplyTo)).Raw(" ").NString(text(e.MessageID)).Raw(")")
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

// writeAddresses writes an address list. Without a host an address would be taken for the
// beginning of a group.
//
// RFC 9051, section 7.5.2: [RFC5322] group syntax is indicated by a special form of address structure in which the host name field is NIL.
func writeAddresses(w *wire.Writer, list []message.Address) {
	if len(list) == 0 {
		w.Raw("NIL")
		return
	}
	w.Raw("(")
	for _, a := range list {
		switch {
		case a.Group != "":
			w.Raw("(NIL NIL ").String(text(a.Group)).Raw(" NIL)")
		case a.End:
			w.Raw("(NIL NIL NIL NIL)")
		default:
			w.Raw("(").Text(text(a.Name)).Raw(" NIL ").String(orMissing(a.Local)).Raw(" ").String(orMissing(a.Domain)).Raw(")")
		}
	}
	w.Raw(")")
}

func orMissing(s string) string {
	if s == "" {
		return "missing.invalid"
	}
	return text(s)
}

// writeStructure writes BODY or, with all it has, BODYSTRUCTURE.
func writeStructure(w *wire.Writer, p *message.Part, extended bool) {
	w.Raw("(")
	if p.IsMultipart() && len(p.Parts) > 0 {
		for _, c := range p.Parts {
			writeStructure(w, c, extended)
		}
		w.Raw(" ").String(text(p.Subtype))
		if extended {
			w.Raw(" ")
			writeParams(w, p.Params)
			writeExtension(w, p)
		}
		w.Raw(")")
		return
	}
	typ, subtype := p.MediaType()
	w.String(text(typ)).Raw(" ").String(text(subtype)).Raw(" ")
	writeParams(w, p.Params)
	// QUIRK: Outlook for iOS takes no encoding in capitals; the summary has it in small letters.
	w.Raw(" ").NString(text(p.ID)).Raw(" ").Text(text(p.Description)).Raw(" ").String(text(p.TransferEncoding()))
	w.Raw(" ").Uint(uint64(p.BodyLen))
	switch {
	case p.Message != nil:
		w.Raw(" ")
		writeEnvelope(w, &p.Message.Envelope)
		w.Raw(" ")
		writeStructure(w, &p.Message.Body, extended)
		w.Raw(" ").Uint(uint64(p.Lines))
	case typ == "text":
		w.Raw(" ").Uint(uint64(p.Lines))
	}
	if extended {
		w.Raw(" ").NString(text(p.MD5))
		writeExtension(w, p)
	}
	w.Raw(")")
}

// writeExtension writes disposition, language and location.
func writeExtension(w *wire.Writer, p *message.Part) {
	w.Raw(" ")
	if p.Disposition == "" {
		w.Raw("NIL")
	} else {
		w.Raw("(").String(text(p.Disposition)).Raw(" ")
		writeParams(w, p.DispositionParams)
		w.Raw(")")
	}
	w.Raw(" ")
	if len(p.Language) == 0 {
		w.Raw("NIL")
	} else {
		for i, l := range p.Language {
			w.Raw("( "[min(i, 1) : min(i, 1)+1]).String(text(l))
		}
		w.Raw(")")
	}
	w.Raw(" ").NString(text(p.Location))
}

// writeParams writes parameters; of one that comes twice the first counts.
func writeParams(w *wire.Writer, list []message.Param) {
	if len(list) == 0 {
		w.Raw("NIL")
		return
	}
	sep := "("
	for i, p := range list {
		if !twice(list[:i], p.Name) {
			w.Raw(sep).String(text(p.Name)).Raw(" ").String(text(p.Value))
			sep = " "
		}
	}
	w.Raw(")")
}

func twice(before []message.Param, name string) bool {
	for _, p := range before {
		if strings.EqualFold(p.Name, name) {
			return true
		}
	}
	return false
}
