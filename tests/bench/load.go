package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what is sent.
type load struct {
	mails, size, conns, accounts int
}

// result is how it went.
type result struct {
	mails               int
	accepted, delivered time.Duration // from the first connection to the last mail
	took                []time.Duration
}

func (r *result) rate() float64 { return float64(r.mails) / r.delivered.Seconds() }

// quantile is of the time from MAIL to the answer after the message.
func (r *result) quantile(q float64) time.Duration {
	return r.took[min(int(q*float64(len(r.took))), len(r.took)-1)].Round(100 * time.Microsecond)
}

// send sends all mails, each to one account in turn, and returns when the last one is
// accepted. hello is EHLO or LHLO, which is all that SMTP and LMTP differ in here.
func (l load) send(ctx context.Context, addr, hello string) (*result, error) {
	r := &result{mails: l.mails, took: make([]time.Duration, l.mails)}
	body := l.body()
	errs := make([]error, l.conns)
	var next atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for c := range l.conns {
		all.Go(func() {
			s, err := dial(ctx, addr, hello)
			if err != nil {
				errs[c] = err
				return
			}
			defer s.Close()
			for n := int(next.Add(1)) - 1; n < l.mails; n = int(next.Add(1)) - 1 {
				start := time.Now()
				if errs[c] = s.mail(n, address(n%l.accounts), body); errs[c] != nil {
					return
				}
				r.took[n] = time.Since(start)
			}
		})
	}
	all.Wait()
	r.accepted = time.Since(began)
	slices.Sort(r.took)
	return r, errors.Join(errs...)
}

// body is a text of nearly the wanted size, with its end; the header makes up for it.
func (l load) body() []byte {
	line := strings.Repeat("all work and no play makes a dull mail ", 2)[:74] + "\r\n"
	b := bytes.Repeat([]byte(line), max(1, (l.size-200)/len(line)))
	return append(b, ".\r\n"...)
}

// session is one connection of a client that knows PIPELINING.
type session struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func dial(ctx context.Context, addr, hello string) (*session, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return greeted(c, hello)
}

// greeted begins a session on a connection.
func greeted(c net.Conn, hello string) (*session, error) {
	s := &session{c, bufio.NewReader(c), bufio.NewWriterSize(c, 64<<10)}
	if err := s.expect("220"); err != nil {
		return nil, err
	}
	fmt.Fprintf(s.out, "%s client.test\r\n", hello)
	return s, errors.Join(s.out.Flush(), s.expect("250"))
}

func (s *session) mail(n int, to string, body []byte) error {
	return s.mailFrom("sender@elsewhere.test", n, to, body)
}

func (s *session) mailFrom(from string, n int, to string, body []byte) error {
	fmt.Fprintf(s.out, "MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n", from, to)
	if err := errors.Join(s.out.Flush(), s.expect("250"), s.expect("250"), s.expect("354")); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "From: <%s>\r\nTo: <%s>\r\nSubject: mail %d\r\nMessage-ID: <%d@elsewhere.test>\r\n"+
		"Date: Wed, 1 Jul 2026 10:00:00 +0000\r\n\r\n", from, to, n, n)
	_, _ = s.out.Write(body)
	return errors.Join(s.out.Flush(), s.expect("250"))
}

// expect reads one reply.
func (s *session) expect(code string) error {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("got %q, want %s", line, code)
		}
		if len(line) < 4 || line[3] != '-' {
			return nil
		}
	}
}
