package pop3

import (
	"context"
	"crypto/tls"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
)

// stls goes over to TLS. What came after the command in clear text is dropped, and all
// that was said before is forgotten.
//
// RFC 2595, section 4: the server MUST discard any knowledge obtained from the client, such as the argument to the USER command, which was not obtained from the TLS negotiation itself
func (s *session) stls(c command) error {
	switch {
	case s.secure:
		return misuse("TLS is active already")
	case s.tls == nil:
		return misuse("TLS is not configured")
	case c.rest != "":
		return misuse("STLS takes no argument")
	}
	s.ok("Begin the TLS negotiation")
	if err := s.out.Flush(); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(s.ctx, s.until)
	defer cancel()
	t := tls.Server(s.raw, s.tls)
	if err := listen.Handshake(ctx, t); err != nil {
		s.log.Debug("pop3: TLS handshake failed", "error", err)
		return errBroken
	}
	s.setConn(t)
	s.secure, s.user, s.utf8 = true, "", false
	return nil
}
