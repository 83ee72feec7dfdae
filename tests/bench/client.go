package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// server is one of the two that are compared. Its users are address(0) and so on.
type server interface {
	imaps() string
	restart() error
}

// client is an IMAP client that knows as little as it can, so that what is measured is the
// server.
type client struct {
	*tls.Conn
	in     *bufio.Reader
	out    *bufio.Writer
	tags   int
	exists int // messages in the selected mailbox
	octets int // of the last command's responses
}

// refused is an error of a command that was answered NO.
var errRefused = errors.New("refused")

func connect(addr string) (*client, error) {
	// The certificate is the server's own, of which nobody knows.
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec
	if err != nil {
		return nil, err
	}
	cl := &client{Conn: c, in: bufio.NewReaderSize(c, 64<<10), out: bufio.NewWriterSize(c, 64<<10)}
	_ = c.SetDeadline(time.Now().Add(10 * time.Minute))
	_, err = cl.in.ReadSlice('\n')
	return cl, err
}

// enter connects and logs in.
func enter(addr, user string) (*client, error) {
	c, err := connect(addr)
	if err != nil {
		return nil, err
	}
	return c, c.login(user)
}

func (c *client) login(user string) error { return c.do("LOGIN %s %q", user, password) }

// do sends a command and reads up to its tagged response.
func (c *client) do(format string, args ...any) error {
	tag := c.send(format, args...)
	return c.finish(tag)
}

// timed is do; it gives how long it took.
func (c *client) timed(format string, args ...any) (time.Duration, error) {
	began := time.Now()
	err := c.do(format, args...)
	return time.Since(began), err
}

// send writes a command, which goes out when the answer is waited for.
func (c *client) send(format string, args ...any) (tag string) {
	c.tags++
	tag = "t" + strconv.Itoa(c.tags)
	fmt.Fprintf(c.out, tag+" "+format+"\r\n", args...)
	return tag
}

// finish reads responses, up to the tagged one.
func (c *client) finish(tag string) error {
	if err := c.out.Flush(); err != nil {
		return err
	}
	c.octets = 0
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if rest, ok := bytes.CutPrefix(line, []byte(tag+" ")); ok {
			switch {
			case bytes.HasPrefix(rest, []byte("OK")):
				return nil
			case bytes.HasPrefix(rest, []byte("NO")):
				return fmt.Errorf("%w: %s", errRefused, rest)
			}
			return fmt.Errorf("the server says %q", line)
		}
	}
}

// line reads one line of a response, and passes over the literal that it may announce. Of one
// that is longer than the buffer it gives the end.
func (c *client) line() ([]byte, error) {
	start := true
	for {
		line, err := c.in.ReadSlice('\n')
		c.octets += len(line)
		if err == bufio.ErrBufferFull {
			start = false
			continue
		}
		if err != nil {
			return nil, err
		}
		if start && len(line) < 64 {
			c.note(line)
		}
		if n := literalAt(line); n > 0 {
			c.octets += n
			if _, err := c.in.Discard(n); err != nil {
				return nil, err
			}
			start = false
			continue
		}
		if !start {
			return []byte("\n"), nil // no tagged response
		}
		return line, nil
	}
}

// note keeps how many messages there are.
func (c *client) note(line []byte) {
	f := bytes.Fields(line)
	if len(f) < 3 || f[0][0] != '*' {
		return
	}
	n, err := strconv.Atoi(string(f[1]))
	switch {
	case err != nil:
	case string(f[2]) == "EXISTS":
		c.exists = n
	case string(f[2]) == "EXPUNGE":
		c.exists--
	}
}

// literalAt gives the octets of the literal that a line announces at its end.
func literalAt(line []byte) int {
	line = bytes.TrimSuffix(line, []byte("}\r\n"))
	at := bytes.LastIndexByte(line, '{')
	if at < 0 {
		return 0
	}
	n, err := strconv.Atoi(string(line[at+1:]))
	if err != nil {
		return 0
	}
	return n
}

// append appends messages in one command. Those that are short need no consent.
func (c *client) append(box string, messages ...[]byte) error {
	c.tags++
	tag := "t" + strconv.Itoa(c.tags)
	fmt.Fprintf(c.out, "%s APPEND %s", tag, box)
	for _, m := range messages {
		if len(m) <= 4096 {
			fmt.Fprintf(c.out, " {%d+}\r\n", len(m))
		} else {
			fmt.Fprintf(c.out, " {%d}\r\n", len(m))
			if err := c.consent(); err != nil {
				return err
			}
		}
		_, _ = c.out.Write(m)
	}
	_, _ = c.out.WriteString("\r\n")
	return c.finish(tag)
}

// consent waits until the server asks for more.
func (c *client) consent() error {
	if err := c.out.Flush(); err != nil {
		return err
	}
	for {
		line, err := c.line()
		if err != nil || line[0] == '+' {
			return err
		}
		if line[0] != '*' {
			return fmt.Errorf("the server says %q", line)
		}
	}
}

// idle begins IDLE, and ends it.
func (c *client) idle() error {
	tag := c.send("IDLE")
	if err := c.consent(); err != nil {
		return err
	}
	_, _ = c.out.WriteString("DONE\r\n")
	return c.finish(tag)
}
