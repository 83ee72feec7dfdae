package imap

import (
	"encoding/base64"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func errPrivacy() error {
	return no(imap.ResponseCodePrivacyRequired, "There is no login before STARTTLS")
}

// login is LOGIN.
func (s *session) login(cmd *command) error {
	cmd.SP()
	username := cmd.AString()
	cmd.SP()
	password := cmd.AString()
	if err := cmd.End(); err != nil {
		return err
	}
	if !s.secure {
		return errPrivacy()
	}
	ctx, cancel := s.context()
	defer cancel()
	id, err := s.gateway.cfg.Login.Authenticate(ctx, username, password, s.conn.RemoteAddr(), directory.IMAP)
	if err != nil {
		return s.fail(err)
	}
	return s.enter(cmd, id)
}

// enter opens the account of who has logged in.
func (s *session) enter(cmd *command, id *directory.Identity) error {
	a, err := s.gateway.cfg.Accounts.Open(s.ctx, id.Account)
	if err != nil {
		return s.fail(err)
	}
	if why := (&guarded{who: id, account: a}).shutOut(); why != "" {
		a.Close()
		return no(imap.ResponseCodeAuthenticationFailed, "The account doesn't let you in")
	}
	s.identity, s.account = id, a
	s.guard(nil)
	s.conn.mistakes = 0
	cmd.code, cmd.text = "CAPABILITY "+s.capabilities(), "Logged in"
	return nil
}

// authenticate is AUTHENTICATE, with SASL-IR (RFC 4959).
func (s *session) authenticate(cmd *command) error {
	cmd.SP()
	mechanism := cmd.Atom()
	line, initial := "", cmd.Try(' ')
	if initial {
		line = strings.TrimRight(string(cmd.Rest()), "\r\n")
	} else if err := cmd.End(); err != nil {
		return err
	}
	if cmd.Err() != nil {
		return cmd.Err()
	}
	if !s.secure {
		return errPrivacy()
	}
	x, err := s.gateway.cfg.Login.Start(s.ctx, mechanism, login.PeerOf(s.conn.Conn), directory.IMAP)
	if kinds.Is(err, kinds.NotFound) {
		return no(imap.ResponseCodeCannot, "No such mechanism")
	}
	if err != nil {
		return s.fail(err)
	}
	var response []byte
	if initial {
		if response, err = login.Decode(line, true); err != nil {
			return bad("The response is no base64")
		}
	}
	for {
		challenge, done, err := x.Next(response)
		switch {
		case kinds.Is(err, kinds.Invalid):
			return bad("No response of this mechanism")
		case err != nil:
			return s.fail(err)
		case done:
			return s.enter(cmd, x.Identity())
		}
		s.conn.say("+", base64.StdEncoding.EncodeToString(challenge))
		if line, err = s.raw(); err != nil {
			return err
		}
		if response, err = login.Decode(line, false); err != nil {
			return bad("Cancelled, or the response is no base64")
		}
	}
}

// startTLS is STARTTLS.
func (s *session) startTLS(cmd *command) error {
	if err := cmd.End(); err != nil {
		return err
	}
	if s.secure || s.gateway.cfg.TLS == nil {
		return bad("There is no TLS to be started")
	}
	s.wantsTLS, cmd.text = true, "Begin TLS negotiation now"
	return nil
}
