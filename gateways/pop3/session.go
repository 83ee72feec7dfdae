package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
)

// session is one connection. Only its own goroutine touches it, but for raw's deadline
// and stop.
type session struct {
	*Server
	ctx    context.Context
	name   string
	log    *slog.Logger
	raw    net.Conn // as it was accepted: carries the deadlines
	conn   net.Conn // raw, or TLS over it
	in     *bufio.Reader
	out    *bufio.Writer
	secure bool
	until  time.Time // when the login must be done

	user  string    // what USER said
	drop  *maildrop // nil before the login
	utf8  bool
	bad   int // lines that broke the protocol
	fails int // failed logins

	stop  atomic.Pointer[failure] // why the session must end
	watch sync.WaitGroup
	over  chan struct{} // closed at its end
	done  totals
}

// totals are what a session did, for the log.
type totals struct{ retrieved, octets, deleted int64 }

// What ends a session beside failures and a lost connection.
var (
	errQuit   = errors.New("pop3: quit")             // in order
	errBroken = errors.New("pop3: reply broken off") // a reply can't be completed
	errPanic  = fmt.Errorf("%w, by a defect that the listener reports", errBroken)
)

// run speaks with the client until one of the two has enough.
func (s *session) run() {
	s.watch.Go(func() { s.watchServer(s.raw) })
	s.log.Debug("pop3: connected", "peer", s.raw.RemoteAddr(), "tls", s.secure)
	s.ok("Godwit POP3 ready")
	err := errPanic
	defer func() { s.end(err) }()
	err = s.loop()
}

// end says the last word and gives back what the session holds.
func (s *session) end(why error) {
	var f *failure
	if errors.As(why, &f) {
		s.refuse(f)
	}
	if !errors.Is(why, errBroken) {
		_ = s.out.Flush()
	}
	close(s.over)
	s.watch.Wait()
	if s.drop != nil {
		s.drop.view.Close()
		s.metrics.session(-1)
		s.log.Info("pop3: session ended", "reason", reason(why), "retrieved", s.done.retrieved,
			"octets", s.done.octets, "deleted", s.done.deleted)
	}
	if t, ok := s.conn.(*tls.Conn); ok {
		_ = t.Close()
	}
}

// reason says in the log why a session ended.
func reason(err error) string {
	var f *failure
	switch {
	case errors.Is(err, errQuit):
		return "quit"
	case errors.As(err, &f):
		return f.text
	case errors.Is(err, errBroken):
		return "a reply could not be completed"
	case errors.Is(err, io.EOF):
		return "hung up"
	case isTimeout(err):
		return "timeout"
	}
	return "connection lost"
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// loop runs commands until there is a reason to end. If that is a failure, the client is
// still to be told.
func (s *session) loop() error {
	for {
		line, err := s.next()
		switch {
		case err == nil:
			err = s.execute(line)
		case errors.Is(err, errTooLong):
			err = s.judge("unknown", misuse("The line is too long"))
		}
		if err != nil {
			return err
		}
	}
}

// next reads a line of at most maxAuth octets. The replies to commands that came
// together go out together: it flushes only when it must wait for the client.
//
// RFC 1939, section 3: When the timer expires, the session does NOT enter the UPDATE state--the server should close the TCP connection without removing any messages or sending any response to the client.
func (s *session) next() ([]byte, error) {
	if f := s.stop.Load(); f != nil && f.now {
		return nil, f
	}
	if !lineBuffered(s.in) {
		if err := s.out.Flush(); err != nil {
			return nil, err
		}
		deadline := s.until
		if s.drop != nil {
			deadline = time.Now().Add(s.idleTime)
		}
		if err := s.raw.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		// interrupt stores the reason before it moves the deadline, so whichever of the
		// two comes later sees what the other did.
		if f := s.stop.Load(); f != nil {
			return nil, f
		}
	}
	line, err := readLine(s.in, maxAuth)
	if err != nil && isTimeout(err) {
		if f := s.stop.Load(); f != nil {
			return nil, f
		}
	}
	if errors.Is(err, errFlood) {
		return nil, &failure{text: "The line is too long", final: true}
	}
	return line, err
}

// shuttingDown lets commands that have come in already be run, a QUIT among them.
func shuttingDown() *failure { return &failure{code: codeTemp, text: "Shutting down", final: true} }

// accessChanged ends the session before its next command.
func accessChanged() *failure {
	return &failure{code: codeAuth, text: "Access to the account has changed, log in again", final: true, now: true}
}

// interrupt ends the session as soon as it waits for the client or, if f says now,
// before its next command.
func (s *session) interrupt(f *failure) {
	s.stop.Store(f)
	_ = s.raw.SetReadDeadline(time.Unix(1, 0))
}

// watchServer ends the session when the server does.
func (s *session) watchServer(raw net.Conn) {
	select {
	case <-s.over:
		return
	case <-s.ctx.Done():
	case <-listen.Draining(s.ctx):
		s.interrupt(shuttingDown())
	}
	select {
	case <-s.over:
	case <-s.ctx.Done():
		raw.Close()
	}
}

// watchAccess ends the session when the account is suspended or closed, or its password
// has changed.
func (s *session) watchAccess(v view) {
	for {
		changed := v.Changed()
		if v.Ended() {
			s.interrupt(accessChanged())
			return
		}
		select {
		case <-changed:
		case <-s.over:
			return
		}
	}
}
