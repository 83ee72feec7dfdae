package pop3

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// auth logs in by a SASL mechanism.
//
// RFC 5034, section 4: AUTH mechanism [initial-response]
func (s *session) auth(c command) error {
	args := c.args()
	switch {
	case !s.secure:
		return misuse("Use TLS first: no password goes in clear")
	case len(args) == 0 || len(args) > 2:
		return misuse("AUTH takes a mechanism, and a response that may be left out")
	}
	ctx, cancel := context.WithDeadline(s.ctx, s.until)
	defer cancel()
	x, err := s.login.Start(ctx, args[0], login.PeerOf(s.conn), directory.POP3)
	if err != nil {
		return misuse("That mechanism is not available")
	}
	s.user = ""
	var response []byte
	if len(args) == 2 {
		if response, err = login.Decode(args[1], true); err != nil {
			return misuse("That is no response of the mechanism")
		}
	}
	for {
		challenge, done, err := x.Next(response)
		switch {
		case kinds.Is(err, kinds.Invalid):
			return misuse("That is no response of the mechanism")
		case err != nil || done:
			return s.enter(x.Identity(), err)
		}
		s.out.WriteString("+ " + base64.StdEncoding.EncodeToString(challenge) + "\r\n")
		line, err := s.next()
		if errors.Is(err, errTooLong) {
			return misuse("The line is too long")
		} else if err != nil {
			return err
		}
		// RFC 5034, section 4: If the client wishes to cancel the authentication exchange, it issues a line with a single "*".
		if string(line) == "*" {
			return fail("Cancelled")
		}
		if response, err = login.Decode(string(line), false); err != nil {
			return misuse("That is no response of the mechanism")
		}
	}
}
