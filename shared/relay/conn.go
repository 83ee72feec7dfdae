// Package relay hands messages to other hosts by SMTP: to the mail exchangers of a domain,
// or to a host that takes all (a smarthost). What the other side says is hostile and bounded.
package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Timeouts of RFC 5321, section 4.5.3.2.
const (
	greetingTime = 5 * time.Minute
	commandTime  = 5 * time.Minute
	dataInitTime = 2 * time.Minute
	blockTime    = 3 * time.Minute
	dotTime      = 10 * time.Minute
	quitTime     = 5 * time.Second
)

// Conn is a connection to a peer that has greeted and answered EHLO. Not safe for
// concurrent use.
type Conn struct {
	Host string               // the peer's name, as it was looked up
	Addr net.Addr             // and where it is
	TLS  *tls.ConnectionState // nil if the connection is in clear

	conn  net.Conn
	r     *bufio.Reader
	w     *bufio.Writer
	hello string
	ext   map[string]string // extension in upper case, to its parameters
	used  bool              // a transaction was begun on it
	begun bool              // of the last transaction the message itself: nobody knows what came of it when the connection breaks
}

// Start takes a connection that was just made, waits for the greeting and says EHLO. When
// ctx ends before that is done, so does the connection. The error is a Reply when the peer
// answered one, else kinds.Unavailable.
func Start(ctx context.Context, c net.Conn, host, hello string) (*Conn, error) {
	conn := &Conn{Host: host, Addr: c.RemoteAddr(), hello: hello}
	if t, ok := c.(*tls.Conn); ok {
		state := t.ConnectionState()
		conn.TLS = &state
	}
	conn.over(c)
	defer conn.until(ctx)()
	reply, _, err := conn.answer(greetingTime)
	if err == nil && !reply.ok() {
		err = reply
	}
	if err == nil {
		err = conn.ehlo()
	}
	if err != nil {
		conn.Abort()
		return nil, err
	}
	return conn, nil
}

func (c *Conn) over(conn net.Conn) {
	c.conn, c.r, c.w = conn, bufio.NewReaderSize(conn, maxLine), bufio.NewWriterSize(conn, 4<<10)
}

// ehlo asks what the peer can do.
func (c *Conn) ehlo() error {
	reply, lines, err := c.command(commandTime, "EHLO "+c.hello)
	if err != nil {
		return err
	}
	c.ext = map[string]string{}
	if reply.Code/100 == 5 { // it is older than that
		if reply, _, err = c.command(commandTime, "HELO "+c.hello); err == nil && !reply.ok() {
			err = reply
		}
		return err
	}
	if !reply.ok() {
		return reply
	}
	for _, line := range lines[1:] {
		name, params, _ := strings.Cut(line, " ")
		c.ext[strings.ToUpper(name)] = params
	}
	return nil
}

// Has tells whether the peer announced an extension.
func (c *Conn) Has(extension string) bool {
	_, ok := c.ext[extension]
	return ok
}

// MaxSize is the largest message that the peer takes, in octets; 0 if it doesn't say.
func (c *Conn) MaxSize() int64 {
	n, _ := strconv.ParseInt(c.ext["SIZE"], 10, 64)
	return max(0, n)
}

// StartTLS begins TLS.
//
// RFC 3207, section 4.2: the client MUST discard any knowledge obtained from the server before; what came in clear behind the answer is discarded too.
func (c *Conn) StartTLS(cfg *tls.Config) error {
	reply, _, err := c.command(commandTime, "STARTTLS")
	if err != nil {
		return err
	}
	if !reply.ok() {
		return reply
	}
	if c.r.Buffered() > 0 {
		return kinds.Errorf(kinds.Unavailable, "relay: the peer sent something before TLS began")
	}
	return c.secure(cfg)
}

// errTLS is why a handshake fails.
var errTLS = errors.New("relay: TLS")

func (c *Conn) secure(cfg *tls.Config) error {
	t := tls.Client(c.conn, cfg)
	if err := t.SetDeadline(time.Now().Add(commandTime)); err != nil {
		return kinds.Wrap(kinds.Unavailable, err, "relay: TLS")
	}
	if err := t.Handshake(); err != nil {
		return kinds.Errorf(kinds.Unavailable, "%w: %w", errTLS, err)
	}
	state := t.ConnectionState()
	c.TLS = &state
	c.over(t)
	return c.ehlo()
}

// Login logs in. The error is a Reply when the peer says no.
func (c *Conn) Login(client sasl.Client) error {
	mechanism, initial, err := client.Start()
	if err != nil {
		return kinds.Wrap(kinds.Invalid, err, "relay: login")
	}
	line := "AUTH " + mechanism
	if initial != nil {
		line += " " + encode(initial)
	}
	reply, _, err := c.command(commandTime, line)
	for err == nil && reply.Code == 334 {
		var challenge, response []byte
		if challenge, err = decode(reply.Text); err == nil {
			response, err = client.Next(challenge)
		}
		if err != nil {
			_, _, _ = c.command(commandTime, "*")
			return kinds.Wrap(kinds.Unauthenticated, err, "relay: login")
		}
		reply, _, err = c.command(commandTime, encode(response))
	}
	if err == nil && !reply.ok() {
		err = reply
	}
	return err
}

// command says one line and reads the answer.
func (c *Conn) command(limit time.Duration, line string) (Reply, []string, error) {
	if err := c.say(limit, line); err != nil {
		return Reply{}, nil, err
	}
	return c.answer(limit)
}

// say writes a line, not necessarily at once.
//
// A line is made of what was checked before; that no CR and LF is in it is checked here once more.
func (c *Conn) say(limit time.Duration, line string) error {
	if strings.ContainsAny(line, "\r\n\x00") {
		return kinds.Errorf(kinds.Internal, "relay: a command with a line end in it")
	}
	c.within(limit)
	_, err := c.w.WriteString(line + "\r\n")
	return kinds.Wrap(kinds.Unavailable, err, "relay: write")
}

// answer reads the next reply.
func (c *Conn) answer(limit time.Duration) (Reply, []string, error) {
	c.within(limit)
	if err := c.w.Flush(); err != nil {
		return Reply{}, nil, kinds.Wrap(kinds.Unavailable, err, "relay: write")
	}
	return readReply(c.r)
}

// within gives the peer that much time from now.
func (c *Conn) within(d time.Duration) {
	_ = c.conn.SetDeadline(time.Now().Add(d))
}

// Quit ends the connection in peace.
func (c *Conn) Quit() {
	_, _, _ = c.command(quitTime, "QUIT")
	c.Abort()
}

// Abort ends the connection at once.
func (c *Conn) Abort() {
	_ = c.conn.Close()
}

// until ends the connection when ctx ends, before what it returns is called.
func (c *Conn) until(ctx context.Context) func() bool {
	conn := c.conn
	return context.AfterFunc(ctx, func() { _ = conn.Close() })
}
