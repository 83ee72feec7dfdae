package relay

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Envelope is what a message is sent with.
type Envelope struct {
	From       string // reverse-path, "" is the null sender
	To         []Recipient
	Size       int64 // octets of the message, exactly
	UTF8       bool  // its addresses or its header need SMTPUTF8
	EightBit   bool  // its body has octets above 127
	RequireTLS bool  // RFC 8689: each host on its way is known, verified, and promises the same
	// TLSOptional tells that policies of the recipients' domains don't count (RFC 8689, section 3).
	TLSOptional bool
	Return      string // RET of RFC 3461: "FULL", "HDRS" or ""
	ID          string // ENVID, as xtext; "" is none
}

// Recipient is one recipient of a message.
type Recipient struct {
	Address string
	Notify  string // NOTIFY of RFC 3461, "" is none
	Origin  string // ORCPT, as it was given; "" is none
}

// refusals of ours, where the peer can't do what the message needs. It is not changed for
// him: it may be signed.
var (
	tooLarge    = Reply{552, "5.3.4", "The message is larger than the host takes"}
	needsUTF8   = Reply{553, "5.6.7", "The host takes no addresses outside ASCII"}
	needs8Bit   = Reply{554, "5.6.3", "The host takes no 8-bit content"}
	needsPolicy = Reply{550, "5.7.30", "The host can't promise that the message stays encrypted on its way"}
)

// Send hands over a message and says for each recipient what came of it: nil when the peer
// has taken it, a Reply when he refused it, else an error of why nobody knows or nobody
// could (kinds.Unavailable; kinds.Invalid when the message has a CR or LF that stands
// alone, which never leaves this host). Unless alive, the connection must be ended by
// Abort. It ends with ctx, whatever it is at.
func (c *Conn) Send(ctx context.Context, e Envelope, body io.Reader) (results []error, alive bool) {
	defer c.until(ctx)()
	results = make([]error, len(e.To))
	all := func(err error) []error {
		for i := range results {
			if results[i] == nil {
				results[i] = err
			}
		}
		return results
	}
	if no := c.cannot(&e); no.Code != 0 {
		return all(no), true
	}
	if c.used {
		if err := c.reset(); err != nil {
			return all(err), false
		}
	}
	c.used, c.begun = true, false
	open, err := c.envelope(&e, results)
	if err != nil {
		_, is := err.(Reply)
		return all(err), is
	}
	if open == 0 {
		return results, true
	}
	reply, err := c.message(&e, body)
	switch {
	case err != nil:
		_, is := err.(Reply)
		return all(err), is
	case !reply.ok():
		return all(reply), true
	}
	return results, true
}

func (c *Conn) cannot(e *Envelope) Reply {
	switch most := c.MaxSize(); {
	case most > 0 && e.Size > most:
		return tooLarge
	case e.UTF8 && !c.Has("SMTPUTF8"):
		return needsUTF8
	case e.EightBit && !c.Has("8BITMIME"):
		return needs8Bit
	case e.RequireTLS && (c.TLS == nil || !c.Has("REQUIRETLS")):
		return needsPolicy
	}
	return Reply{}
}

func (c *Conn) reset() error {
	reply, _, err := c.command(commandTime, "RSET")
	if err == nil && !reply.ok() {
		err = reply
	}
	return err
}

// atOnce is how many RCPT commands are sent before their answers are read, where the peer
// can do that: so few that they and their answers fit the buffers of the connection.
const atOnce = 50

// envelope says MAIL and RCPT, notes who was refused, and gives how many were not. The
// error is a Reply when the sender was refused.
func (c *Conn) envelope(e *Envelope, results []error) (open int, err error) {
	batch := 1
	if c.Has("PIPELINING") {
		batch = atOnce
	}
	if err := c.say(commandTime, c.mail(e)); err != nil {
		return 0, err
	}
	gone := false
	asked := true // the answer to MAIL is still to come
	if batch == 1 {
		if err := c.sender(); err != nil {
			return 0, err
		}
		asked = false
	}
	for from := 0; from < len(e.To); from += batch {
		some := e.To[from:min(from+batch, len(e.To))]
		for _, to := range some {
			if err := c.say(commandTime, c.rcpt(to)); err != nil {
				return 0, err
			}
		}
		var refused error
		if asked {
			if refused = c.sender(); refused != nil {
				if _, is := refused.(Reply); !is {
					return 0, refused
				}
			}
			asked = false
		}
		for i := range some {
			reply, _, err := c.answer(commandTime)
			switch {
			case err != nil:
				return 0, err
			case reply.ok():
				open++
			default:
				results[from+i] = reply
				gone = gone || reply.Code == 421
			}
		}
		if gone && refused == nil {
			return 0, errGone
		}
		if refused != nil {
			clear(results) // what was said of them was said for want of a sender
			return 0, refused
		}
	}
	return open, nil
}

// RFC 5321, section 3.8: who answers 421 closes the channel.
var errGone = kinds.Errorf(kinds.Unavailable, "relay: the host went away at the name of another recipient")

func (c *Conn) sender() error {
	reply, _, err := c.answer(commandTime)
	if err == nil && !reply.ok() {
		err = reply
	}
	return err
}

func (c *Conn) mail(e *Envelope) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + e.From + ">")
	if c.Has("SIZE") {
		fmt.Fprintf(&b, " SIZE=%d", e.Size)
	}
	if c.Has("8BITMIME") && e.EightBit {
		b.WriteString(" BODY=8BITMIME")
	}
	if e.UTF8 {
		b.WriteString(" SMTPUTF8")
	}
	if e.RequireTLS {
		b.WriteString(" REQUIRETLS")
	}
	if c.Has("DSN") && e.Return != "" {
		b.WriteString(" RET=" + e.Return)
	}
	if c.Has("DSN") && e.ID != "" {
		b.WriteString(" ENVID=" + e.ID)
	}
	return b.String()
}

func (c *Conn) rcpt(to Recipient) string {
	line := "RCPT TO:<" + to.Address + ">"
	if c.Has("DSN") && to.Notify != "" {
		line += " NOTIFY=" + to.Notify
	}
	if c.Has("DSN") && to.Origin != "" {
		line += " ORCPT=" + to.Origin
	}
	return line
}

// message sends the message itself, by BDAT where the peer can (RFC 3030), else by DATA.
func (c *Conn) message(e *Envelope, body io.Reader) (Reply, error) {
	w := &lines{conn: c, stuff: !c.Has("CHUNKING")}
	if w.stuff {
		reply, _, err := c.command(dataInitTime, "DATA")
		if err != nil || reply.Code != 354 {
			if err == nil && reply.ok() {
				err = kinds.Errorf(kinds.Unavailable, "relay: DATA is answered by %d", reply.Code)
			}
			return reply, err
		}
	}
	c.begun = true
	if !w.stuff {
		if err := c.say(commandTime, fmt.Sprintf("BDAT %d LAST", e.Size)); err != nil {
			return Reply{}, err
		}
	}
	n, err := io.Copy(w, body)
	switch {
	case err == nil && w.cr:
		err = errLineEnd
	case err == nil && n != e.Size:
		err = kinds.Errorf(kinds.Internal, "relay: a message of %d octets has %d", e.Size, n)
	}
	if err == nil && w.stuff {
		end := ".\r\n"
		if !w.start && n > 0 {
			end = "\r\n.\r\n"
		}
		_, err = c.w.WriteString(end)
	}
	if err != nil {
		return Reply{}, err
	}
	reply, _, err := c.answer(dotTime)
	return reply, err
}

var errLineEnd = kinds.Errorf(kinds.Invalid, "relay: a CR or LF stands alone in the message")

// lines writes a message, lets no CR or LF pass that stands alone, and stuffs dots.
type lines struct {
	conn  *Conn
	stuff bool
	begun bool
	start bool // the next octet begins a line
	cr    bool // the last one was a CR
}

// Write never writes half of what it checks.
func (l *lines) Write(p []byte) (int, error) {
	c := l.conn
	_ = c.conn.SetDeadline(time.Now().Add(blockTime))
	if !l.begun {
		l.begun, l.start = true, true
	}
	from := 0
	for i, b := range p {
		if l.cr != (b == '\n') {
			return 0, errLineEnd
		}
		if l.start && b == '.' && l.stuff {
			if _, err := c.w.Write(p[from:i]); err != nil {
				return 0, kinds.Wrap(kinds.Unavailable, err, "relay: write")
			}
			from = i
			if err := c.w.WriteByte('.'); err != nil {
				return 0, kinds.Wrap(kinds.Unavailable, err, "relay: write")
			}
		}
		l.start, l.cr = b == '\n', b == '\r'
	}
	_, err := c.w.Write(p[from:])
	return len(p), kinds.Wrap(kinds.Unavailable, err, "relay: write")
}

func encode(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

func decode(s string) ([]byte, error) { return base64.StdEncoding.DecodeString(s) }
