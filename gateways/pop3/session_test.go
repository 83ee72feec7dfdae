package pop3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

const hello = "Subject: hello\r\n\r\nHello.\r\n"

func TestAnIdleSessionEndsWithoutAWordAndDeletesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{messages: []string{hello}}
		c := signIn(t, t.Context(), newServer(m))
		c.ask("DELE 1", "+OK")
		time.Sleep(10*time.Minute - time.Second)
		c.ask("NOOP", "+OK")
		began := time.Now()
		if left := c.end(); left != "" {
			t.Errorf("the session ended with %q", left)
		}
		if d := time.Since(began); d != 10*time.Minute {
			t.Errorf("ended after %v", d)
		}
		if m.expunged != nil || m.closed != 1 {
			t.Errorf("expunged %v, account closed %d times", m.expunged, m.closed)
		}
	})
}

func TestALoginMayTakeThreeMinutesInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, t.Context(), newServer(&memory{}))
		began := time.Now()
		for range 17 {
			time.Sleep(10 * time.Second)
			c.ask("CAPA", "+OK")
			for c.expect("") != "." {
			}
		}
		c.end()
		if d := time.Since(began); d != 3*time.Minute {
			t.Errorf("ended after %v", d)
		}
	})
}

func TestALineThatTricklesInDoesNotProlongTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := signIn(t, t.Context(), newServer(&memory{}))
		began := time.Now()
		for range 9 {
			time.Sleep(time.Minute)
			c.send("N")
		}
		c.end()
		if d := time.Since(began); d != 10*time.Minute {
			t.Errorf("ended after %v", d)
		}
	})
}

func TestAPeerThatReadsNothingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{messages: []string{strings.Repeat(hello, 10000)}}
		c := signIn(t, t.Context(), newServer(m))
		c.ask("RETR 1", "+OK")
		<-c.over
		if m.closed != 1 {
			t.Errorf("account closed %d times", m.closed)
		}
	})
}

func TestShutdownLetsCommandsThatHaveComeInBeRun(t *testing.T) {
	for name, test := range map[string]struct {
		sent, left string
		expunged   []account.Range
	}{
		"an idle session": {"", "-ERR [SYS/TEMP] Shutting down\r\n", nil},
		"half a command":  {"QUI", "-ERR [SYS/TEMP] Shutting down\r\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &memory{messages: []string{hello}}
				drain := make(chan struct{})
				c := signIn(t, listen.WithDraining(t.Context(), drain), newServer(m))
				c.ask("DELE 1", "+OK")
				c.send(test.sent)
				synctest.Wait()
				close(drain)
				if left := c.end(); left != test.left || !reflect.DeepEqual(m.expunged, test.expunged) {
					t.Errorf("left %q, expunged %v", left, m.expunged)
				}
			})
		})
	}
	t.Run("a QUIT in a pipeline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			drain := make(chan struct{})
			m := &memory{messages: []string{hello}}
			m.open = func(int) (io.ReadCloser, error) {
				close(drain)
				synctest.Wait()
				return io.NopCloser(strings.NewReader(hello)), nil
			}
			c := signIn(t, listen.WithDraining(t.Context(), drain), newServer(m))
			c.send("RETR 1\r\nDELE 1\r\nQUIT\r\n")
			left := c.end()
			if !strings.HasSuffix(left, "Hello.\r\n.\r\n+OK Message 1 will be deleted at QUIT\r\n+OK Bye\r\n") {
				t.Errorf("left %q", left)
			}
			if want := []account.Range{{First: 10, Last: 10}}; !reflect.DeepEqual(m.expunged, want) {
				t.Errorf("expunged %v", m.expunged)
			}
		})
	})
}

func TestTheEndOfPatienceClosesAStuckSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := &memory{messages: []string{strings.Repeat(hello, 10000)}}
		c := signIn(t, ctx, newServer(m))
		c.ask("RETR 1", "+OK")
		began := time.Now()
		cancel()
		<-c.over
		if time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}

func TestANewPasswordEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{messages: []string{hello}}
		c := signIn(t, t.Context(), newServer(m))
		c.ask("DELE 1", "+OK")
		m.end()
		if left := c.end(); !strings.HasPrefix(left, "-ERR [AUTH] ") || strings.Count(left, "\n") != 1 {
			t.Errorf("left %q", left)
		}
		if m.expunged != nil {
			t.Errorf("expunged %v", m.expunged)
		}
	})
}

func TestANewPasswordEndsAPipelineToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{messages: []string{hello}}
		m.open = func(int) (io.ReadCloser, error) {
			m.end()
			synctest.Wait()
			return io.NopCloser(strings.NewReader(hello)), nil
		}
		c := signIn(t, t.Context(), newServer(m))
		c.send("DELE 1\r\nRSET\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n")
		if left := c.end(); !strings.Contains(left, "\r\n.\r\n-ERR [AUTH]") || m.expunged != nil {
			t.Errorf("left %q, expunged %v", left, m.expunged)
		}
	})
}

func TestAQuitThatFailsSaysSo(t *testing.T) {
	m := &memory{messages: []string{hello, hello}, refuse: kinds.Errorf(kinds.Unavailable, "the journal is away")}
	c := signIn(t, t.Context(), newServer(m))
	c.ask("DELE 2", "+OK")
	c.ask("QUIT", "-ERR [SYS/TEMP] The deletion failed")
	if left := c.end(); left != "" {
		t.Errorf("left %q", left)
	}
}

func TestQuitDeletesRunsOfUIDs(t *testing.T) {
	m := &memory{messages: []string{hello, hello, hello, hello}}
	s := newServer(m)
	s.open = newOpen(m, 1, 2, 3, 7)
	c := signIn(t, t.Context(), s)
	for _, n := range []string{"4", "1", "2"} {
		c.ask("DELE "+n, "+OK")
	}
	c.ask("QUIT", "+OK")
	c.end()
	if want := []account.Range{{First: 1, Last: 2}, {First: 7, Last: 7}}; !reflect.DeepEqual(m.expunged, want) {
		t.Errorf("expunged %v", m.expunged)
	}
}

// A message of which the rest can't be read must not look whole.
func TestAMessageThatBreaksOffEndsTheConnection(t *testing.T) {
	lost := errors.New("the disk is gone")
	for name, body := range map[string]io.Reader{
		"an error":  io.MultiReader(strings.NewReader(strings.Repeat(hello, 3000)), iotestError{lost}),
		"too short": strings.NewReader(strings.Repeat(hello, 3000)),
	} {
		m := &memory{messages: []string{strings.Repeat(hello, 4000)}}
		m.open = func(int) (io.ReadCloser, error) { return io.NopCloser(body), nil }
		c := signIn(t, t.Context(), newServer(m))
		c.ask("RETR 1", "+OK")
		if left := c.end(); strings.Contains(left, "\r\n.\r\n") || left == "" {
			t.Errorf("%s: the reply ends with %q", name, left[max(0, len(left)-20):])
		}
	}
}

func TestAMessageThatCantBeOpenedIsAnError(t *testing.T) {
	for want, err := range map[string]error{
		"-ERR [SYS/PERM]": kinds.Errorf(kinds.NotFound, "the blob is gone"),
		"-ERR [SYS/TEMP]": kinds.Errorf(kinds.Unavailable, "the store is away"),
	} {
		m := &memory{messages: []string{hello}}
		m.open = func(int) (io.ReadCloser, error) { return nil, err }
		c := signIn(t, t.Context(), newServer(m))
		c.ask("RETR 1", want)
		m.open = func(int) (io.ReadCloser, error) { return io.NopCloser(iotestError{err}), nil }
		c.ask("TOP 1 0", want)
		c.ask("QUIT", "+OK")
		c.end()
	}
}

func TestLoginFailuresHaveTheirCodes(t *testing.T) {
	c := dial(t, t.Context(), newServer(&memory{}))
	for _, l := range []struct{ user, want string }{
		{"nobody@demo.test", "-ERR [AUTH] "},
		{"suspended@demo.test", "-ERR [SYS/PERM] "},
		{"denied@demo.test", "-ERR [SYS/PERM] "},
		{"slow@demo.test", "-ERR [SYS/TEMP] "},
	} {
		c.ask("USER "+l.user, "+OK")
		c.ask("PASS open sesame", l.want)
		c.ask("PASS open sesame", "-ERR USER comes first")
	}
	c.ask("USER user@demo.test", "+OK")
	c.ask("PASS  open sesame", "-ERR [AUTH] ") // the blank is part of the password
	if left := c.end(); left != "" {
		t.Errorf("after five failures: %q", left)
	}
}

// iotestError is a reader that only fails.
type iotestError struct{ err error }

func (r iotestError) Read([]byte) (int, error) { return 0, r.err }

func TestALargeMessageTakesNoMemory(t *testing.T) {
	const size = 8 << 20
	m := &memory{messages: []string{""}}
	m.open = func(int) (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(dots{}, size)), nil
	}
	s := newServer(m)
	s.open = newOpen(m, 1)
	base := s.open
	s.open = func(ctx context.Context, id *identity, n string) (*maildrop, error) {
		d, err := base(ctx, id, n)
		d.items[0].size = size
		return d, err
	}
	c := signIn(t, t.Context(), s)
	c.ask("RETR 1", "+OK")
	// A pipe allocates at each write deadline.
	grown := allocated(t, func() {
		buf := make([]byte, 64<<10)
		var tail []byte
		for !bytes.HasSuffix(tail, []byte("\r\n.\r\n")) {
			n, err := c.r.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			tail = append(tail, buf[max(0, n-5):n]...)
			tail = tail[max(0, len(tail)-5):]
		}
	})
	if grown > 1<<20 {
		t.Errorf("%d bytes were allocated for a message of %d", grown, size)
	}
}

func TestShutdownWithinALoginIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain := make(chan struct{})
		c := dial(t, listen.WithDraining(t.Context(), drain), newServer(&memory{}))
		c.ask("AUTH LOGIN", "+ ")
		synctest.Wait()
		close(drain)
		if left := c.end(); left != "-ERR [SYS/TEMP] Shutting down\r\n" {
			t.Errorf("left %q", left)
		}
	})
}

func TestALineWithoutEndEndsALogin(t *testing.T) {
	c := dial(t, t.Context(), newServer(&memory{}))
	c.ask("AUTH LOGIN", "+ ")
	go io.WriteString(c.conn, strings.Repeat("x", 100<<10))
	if left := c.end(); left != "-ERR The line is too long\r\n" {
		t.Errorf("left %q", left)
	}
}

// The listener ends only the connection where something panics; the account must be
// given back.
func TestADefectGivesTheAccountBack(t *testing.T) {
	m := &memory{messages: []string{hello}}
	m.open = func(int) (io.ReadCloser, error) { panic("a defect") }
	s := newServer(m)
	ours, theirs := net.Pipe()
	over := make(chan any)
	go func() {
		defer func() { r := recover(); theirs.Close(); over <- r }()
		s.serve(t.Context(), theirs, true)
	}()
	go io.WriteString(ours, "USER user@demo.test\r\nPASS open sesame\r\nRETR 1\r\n")
	go io.Copy(io.Discard, ours)
	if r := <-over; r != "a defect" || m.closed != 1 {
		t.Errorf("panic %v, account closed %d times", r, m.closed)
	}
}
