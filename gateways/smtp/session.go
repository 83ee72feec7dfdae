package smtp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// session is one connection. It is the only thing here that holds a context.
type session struct {
	*Gateway
	ctx        context.Context
	wire       *wire
	log        *slog.Logger
	submission bool
	remote     net.Addr
	began      time.Time

	tls   bool
	hello string // the name the peer gave, "" before HELO and EHLO
	esmtp bool
	user  *directory.Identity // nil unless logged in
	mail  *transaction        // nil unless MAIL was accepted

	errors  int // refused commands
	unknown int // recipients that are not there
	work    int // commands since a message was accepted
	logins  int // failed ones
	over    bool
}

// flavour names the listener in metrics and jobs.
func (s *session) flavour() string {
	if s.submission {
		return directory.Submission
	}
	return "smtp"
}

func (g *Gateway) serve(ctx context.Context, c net.Conn, submission bool) {
	s := &session{Gateway: g, wire: newWire(c), submission: submission, remote: c.RemoteAddr(), began: time.Now()}
	_, s.tls = c.(*tls.Conn)
	s.log = g.cfg.Log.With("session", rand.Text()[:12], "protocol", s.flavour())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.ctx = ctx
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-listen.Draining(ctx):
			s.wire.drain()
		case <-ended:
		}
	}()
	g.metrics.sessions.WithLabelValues(s.flavour()).Inc()
	s.log.Debug("session begins", "peer", s.remote, "tls", s.tls)
	err := s.run()
	s.reset()
	s.log.Debug("session ends", "seconds", time.Since(s.began).Seconds(), "error", err)
}

// run greets and takes commands until the session is over.
func (s *session) run() error {
	s.reply(reply{220, "", s.cfg.Hostname + " ESMTP"})
	for !s.over {
		line, err := s.wire.line(time.Now().Add(commandTime))
		switch {
		case err == nil:
			s.command(string(line))
		case kinds.Is(err, kinds.Limit):
			s.end(hopeless)
		case errors.Is(err, errLong):
			s.refuse(lineTooLong)
		case errors.Is(err, errLineEnd):
			s.refuse(badLine)
		case errors.Is(err, errDraining):
			// RFC 5321, section 3.8: An SMTP server that is forcibly shut down via external means SHOULD attempt to send a line containing a 421 reply code
			s.end(shuttingDown)
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.end(timedOut)
		default:
			return err
		}
	}
	return s.wire.flush()
}

// command runs one command line.
func (s *session) command(line string) {
	if s.work++; s.work > maxIdleWork {
		s.end(tooMuchWork)
		return
	}
	if time.Since(s.began) > sessionTime {
		s.end(tooLongHere)
		return
	}
	verb, args, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	if len(line)+2 > maxCommand && verb != "AUTH" {
		s.refuse(lineTooLong)
		return
	}
	// White space at the end is tolerated (RFC 5321, section 4.1.1).
	args = strings.TrimRight(args, " \t")
	switch verb {
	case "HELO", "EHLO":
		s.helo(verb == "EHLO", args)
	case "MAIL":
		s.mailFrom(args)
	case "RCPT":
		s.rcptTo(args)
	case "DATA":
		s.data(args)
	case "BDAT":
		s.bdat(args)
	case "AUTH":
		s.auth(args)
	case "STARTTLS":
		s.startTLS(args)
	case "RSET":
		s.rset(args)
	case "NOOP":
		s.reply(okay)
	case "QUIT":
		s.quit(args)
	case "HELP":
		s.reply(helpText)
	case "VRFY":
		s.vrfy(args)
	case "EXPN":
		s.refuse(notHere)
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT":
		// A browser that was made to talk to us: what follows is somebody's choice of bytes.
		s.end(notHTTP)
	default:
		s.refuse(unknown)
	}
}

// reply answers a command.
func (s *session) reply(r reply) { s.wire.out = r.write(s.wire.out) }

// refuse answers a command with an error, of which there may not be too many.
func (s *session) refuse(r reply) {
	s.metrics.refused.WithLabelValues(s.flavour(), r.enhanced).Inc()
	if s.errors++; s.errors > maxErrors {
		s.end(tooManyErrors)
		return
	}
	s.reply(r)
}

// end answers, and ends the session.
func (s *session) end(r reply) {
	if r.code >= 400 {
		s.metrics.refused.WithLabelValues(s.flavour(), r.enhanced).Inc()
		s.log.Info("session ended by us", "code", r.code, "text", r.text, "peer", s.remote)
	}
	s.reply(r)
	s.over = true
}

// reset ends a transaction without a message.
func (s *session) reset() {
	if s.mail != nil {
		s.mail.discard()
		s.mail = nil
	}
}
