package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mtasts"
)

// Smarthost is a host that takes all mail.
type Smarthost struct {
	Host     string
	Port     uint16
	Security Security
	Implicit bool // TLS from the start
	Username string
	Password string // both "": nobody logs in
}

// Sender sends mail: to the hosts of a domain, or all to one. Safe for concurrent use.
type Sender struct {
	Hosts     *Hosts
	Dialer    *Dialer
	Smarthost *Smarthost // nil: direct
	Policies  Policies   // of domains; nil: none has one, but for DANE
	// Tell is told what came of TLS with each host; nil: nobody is. It must not wait.
	Tell func(Session)
	Now  func() time.Time

	turns turns // of those who send, by domain

	mu      sync.Mutex
	idle    map[string][]*parked  // connections that wait for more, by domain
	waiting int                   // of them
	down    map[string]*downState // domains of which no host could be reached
	last    bool                  // no connection is kept any more
}

type parked struct {
	*Conn
	since time.Time
	sent  int
	loose bool // no policy was asked for it: it is not used again
}

type downState struct {
	until time.Time
	why   error
}

// Limits of what is sent at once.
const (
	maxIdle    = 4                // that wait for more mail
	maxWaiting = 500              // of these, of all domains
	idleTime   = 20 * time.Second // so long
	maxAside   = 5                // recipients at whose name a host goes away, and is asked for the others
	perConn    = 100              // messages on one connection
	downTime   = 5 * time.Minute  // in which a domain is not asked again whose hosts are all down
	maxDown    = 10_000
	directory  = 50 * time.Second // to find a domain's hosts
)

// Result is what came of one recipient.
type Result struct {
	Err  error  // nil: the other side has the message; a Reply: it said no; else nobody knows or nobody was there
	Host string // that answered, "" if none did
	DSN  bool   // it tells senders what they ask for (RFC 3461)
	// Again is when to come again, if Err is ErrBusy.
	Again time.Duration
	Said  string // of who has the message: by what it knows it
}

// Send sends a message to recipients of one domain. open gives its bytes, as often as they
// are needed.
func (s *Sender) Send(ctx context.Context, domain string, e Envelope, open func() (io.ReadCloser, error)) []Result {
	results := make([]Result, len(e.To))
	fill := func(err error) []Result {
		for i := range results {
			results[i].Err = err
		}
		return results
	}
	key := domain
	if s.Smarthost != nil {
		key = ""
	}
	usual := !e.RequireTLS && !e.TLSOptional
	if err := s.isDown(key, usual); err != nil {
		return fill(err)
	}
	if again, err := s.turns.enter(ctx, key, s.Now()); err != nil {
		fill(err)
		for i := range results {
			results[i].Again = again
		}
		return results
	}
	began := s.Now()
	defer func() { s.turns.leave(key, s.Now().Sub(began)) }()
	if err := s.isDown(key, usual); err != nil { // it was found to be while this waited
		return fill(err)
	}
	pending := make([]int, len(e.To)) // of whom no host has said anything yet
	for i := range pending {
		pending[i] = i
	}
	// try sends on a connection, and tells whether there is nothing left to be said.
	try := func(c *parked) bool {
		s.turns.spoke(key)
		some := e
		some.To = make([]Recipient, len(pending))
		for i, at := range pending {
			some.To[i] = e.To[at]
		}
		said, ended := s.over(ctx, c, key, some, open)
		left := pending[:0:0]
		for i, at := range pending {
			results[at] = said[i]
			if _, is := said[i].Err.(Reply); !is {
				left = append(left, at)
			}
		}
		pending = left
		return ended || len(pending) == 0
	}
	if usual {
		if c := s.take(key); c != nil && try(c) {
			return results
		}
	}
	last := error(kinds.Errorf(kinds.Unavailable, "relay: no host of the domain could be reached"))
	rest := func(err error) []Result {
		for _, at := range pending {
			results[at] = Result{Err: err}
		}
		return results
	}
	sts, err := s.policy(ctx, domain, &e)
	if err != nil {
		return rest(err)
	}
	targets, err := s.targets(ctx, domain)
	if err != nil {
		return rest(err)
	}
	for i, again := 0, 0; i < len(targets); i++ {
		c, err := s.connect(ctx, domain, sts, targets[i], &e)
		if err != nil {
			if i == 0 || kinds.Of(err).Temporary() || !kinds.Of(last).Temporary() { // what may be otherwise later counts
				last = err
			}
			continue
		}
		before := len(pending)
		if try(&parked{Conn: c, loose: e.TLSOptional}) {
			return results
		}
		last = results[pending[0]].Err
		if len(pending) < before && again < maxAside {
			// It went away at the name of one of them (421): the others are not to wait for him.
			again++
			i--
		}
	}
	if usual && len(pending) == len(e.To) {
		s.failed(key, last)
	}
	return rest(last)
}

// over sends on a connection. ended is false when the connection broke before the message
// was begun, so that those of whom nothing was said may be tried on another.
func (s *Sender) over(ctx context.Context, c *parked, key string, e Envelope, open func() (io.ReadCloser, error)) (results []Result, ended bool) {
	results = make([]Result, len(e.To))
	body, err := open()
	if err != nil {
		c.Quit()
		for i := range results {
			results[i] = Result{Err: err}
		}
		return results, true
	}
	defer body.Close()
	said, alive := c.Send(ctx, e, body)
	for i, err := range said {
		results[i] = Result{Err: err, Host: c.name(), DSN: c.Has("DSN")}
	}
	if alive {
		s.park(key, c)
		return results, true
	}
	c.Abort()
	broken := slices.ContainsFunc(said, func(err error) bool { return errors.Is(err, errLineEnd) })
	return results, c.begun || ctx.Err() != nil || broken
}

// name is what a host is called in reports.
func (c *Conn) name() string {
	if c.Host != "" {
		return c.Host
	}
	host, _, _ := net.SplitHostPort(c.Addr.String())
	return "[" + host + "]"
}

func (s *Sender) targets(ctx context.Context, domain string) ([]Target, error) {
	ctx, cancel := context.WithTimeout(ctx, directory)
	defer cancel()
	if s.Smarthost == nil {
		return s.Hosts.Find(ctx, domain)
	}
	addrs, _, err := s.Hosts.Resolver.Addrs(ctx, s.Smarthost.Host)
	if len(addrs) == 0 {
		return nil, kinds.Wrap(kinds.Unavailable, err, "relay: the smarthost's address")
	}
	t := Target{Host: s.Smarthost.Host}
	for _, a := range addrs {
		t.Addrs = append(t.Addrs, netip.AddrPortFrom(a, s.Smarthost.Port))
	}
	return []Target{t}, nil
}

// connect makes a connection that can be sent on. The error is what is noted of the
// recipients: what a host says before it knows of the mail is no word about it, so that it is
// no Reply of the host.
func (s *Sender) connect(ctx context.Context, domain string, sts mtasts.Found, t Target, e *Envelope) (*Conn, error) {
	if s.Smarthost != nil {
		c, err := s.smart(ctx, t)
		if err == nil && e.RequireTLS && (s.Smarthost.Security < Verified || !c.Has("REQUIRETLS")) {
			c.Quit()
			return nil, needsPolicy
		}
		return c, outside(t.Host, err)
	}
	want, err := s.demand(ctx, domain, sts, t, e)
	if err != nil {
		return nil, err
	}
	c, err := s.Dialer.to(ctx, t, want)
	var unverified *tls.CertificateVerificationError
	switch {
	case err == nil && e.RequireTLS && !c.Has("REQUIRETLS"):
		c.Quit()
		return nil, needsPolicy
	case err == nil:
		return c, nil
	case e.RequireTLS && (err == error(noTLS) || errors.As(err, &unverified)):
		return nil, needsPolicy
	case want.Security > Opportunistic && (err == error(noTLS) || errors.As(err, &unverified) || errors.Is(err, errTLS)):
		if reply, ours := err.(Reply); ours {
			return nil, against(t.Host, reply.Text)
		}
		return nil, against(t.Host, err.Error())
	}
	return nil, outside(t.Host, err)
}

func outside(host string, err error) error {
	if err == nil {
		return nil
	}
	return kinds.Errorf(kinds.Unavailable, "%s: %w", host, err)
}

// smart connects to the smarthost and logs in.
func (s *Sender) smart(ctx context.Context, t Target) (*Conn, error) {
	h := s.Smarthost
	c, err := s.Dialer.smart(ctx, t, h)
	if err != nil || h.Username == "" {
		return c, err
	}
	if c.TLS == nil && h.Security != Opportunistic {
		c.Abort()
		return nil, noTLS
	}
	client := sasl.NewPlainClient("", h.Username, h.Password)
	if methods := " " + strings.ToUpper(c.ext["AUTH"]) + " "; !strings.Contains(methods, " PLAIN ") && strings.Contains(methods, " LOGIN ") {
		client = sasl.NewLoginClient(h.Username, h.Password)
	}
	if err := c.Login(client); err != nil {
		c.Abort()
		// That we can't log in is a mistake here, and no word about the recipients.
		return nil, kinds.Errorf(kinds.Unavailable, "relay: the smarthost takes no login: %s", err)
	}
	return c, nil
}

// isDown gives why a domain is not asked now, nil if it may be. That its hosts are down for
// usual mail says nothing of mail under other rules.
func (s *Sender) isDown(key string, usual bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.down[key]
	if d == nil || !usual {
		return nil
	}
	if s.Now().Before(d.until) {
		return d.why
	}
	delete(s.down, key)
	return nil
}

// failed notes that no host of a domain could be reached, so that what else is for it does
// not wait for that again.
func (s *Sender) failed(key string, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.down {
		if len(s.down) < maxDown {
			break
		}
		delete(s.down, old)
	}
	if s.down == nil {
		s.down = map[string]*downState{}
	}
	s.down[key] = &downState{s.Now().Add(downTime), why}
}

// take gives a connection that waits, nil if there is none.
func (s *Sender) take(key string) *parked {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.idle[key]
	for len(list) > 0 {
		c := list[len(list)-1]
		list = list[:len(list)-1]
		s.waiting--
		if s.idle[key] = list; len(list) == 0 {
			delete(s.idle, key)
		}
		if s.Now().Sub(c.since) < idleTime {
			return c
		}
		c.Abort()
	}
	return nil
}

// park keeps a connection for the next mail.
func (s *Sender) park(key string, c *parked) {
	c.since = s.Now()
	c.sent++
	s.mu.Lock()
	room := !s.last && !c.loose && c.sent < perConn && len(s.idle[key]) < maxIdle && s.waiting < maxWaiting
	if room {
		if s.idle == nil {
			s.idle = map[string][]*parked{}
		}
		s.idle[key] = append(s.idle[key], c)
		s.waiting++
	}
	s.mu.Unlock()
	if !room {
		c.Quit()
	}
}

// Tidy ends connections that have waited too long. If all is set it ends all of them, and
// from then on none waits for more.
func (s *Sender) Tidy(all bool) {
	s.mu.Lock()
	s.last = s.last || all
	var old []*parked
	for key, list := range s.idle {
		kept := list[:0]
		for _, c := range list {
			if all || s.Now().Sub(c.since) >= idleTime {
				old = append(old, c)
				s.waiting--
			} else {
				kept = append(kept, c)
			}
		}
		if s.idle[key] = kept; len(kept) == 0 {
			delete(s.idle, key)
		}
	}
	s.mu.Unlock()
	for _, c := range old {
		c.Quit()
	}
}
