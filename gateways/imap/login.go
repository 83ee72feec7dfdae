package imap

import (
	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// Login is the LOGIN command; imapserver has seen to it that there is TLS.
func (s *session) Login(username, password string) error {
	ctx, end := s.begin()
	defer end()
	id, err := s.gateway.cfg.Login.Authenticate(ctx, username, password, s.guard.RemoteAddr(), directory.IMAP)
	if err != nil {
		return s.fail(err)
	}
	return s.enter(id)
}

// enter opens the account of who has logged in.
func (s *session) enter(id *directory.Identity) error {
	a, err := s.gateway.cfg.Accounts.Open(s.ctx, id.Account)
	if err != nil {
		return s.fail(err)
	}
	s.identity, s.account = id, a
	if why := s.shutOut(); why != "" {
		a.Close()
		s.identity, s.account = nil, nil
		return no(imap.ResponseCodeAuthenticationFailed, "The account doesn't let you in")
	}
	close(s.entered)
	return nil
}

// AuthenticateMechanisms are those of all protocols.
func (s *session) AuthenticateMechanisms() []string { return login.Mechanisms() }

// Authenticate begins the AUTHENTICATE command.
func (s *session) Authenticate(mechanism string) (sasl.Server, error) {
	x, err := s.gateway.cfg.Login.Start(s.ctx, mechanism, s.guard.RemoteAddr(), directory.IMAP)
	if kinds.Is(err, kinds.NotFound) {
		return nil, no(imap.ResponseCodeCannot, "No such mechanism")
	}
	if err != nil {
		return nil, s.fail(err)
	}
	return &exchange{session: s, sasl: x}, nil
}

// exchange lets the session in at the end of a SASL exchange.
type exchange struct {
	session *session
	sasl    *login.Exchange
}

func (x *exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	s := x.session
	s.mu.Lock()
	defer s.mu.Unlock()
	challenge, done, err = x.sasl.Next(response)
	switch {
	case kinds.Is(err, kinds.Invalid):
		return nil, false, bad("No response of this mechanism")
	case err != nil:
		return nil, false, s.fail(err)
	case done:
		return nil, true, s.enter(x.sasl.Identity())
	case len(challenge) == 0:
		return nil, false, nil // imapserver would say "=", which is for initial responses
	}
	return challenge, false, nil
}
