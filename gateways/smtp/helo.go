package smtp

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/godwit-mail/godwit/gateways/internal/login"
)

// maxHello is how long a peer's name may be, in octets.
const maxHello = 255

// helo is HELO and EHLO. The name may be whatever prints: devices send odd ones, and it
// proves nothing.
//
// RFC 5321, section 4.1.1.1: the SMTP server MUST clear all buffers and reset the state exactly as if a RSET command had been issued
func (s *session) helo(extended bool, name string) {
	if name == "" || len(name) > maxHello || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		s.refuse(syntax)
		return
	}
	s.reset()
	s.hello, s.esmtp = name, extended
	if !extended {
		s.reply(reply{250, "", s.cfg.Hostname})
		return
	}
	s.reply(reply{250, "", strings.Join(s.extensions(), "\n")})
}

// notifies tells whether senders can be told all that DSN promises them (RFC 3461): our own
// users can always, others if mail to other hosts is sent.
func (s *session) notifies() bool { return s.submission || s.cfg.Outbound != nil }

// extensions are the lines of the reply to EHLO.
func (s *session) extensions() []string {
	// PIPELINING is RFC 2920, 8BITMIME is RFC 6152.
	lines := []string{s.cfg.Hostname, "PIPELINING", fmt.Sprintf("SIZE %d", s.cfg.MaxSize), "8BITMIME", "SMTPUTF8",
		"ENHANCEDSTATUSCODES", "CHUNKING",
		// Who knows how many RCPT commands are taken need not find out (RFC 9422).
		fmt.Sprintf("LIMITS RCPTMAX=%d", maxRecipients)}
	if s.cfg.TLS != nil && !s.tls {
		lines = append(lines, "STARTTLS")
	}
	if s.tls {
		lines = append(lines, "REQUIRETLS")
	}
	if s.notifies() {
		lines = append(lines, "DSN")
	}
	if s.submission && s.tls && s.user == nil {
		lines = append(lines, "AUTH "+strings.Join(login.Mechanisms(login.PeerOf(s.wire.c)), " "))
	}
	return append(lines, "HELP")
}
