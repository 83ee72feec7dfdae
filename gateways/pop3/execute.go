package pop3

import "errors"

// handler is what a command does. Its failure is told to the client, any other error
// ends the session.
type handler struct {
	run func(*session, command) error
	// Where the command may be given.
	before, after bool // the login
}

// lookup finds the handler of a verb.
func lookup(verb string) (h handler, ok bool) {
	switch verb {
	case "AUTH":
		h = handler{run: (*session).auth, before: true}
	case "CAPA":
		h = handler{run: (*session).capa, before: true, after: true}
	case "DELE":
		h = handler{run: (*session).dele, after: true}
	case "LANG":
		h = handler{run: (*session).lang, before: true, after: true}
	case "LIST":
		h = handler{run: (*session).list, after: true}
	case "NOOP":
		h = handler{run: (*session).noop, after: true}
	case "PASS":
		h = handler{run: (*session).pass, before: true}
	case "QUIT":
		h = handler{run: (*session).quit, before: true, after: true}
	case "RETR":
		h = handler{run: (*session).retr, after: true}
	case "RSET":
		h = handler{run: (*session).rset, after: true}
	case "STAT":
		h = handler{run: (*session).stat, after: true}
	case "STLS":
		h = handler{run: (*session).stls, before: true}
	case "TOP":
		h = handler{run: (*session).top, after: true}
	case "UIDL":
		h = handler{run: (*session).uidl, after: true}
	case "USER":
		h = handler{run: (*session).userName, before: true}
	case "UTF8":
		h = handler{run: (*session).utf8Mode, before: true}
	}
	return h, h.run != nil
}

// execute runs the command in line and sends its reply. An error ends the session.
func (s *session) execute(line []byte) error {
	c, ok := parseCommand(line)
	if len(line)+2 > maxCommand && c.verb != "AUTH" {
		return s.judge("unknown", misuse("The line is too long"))
	}
	if !ok {
		return s.judge("unknown", misuse("That is no command"))
	}
	h, ok := lookup(c.verb)
	switch {
	case !ok:
		return s.judge("unknown", misuse("Unknown command"))
	case s.drop == nil && !h.before:
		return s.judge(c.verb, misuse("Log in first"))
	case s.drop != nil && !h.after:
		return s.judge(c.verb, misuse("You are logged in"))
	}
	return s.judge(c.verb, h.run(s, c))
}

// judge tells the client that its command failed, if it did, and counts.
func (s *session) judge(verb string, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		s.metrics.command(verb, err == nil || errors.Is(err, errQuit))
		return err
	}
	s.metrics.command(verb, false)
	if f.bad {
		s.bad++
	}
	if f.final {
		return f
	}
	if s.bad >= maxBad {
		s.refuse(f)
		return &failure{text: "Too many errors"}
	}
	s.refuse(f)
	return nil
}
