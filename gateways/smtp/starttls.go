package smtp

import (
	"crypto/tls"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
)

// startTLS is STARTTLS. All that was said before is forgotten, and so is what the peer
// sent after the command in clear: a man in the middle may have put it there.
//
// RFC 3207, section 4.2: The server MUST discard any knowledge obtained from the client
func (s *session) startTLS(args string) {
	switch {
	case args != "":
		s.refuse(noArguments)
		return
	case s.tls:
		s.refuse(alreadyTLS)
		return
	case s.cfg.TLS == nil:
		s.refuse(notHere)
		return
	}
	s.reply(readyForTLS)
	if err := s.wire.flush(); err != nil {
		s.over = true
		return
	}
	s.reset()
	if n := len(s.wire.buffered()); n > 0 {
		s.log.Warn("octets after STARTTLS dropped", "octets", n, "peer", s.remote)
		s.wire.take(n)
	}
	t := tls.Server(s.wire.c, s.cfg.TLS)
	if err := listen.Handshake(s.ctx, t); err != nil {
		s.log.Debug("TLS handshake failed", "peer", s.remote, "error", err)
		s.over = true
		return
	}
	s.wire.upgrade(t)
	s.tls, s.hello, s.esmtp = true, "", false
}
