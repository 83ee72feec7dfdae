package pop3

import (
	"context"

	"github.com/godwit-mail/godwit/shared/directory"
)

// pass logs in with the name that USER gave.
//
// RFC 1939, section 7: Since the PASS command has exactly one argument, a POP3 server may treat spaces in the argument as part of the password, instead of as argument separators.
func (s *session) pass(c command) error {
	name := s.user
	s.user = ""
	switch {
	case !s.secure:
		return misuse("Use TLS first: no password goes in clear")
	case name == "":
		return misuse("USER comes first")
	case c.rest == "":
		return misuse("PASS takes a password")
	}
	ctx, cancel := context.WithDeadline(s.ctx, s.until)
	defer cancel()
	id, err := s.login.Authenticate(ctx, name, c.rest, s.raw.RemoteAddr(), directory.POP3)
	return s.enter(id, err)
}

// enter opens the maildrop of who has logged in, or says why not.
func (s *session) enter(id *directory.Identity, err error) error {
	if err != nil {
		s.fails++
		f := s.failKind(err, "login").(*failure)
		f.final = s.fails >= maxLogins
		return f
	}
	ctx, cancel := context.WithTimeout(s.ctx, commit)
	defer cancel()
	drop, err := s.open(ctx, id, s.name)
	if err != nil {
		return s.failKind(err, "opening the account")
	}
	if drop.view.Ended() { // since the password was judged
		drop.view.Close()
		return accessChanged()
	}
	s.drop = drop
	s.metrics.session(1)
	s.watch.Go(func() { s.watchAccess(drop.view) })
	s.log = s.log.With("account", id.Account.ID, "tenant", id.Tenant)
	s.log.Debug("pop3: logged in", "messages", drop.count, "app-password", id.AppPassword)
	s.ok("%d messages (%d octets)", drop.count, drop.octets)
	return nil
}
