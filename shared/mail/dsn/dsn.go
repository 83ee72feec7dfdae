// Package dsn composes delivery status notifications (RFC 3464): what senders are told of
// the fate of their mail.
package dsn

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Action is what became of a recipient's copy.
type Action string

// The actions of RFC 3464, section 2.3.3.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"  // to a host that tells senders nothing
	Expanded  Action = "expanded" // delivered to an address that leads to several
)

// Report is a notification about one message.
type Report struct {
	Host    string // that reports
	To      string // the reverse-path of the message
	ID      string // of this notification, for its Message-ID
	Now     time.Time
	Arrived time.Time // of the message
	EnvID   string    // ENVID as xtext, "" if none was given
	// Header is the header section of the message, Full all of it if it is to be returned.
	Header []byte
	Full   bool
	UTF8   bool // addresses outside ASCII are in it
	Of     []Recipient
}

// Recipient is one of whom is reported.
type Recipient struct {
	Address string
	Origin  string // ORCPT as it was given, "" if it wasn't
	Action  Action
	Status  string    // RFC 3463, as "5.1.1"
	Host    string    // that said so, "" if none was reached
	Said    string    // its answer, or why none was reached
	Until   time.Time // of what is delayed: when it will be given up
}

// How many octets of a header section are returned at most, and how many of a whole message;
// of one that is longer it is the header.
const (
	MaxReturned = 64 << 10
	MaxFull     = 1 << 20
)

// Compose gives the notification as a message with CRLF line ends, to be sent with the
// null reverse-path.
func (r *Report) Compose() []byte {
	var b strings.Builder
	boundary := "=_" + base64.RawURLEncoding.EncodeToString([]byte(r.ID))
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: Mail delivery <MAILER-DAEMON@%s>", r.Host)
	line("To: <%s>", oneLine(r.To))
	line("Subject: %s", r.subject())
	line("Date: %s", r.Now.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	line("Message-ID: <%s@%s>", r.ID, r.Host)
	// RFC 3834, section 5: who answers by machine must not answer this.
	line("Auto-Submitted: auto-replied")
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=%q", boundary)
	line("")
	line("--%s", boundary)
	line("Content-Type: text/plain; charset=utf-8")
	line("Content-Transfer-Encoding: 8bit")
	line("")
	r.text(line)
	line("--%s", boundary)
	if r.UTF8 { // RFC 6533, section 3
		line("Content-Type: message/global-delivery-status")
		line("Content-Transfer-Encoding: 8bit")
	} else {
		line("Content-Type: message/delivery-status")
	}
	line("")
	r.status(line)
	line("--%s", boundary)
	switch {
	case r.Full && r.UTF8:
		line("Content-Type: message/global")
	case r.Full:
		line("Content-Type: message/rfc822")
	case r.UTF8:
		line("Content-Type: message/global-headers")
	default:
		line("Content-Type: text/rfc822-headers")
	}
	line("Content-Transfer-Encoding: 8bit")
	line("")
	b.Write(r.Header)
	if len(r.Header) > 0 && r.Header[len(r.Header)-1] != '\n' {
		line("")
	}
	line("")
	line("--%s--", boundary)
	return []byte(b.String())
}

func (r *Report) subject() string {
	switch r.action() {
	case Delayed:
		return "Your message is delayed"
	case Failed:
		return "Your message could not be delivered"
	case Relayed:
		return "Your message was handed on"
	}
	return "Your message was delivered"
}

// action is the one that matters most to the sender.
func (r *Report) action() Action {
	for _, matters := range []Action{Failed, Delayed, Relayed} {
		for _, to := range r.Of {
			if to.Action == matters {
				return matters
			}
		}
	}
	return Delivered
}

// text is what people read.
func (r *Report) text(line func(string, ...any)) {
	line("This is the mail service at %s.", r.Host)
	line("")
	for _, to := range r.Of {
		switch to.Action {
		case Failed:
			line("<%s> did not get your message of %s:", oneLine(to.Address), r.Arrived.UTC().Format("2 January 2006, 15:04 MST"))
		case Delayed:
			line("<%s> has not got your message yet. It is tried again until %s. So far:", oneLine(to.Address), to.Until.UTC().Format("2 January 2006, 15:04 MST"))
		case Relayed:
			line("Your message for <%s> was handed on to a host that does not report what becomes of it.", oneLine(to.Address))
		case Expanded:
			line("Your message for <%s> was delivered there; it goes to several.", oneLine(to.Address))
		default:
			line("Your message for <%s> was delivered.", oneLine(to.Address))
		}
		if to.Said != "" {
			if to.Host != "" {
				line("    %s said: %s", oneLine(to.Host), oneLine(to.Said))
			} else {
				line("    %s", oneLine(to.Said))
			}
		}
		line("")
	}
}

// status is what programs read: RFC 3464, section 2.
func (r *Report) status(line func(string, ...any)) {
	if r.EnvID != "" {
		line("Original-Envelope-Id: %s", oneLine(unxtext(r.EnvID)))
	}
	line("Reporting-MTA: dns; %s", r.Host)
	line("Arrival-Date: %s", r.Arrived.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	for _, to := range r.Of {
		line("")
		if to.Origin != "" {
			kind, addr, ok := strings.Cut(to.Origin, ";")
			if ok {
				line("Original-Recipient: %s;%s", oneLine(kind), oneLine(r.origin(kind, addr)))
			}
		}
		kind := "rfc822"
		if r.UTF8 && !ascii(to.Address) {
			kind = "utf-8"
		}
		line("Final-Recipient: %s; %s", kind, oneLine(to.Address))
		line("Action: %s", to.Action)
		line("Status: %s", to.Status)
		if to.Host != "" {
			line("Remote-MTA: dns; %s", oneLine(to.Host))
			if to.Said != "" {
				line("Diagnostic-Code: smtp; %s", oneLine(to.Said))
			}
		}
		if to.Action == Delayed {
			line("Will-Retry-Until: %s", to.Until.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
		}
	}
	line("")
}

// origin is the original recipient as it is told: RFC 6533, section 4: an address of the type
// utf-8 stands for itself in the Unicode form only.
func (r *Report) origin(kind, addr string) string {
	if !strings.EqualFold(kind, "utf-8") {
		return unxtext(addr)
	}
	if text, ok := unUTF8(addr); ok && r.UTF8 {
		return text
	}
	return addr
}

// oneLine keeps what others said from making lines of their own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// unxtext reads xtext: RFC 3461, section 4.
func unxtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		var c byte
		if s[i] == '+' && i+2 < len(s) {
			if n, err := fmt.Sscanf(s[i+1:i+3], "%02X", &c); n == 1 && err == nil {
				b.WriteByte(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
