//go:build localstack

package chaos_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// client is an IMAP session that reads lines as they are.
type client struct {
	net.Conn
	in  *bufio.Reader
	tag int
	uid uint32 // of the last APPEND
	// untagged is told of each untagged line while a command is answered.
	untagged func(line string)
}

// dial connects without logging in.
func (g *gateway) dial() (*client, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := d.DialContext(g.t.Context(), "tcp", g.Address("imaps"))
	if err != nil {
		return nil, err
	}
	c := &client{Conn: conn, in: bufio.NewReader(conn), untagged: func(string) {}}
	greeting, err := c.line()
	if err == nil && !strings.HasPrefix(greeting, "* OK") {
		err = fmt.Errorf("greeted by %q", greeting)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *client) line() (string, error) {
	s, err := c.in.ReadString('\n')
	return strings.TrimRight(s, "\r\n"), err
}

// do sends a command and gives its tagged answer, without the tag.
func (c *client) do(format string, args ...any) (string, error) {
	c.tag++
	tag := "c" + strconv.Itoa(c.tag)
	if _, err := fmt.Fprintf(c, tag+" "+format+"\r\n", args...); err != nil {
		return "", err
	}
	return c.answer(tag)
}

func (c *client) answer(tag string) (string, error) {
	for {
		s, err := c.line()
		if err != nil {
			return "", err
		}
		if rest, ok := strings.CutPrefix(s, tag+" "); ok {
			return rest, nil
		}
		c.untagged(s)
	}
}

// login gives a session that has logged in and selected a mailbox.
func (g *gateway) login(t *testing.T, user, mailbox string) *client {
	t.Helper()
	c, err := g.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for _, command := range []string{fmt.Sprintf("LOGIN %s %q", user, password), "SELECT " + mailbox} {
		if said, err := c.do("%s", command); err != nil || !strings.HasPrefix(said, "OK") {
			t.Fatalf("%.10s: %q, %v", command, said, err)
		}
	}
	return c
}

// reader watches a mailbox by IDLE and fetches what it is told of. It fails the test when
// UIDs don't rise, when one is missing between two though nothing is expunged there, or when
// EXISTS becomes less without EXPUNGE.
type reader struct {
	*client
	t       *testing.T
	mailbox string
	dense   bool // nothing is expunged

	mu    sync.Mutex
	uids  []uint32 // by sequence number, as far as they were fetched
	there int      // as EXISTS and EXPUNGE say
	last  uint64   // UID that was fetched
	times int      // it was told of more
	gone  int      // it was told of by EXPUNGE
	wrong []string
	over  bool
}

// watch begins to watch the INBOX of an account in which nothing is ever expunged.
func watch(t *testing.T, g *gateway, user string) *reader {
	t.Helper()
	return watchMailbox(t, g, user, "INBOX", true)
}

func watchMailbox(t *testing.T, g *gateway, user, mailbox string, dense bool) *reader {
	t.Helper()
	r := &reader{t: t, mailbox: mailbox, dense: dense, client: g.login(t, user, "Archive")}
	r.client.untagged = r.heard
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.run(); err != nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			if !r.over {
				r.wrong = append(r.wrong, err.Error())
			}
		}
	}()
	t.Cleanup(func() {
		r.mu.Lock()
		r.over = true
		r.mu.Unlock()
		r.Close()
		<-done
		for _, w := range r.wrong {
			t.Errorf("the reader of %s at %s: %s", user, g.Address("imaps"), w)
		}
	})
	return r
}

func (r *reader) run() error {
	if said, err := r.do("SELECT %s", r.mailbox); err != nil || !strings.HasPrefix(said, "OK") {
		return fmt.Errorf("SELECT: %q, %w", said, err)
	}
	for {
		for r.missing() {
			if said, err := r.do("FETCH %d:* (UID)", len(r.uids)+1); err != nil || !strings.HasPrefix(said, "OK") {
				return fmt.Errorf("FETCH: %q, %w", said, err)
			}
		}
		r.tag++
		tag := "c" + strconv.Itoa(r.tag)
		if _, err := fmt.Fprintf(r, "%s IDLE\r\n", tag); err != nil {
			return err
		}
		for idle := false; !idle || !r.missing(); {
			s, err := r.line()
			if err != nil {
				return err
			}
			if idle = idle || strings.HasPrefix(s, "+"); !strings.HasPrefix(s, "+") {
				r.heard(s)
			}
		}
		if _, err := io.WriteString(r, "DONE\r\n"); err != nil {
			return err
		}
		if said, err := r.answer(tag); err != nil || !strings.HasPrefix(said, "OK") {
			return fmt.Errorf("IDLE: %q, %w", said, err)
		}
	}
}

func (r *reader) missing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.uids) < r.there
}

func (r *reader) heard(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var n int
	var what string
	if _, err := fmt.Sscanf(s, "* %d %s", &n, &what); err != nil {
		return
	}
	switch what {
	case "EXISTS":
		if n < r.there {
			r.wrong = append(r.wrong, fmt.Sprintf("%d messages after %d", n, r.there))
		}
		if n > r.there {
			r.times++
		}
		r.there = n
	case "EXPUNGE":
		if r.dense || n < 1 || n > r.there {
			r.wrong = append(r.wrong, fmt.Sprintf("%q, of %d messages", s, r.there))
			return
		}
		r.there--
		r.gone++
		if n <= len(r.uids) {
			r.uids = slices.Delete(r.uids, n-1, n)
		}
	case "FETCH":
		_, text, ok := strings.Cut(s, "UID ")
		uid, err := strconv.ParseUint(strings.TrimRight(strings.SplitN(text, " ", 2)[0], ")"), 10, 32)
		if !ok || err != nil || n < 1 || n > r.there || r.dense && uid != uint64(n) ||
			n <= len(r.uids) && uint64(r.uids[n-1]) != uid || n > len(r.uids) && uid <= r.last {
			r.wrong = append(r.wrong, fmt.Sprintf("%q, of %d messages, of which %v are known, the last one is %d", s, r.there, r.uids, r.last))
			return
		}
		if n == len(r.uids)+1 { // not the flags of one that it knows or will ask for
			r.uids, r.last = append(r.uids, uint32(uid)), uid
		}
	}
}

// sees waits until the reader has the UIDs of n messages, which are all that it was told of.
func (r *reader) sees(n int) {
	r.t.Helper()
	poll(r.t, time.Minute, fmt.Sprintf("the reader sees %d messages", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.uids) == n && r.there == n || len(r.wrong) > 0
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.uids) != n {
		r.t.Errorf("the reader has %d messages, want %d: %v", len(r.uids), n, r.wrong)
	}
}

func (r *reader) known() []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.uids)
}
