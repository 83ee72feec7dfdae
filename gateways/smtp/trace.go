package smtp

import (
	"net/netip"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/mail/address"
)

// received composes the Received field of the message at hand.
//
// RFC 5321, section 4.4: When forwarding a message into or out of the Internet environment, a gateway MUST prepend a Received: line
// The recipient is named only where there is one: the others are nobody's business.
func (s *session) received(t *transaction, at time.Time) []byte {
	var b strings.Builder
	b.WriteString("Received: from ")
	b.WriteString(helloForTrace(s.hello))
	if ip := peerLiteral(s); ip != "" {
		b.WriteString(" (" + ip + ")")
	}
	b.WriteString("\r\n\tby " + s.cfg.Hostname + " with " + s.with(t) + " id " + t.id)
	if len(t.rcpts) == 1 {
		b.WriteString("\r\n\tfor <" + t.rcpts[0].String() + ">")
	}
	b.WriteString(";\r\n\t" + at.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700") + "\r\n")
	return []byte(b.String())
}

// helloForTrace is the peer's name if it can stand in a header field.
func helloForTrace(name string) string {
	if d, err := address.ParseDomain(name); err == nil {
		return d
	}
	return "unknown"
}

// peerLiteral is the peer's IP address as RFC 5321, section 4.1.3 writes it.
func peerLiteral(s *session) string {
	ip := peerIP(s)
	if !ip.IsValid() {
		return ""
	}
	if ip.Is4() {
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

// peerIP is the peer's IP address, the zero one if it has none.
func peerIP(s *session) netip.Addr {
	if s.remote == nil {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(s.remote.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// with names the protocol as IANA's list of mail transmission types does (RFC 3848,
// RFC 6531).
func (s *session) with(t *transaction) string {
	if !s.esmtp {
		return "SMTP"
	}
	name := "ESMTP"
	if t.params.utf8 {
		name = "UTF8SMTP"
	}
	if s.tls {
		name += "S"
	}
	if s.user != nil {
		name += "A"
	}
	return name
}
