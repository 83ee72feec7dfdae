package smtp

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// auth is AUTH (RFC 4954), on submission listeners and under TLS only.
func (s *session) auth(args string) {
	switch {
	case !s.submission || s.cfg.Login == nil:
		s.refuse(notHere)
		return
	case !s.esmtp:
		s.refuse(helloFirst)
		return
	case !s.tls:
		s.refuse(clearAuth)
		return
	case s.user != nil:
		s.refuse(alreadyIn)
		return
	case s.mail != nil:
		// RFC 4954, section 4: The AUTH command is not permitted during a mail transaction.
		s.refuse(wrongOrder)
		return
	case args == "":
		s.refuse(syntax)
		return
	}
	mechanism, initial, has := strings.Cut(args, " ")
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	e, err := s.cfg.Login.Start(ctx, mechanism, login.PeerOf(s.wire.c), directory.Submission)
	if err != nil {
		s.refuse(noMechanism)
		return
	}
	var response []byte
	if has {
		if response, err = login.Decode(initial, true); err != nil {
			s.refuse(decodeReply(initial))
			return
		}
	}
	s.exchange(e, response)
}

func decodeReply(line string) reply {
	if line == "*" {
		return authCancelled
	}
	return badBase64
}

// exchange sends challenges and takes responses until the mechanism is done.
func (s *session) exchange(e *login.Exchange, response []byte) {
	for {
		challenge, done, err := e.Next(response)
		switch {
		case err != nil:
			s.failedLogin(err)
			return
		case done:
			s.user = e.Identity()
			s.log = s.log.With("account", s.user.Account.ID)
			s.reply(loggedIn)
			return
		}
		s.reply(reply{334, "", base64.StdEncoding.EncodeToString(challenge)})
		line, err := s.wire.line(time.Now().Add(commandTime))
		switch {
		case errors.Is(err, errLong), errors.Is(err, errLineEnd):
			s.refuse(badBase64)
			return
		case errors.Is(err, errDraining):
			s.end(shuttingDown)
			return
		case err != nil:
			s.over = true
			return
		}
		text := string(line)
		if response, err = login.Decode(text, false); err != nil {
			s.refuse(decodeReply(text))
			return
		}
	}
}

func (s *session) failedLogin(err error) {
	if kinds.Is(err, kinds.Unauthenticated) {
		if s.logins++; s.logins >= maxLogins {
			s.reply(forLogin(err))
			s.end(tooManyLogins)
			return
		}
	}
	s.refuse(forLogin(err))
}
