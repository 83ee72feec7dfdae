package smtp

import (
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

// mailFrom is MAIL.
func (s *session) mailFrom(args string) {
	switch {
	case s.hello == "":
		s.refuse(helloFirst)
		return
	case s.mail != nil:
		s.refuse(wrongOrder)
		return
	case s.submission && !s.tls:
		s.refuse(needsTLS)
		return
	case s.submission && s.user == nil:
		s.refuse(needsAuth)
		return
	}
	rest, ok := cutKeyword(args, "FROM:")
	if !ok {
		s.refuse(syntax)
		return
	}
	// The source route of a reverse-path is ignored (RFC 5321, appendix C).
	path, rest, err := address.ParsePath(rest)
	if err != nil || path.Domain == "" && !path.IsZero() {
		s.refuse(badSender)
		return
	}
	p, bad := parseParams(rest, s.cfg.MaxSize)
	if bad != nil {
		s.refuse(*bad)
		return
	}
	if p.needsTLS && !s.tls {
		s.refuse(badParameter) // RFC 8689, section 2: it is only announced, and given, within TLS
		return
	}
	if !s.notifies() && (p.ret != "" || p.envID != "") {
		s.refuse(badParameter)
		return
	}
	if path.NeedsUTF8() && !p.utf8 {
		s.refuse(needsUTF8)
		return
	}
	if s.submission && !s.maySend(path.Address) {
		return
	}
	s.mail = newTransaction(path.Address, p)
	s.reply(okaySender)
}

// maySend judges the sender that a user gives, and answers if it may not be. The null
// sender may be: it is what a client must give with a receipt that the mail was read
// (RFC 8098, section 3).
func (s *session) maySend(from address.Address) bool {
	head, err := s.cfg.Accounts.Head(s.ctx, s.user.Account)
	switch {
	case err != nil:
		s.log.Error("reading the account's head", "error", err)
		s.refuse(tryLater)
		return false
	case head.Standing.Generation > s.user.Generation || head.Standing.Suspended || head.Standing.Closed != "":
		s.end(sessionOver) // suspended, closed, or the password is another now
		return false
	case from.IsZero():
		return true
	}
	may, err := s.cfg.Directory.MaySendAs(s.ctx, s.user, from)
	switch {
	case err != nil && kinds.Of(err).Temporary():
		s.log.Error("judging a sender", "error", err)
		s.refuse(tryLater)
		return false
	case err != nil || !may:
		s.refuse(notYours)
		return false
	}
	return true
}
