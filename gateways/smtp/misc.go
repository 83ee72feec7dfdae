package smtp

// rset ends the transaction at hand.
func (s *session) rset(args string) {
	if args != "" {
		s.refuse(noArguments)
		return
	}
	s.reset()
	s.reply(okay)
}

func (s *session) quit(args string) {
	if args != "" {
		s.refuse(noArguments)
		return
	}
	s.end(bye)
}

// vrfy tells nothing about who is here, which 252 is for (RFC 5321, section 3.5.3).
func (s *session) vrfy(args string) {
	if args == "" {
		s.refuse(syntax)
		return
	}
	s.reply(cannotVrfy)
}
