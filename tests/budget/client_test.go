//go:build localstack

package budget_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// client is a connection to a gateway, whose every failure ends the test.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	tags int
}

func (g *gateway) client(listener string, secure bool) *client {
	c := g.dial(listener, secure)
	return &client{t: g.t, conn: c, in: bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// until reads lines up to one that begins so.
func (c *client) until(beginnings ...string) string {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("while waiting for %q: %v", beginnings, err)
		}
		for _, b := range beginnings {
			if strings.HasPrefix(line, b) {
				return line
			}
		}
	}
}

// smtp begins a session with the listener for mail from elsewhere.
func (g *gateway) smtp() *client {
	c := g.client("smtp", false)
	c.until("220 ")
	c.say("EHLO client.test", "250 ")
	return c
}

// say sends a line and reads the reply, whose last line must begin so.
func (c *client) say(line, want string) {
	c.t.Helper()
	c.send(line + "\r\n")
	c.reply(line, want)
}

func (c *client) reply(to, want string) {
	c.t.Helper()
	for {
		line, err := c.in.ReadString('\n')
		if err != nil || len(line) < 4 {
			c.t.Fatalf("%s: %q, %v", to, line, err)
		}
		if line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, want) {
			c.t.Fatalf("%s: %s", to, line)
		}
		return
	}
}

// transaction begins a mail to the recipients.
func (c *client) transaction(to ...string) {
	c.t.Helper()
	c.say("MAIL FROM:<sender@elsewhere.test>", "250")
	for _, name := range to {
		c.say("RCPT TO:<"+name+"@"+domain+">", "250")
	}
}

// data ends a mail with its message.
func (c *client) data(message string) {
	c.t.Helper()
	c.say("DATA", "354")
	c.send(message + ".\r\n")
	c.reply("the message", "250")
}

// imap logs in.
func (g *gateway) imap(name string) *client {
	c := g.client("imaps", true)
	c.until("* OK")
	c.do("LOGIN " + name + "@" + domain + " \"" + password + "\"")
	return c
}

// do sends a command and reads up to its OK.
func (c *client) do(command string) {
	c.t.Helper()
	tag := c.begin(command)
	c.end(tag, command)
}

func (c *client) begin(command string) (tag string) {
	c.t.Helper()
	c.tags++
	tag = fmt.Sprintf("t%d ", c.tags)
	c.send(tag + command + "\r\n")
	return tag
}

func (c *client) end(tag, command string) {
	c.t.Helper()
	if line := c.until(tag); !strings.HasPrefix(line, tag+"OK") {
		c.t.Fatalf("%.60s: %s", command, line)
	}
}

// append appends the message to a mailbox.
func (c *client) append(mailbox, message string) {
	c.t.Helper()
	command := fmt.Sprintf("APPEND %s {%d}", mailbox, len(message))
	tag := c.begin(command)
	c.until("+")
	c.send(message + "\r\n")
	c.end(tag, command)
}
