package smtp

import (
	"errors"
	"os"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
)

// data is DATA: the message follows, up to CRLF "." CRLF.
func (s *session) data(args string) {
	switch {
	case args != "":
		s.refuse(noArguments)
		return
	case s.mail == nil:
		s.refuse(noSender)
		return
	case s.mail.bdat:
		// The two can't be mixed in one transaction (RFC 3030).
		s.refuse(wrongOrder)
		return
	case !s.mail.wanted():
		s.refuse(noRecipients)
		return
	}
	s.reply(goAhead)
	t := s.mail
	s.open(t)
	var dots dotReader
	var failed error
	over, read := false, int64(0)
	for {
		err := s.readMore(t, read)
		if err != nil {
			s.lost(err)
			return
		}
		n, end := dots.read(s.wire.buffered(), func(p []byte) {
			if failed == nil && !dots.bare {
				_, failed = t.in.Write(p)
			}
		})
		s.wire.take(n)
		if read += int64(n); end {
			break
		}
		if read > 2*s.cfg.MaxSize { // it won't listen
			over = true
			break
		}
	}
	switch {
	case over:
		s.reset()
		s.refuse(tooLarge)
		s.over = true
	case dots.bare:
		s.refuseMessage(bareLineEnd, nil)
	case failed != nil:
		s.refuseMessage(forMessage(failed), failed)
	default:
		s.accept()
	}
}

// open begins to take in the message's bytes.
func (s *session) open(t *transaction) {
	t.begun = time.Now()
	cfg := intake.Config{Budget: s.cfg.Budget, Dir: s.cfg.TempDir, Max: s.cfg.MaxSize,
		Relayed: true, Submitted: s.submission, AuthServID: s.cfg.Hostname, Now: s.cfg.Now}
	if t.trial = s.trial(t); t.trial != nil {
		cfg.Tap = t.trial
	}
	switch {
	case t.trial != nil:
		t.trial.RelaxedBody = s.cfg.Seal && len(t.forwards) > 0
	case len(t.remote)+len(t.forwards) > 0:
		t.digest = &dkim.Digest{RelaxedBody: s.user != nil}
		cfg.Tap = t.digest
	}
	t.in = intake.New(cfg)
}

// readMore reads more of the message, of which read octets have come. A peer must go on
// within blockTime, and must not be slower than slowest after dataTime.
func (s *session) readMore(t *transaction, read int64) error {
	if len(s.wire.buffered()) > 0 {
		return nil
	}
	deadline := time.Now().Add(blockTime)
	if last := t.begun.Add(dataTime + time.Duration(read/slowest)*time.Second); last.Before(deadline) {
		deadline = last
	}
	if err := s.wire.wait(deadline, false); err != nil {
		return err
	}
	return s.wire.fill()
}

// lost ends a session that broke off within a message, of which nothing is left.
func (s *session) lost(err error) {
	s.log.Info("message broken off", "peer", s.remote, "error", err)
	s.reset()
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case s.wire.isDraining():
		s.end(shuttingDown)
	default:
		s.end(timedOut)
	}
	s.over = true
}

// refuseMessage ends a transaction by refusing its message.
func (s *session) refuseMessage(r reply, err error) {
	s.log.Info("message refused", "message", s.mail.id, "code", r.code, "enhanced", r.enhanced, "error", err)
	s.reset()
	s.refuse(r)
}
