package pop3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// uniqueIDs are what UIDL lists.
func (c *client) uniqueIDs() (ids []string) {
	c.t.Helper()
	c.ask("UIDL", "+OK")
	for {
		line := c.expect("")
		if line == "." {
			return ids
		}
		_, id, _ := strings.Cut(line, " ")
		ids = append(ids, id)
	}
}

func (c *client) quit() {
	c.t.Helper()
	c.ask("QUIT", "+OK")
	c.end()
}

func TestUniqueIDsAreTheSameOnEachGatewayAndNoCopyHasThose(t *testing.T) {
	w := newWorld(t)
	w.deliver("", hello)
	w.deliver("", hello)
	a := w.open()
	defer a.Close()
	if _, err := a.CopyMessages(t.Context(), account.By{}, account.Inbox, []account.Range{{First: 1, Last: 2}}, "INBOX", account.Room{}); err != nil {
		t.Fatal(err)
	}
	c := signIn(t, t.Context(), w.gateway(w.store))
	ids := c.uniqueIDs()
	seen := map[string]bool{}
	for _, id := range ids {
		if !goodUniqueID(id) || seen[id] {
			t.Errorf("unique-ids %q", ids)
		}
		seen[id] = true
	}
	c.ask("DELE 1", "+OK")
	c.quit()

	c = signIn(t, t.Context(), w.gateway(account.New(w.config)))
	if again := c.uniqueIDs(); strings.Join(again, " ") != strings.Join(ids[1:], " ") {
		t.Errorf("another gateway has %q, not %q", again, ids[1:])
	}
	c.quit()
}

func TestAnImportSetsUniqueIDs(t *testing.T) {
	w := newWorld(t)
	a := w.open()
	defer a.Close()
	long := strings.Repeat("~", 70)
	for _, uidl := range []string{"old-1", "with blank", "old-1", long, "ümlaut", ""} {
		n := account.NewMessage{Content: w.content("", hello), UIDL: uidl}
		if _, _, err := a.Append(t.Context(), account.By{}, "INBOX", []account.NewMessage{n}, account.Room{}); err != nil && !kinds.Is(err, kinds.Invalid) {
			t.Fatal(err)
		}
	}
	c := signIn(t, t.Context(), w.gateway(w.store))
	ids := c.uniqueIDs()
	seen := map[string]bool{}
	for _, id := range ids {
		if !goodUniqueID(id) || seen[id] {
			t.Errorf("unique-ids %q", ids)
		}
		seen[id] = true
	}
	if !seen["old-1"] || !seen[long] {
		t.Errorf("unique-ids %q lack what was imported", ids)
	}
	c.ask("UIDL 1", "+OK 1 old-1")
	c.quit()
}

func TestWhatIsReadIsHeadAndBlobByteByByte(t *testing.T) {
	w := newWorld(t)
	head := "Return-Path: <>\r\nDelivered-To: user@demo.test\r\n"
	bodies := []string{
		hello, "Subject: dots\r\n\r\n.\r\n..\r\n.a\r\n", "\r\n", "",
		"Subject: all bytes\r\n\r\n" + string(allBytes()) + "\r\n",
		"Subject: large\r\n\r\n" + strings.Repeat("0123456789abcdef.\r\n", 100_000),
	}
	for _, b := range bodies {
		w.deliver(head, b)
	}
	c := signIn(t, t.Context(), w.gateway(w.store))
	for i, b := range bodies {
		n := fmt.Sprint(i + 1)
		c.ask("LIST "+n, fmt.Sprintf("+OK %s %d", n, len(head+b)))
		c.ask("RETR "+n, fmt.Sprintf("+OK %d octets", len(head+b)))
		var got strings.Builder
		for {
			line, err := c.r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line == ".\r\n" {
				break
			}
			got.WriteString(strings.TrimPrefix(line, "."))
		}
		if got.String() != head+b {
			t.Errorf("message %s came as %d octets, not %d", n, got.Len(), len(head+b))
		}
	}
	c.quit()
}

// allBytes are all but the line feed.
func allBytes() (b []byte) {
	for i := range 256 {
		if i != '\n' {
			b = append(b, byte(i))
		}
	}
	return b
}

// A message that was expunged elsewhere can be read as long as its blob is there.
func TestAViewOutlivesAnExpungeElsewhere(t *testing.T) {
	w := newWorld(t)
	w.deliver("", hello)
	c := signIn(t, t.Context(), w.gateway(w.store))
	other := account.New(w.config)
	a, err := other.Open(t.Context(), w.id.Account)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.ExpungeMessages(t.Context(), account.By{}, account.Inbox, nil, false); err != nil {
		t.Fatal(err)
	}
	c.ask("RETR 1", "+OK")
	for c.expect("") != "." {
	}
	c.ask("DELE 1", "+OK")
	c.quit()
}

func TestASuspensionOnAnotherGatewayEndsTheSession(t *testing.T) {
	for name, change := range map[string]func(context.Context, *account.Account) error{
		"suspended": func(ctx context.Context, a *account.Account) error {
			return a.SetAccess(ctx, account.By{}, true, false)
		},
		"new password": func(ctx context.Context, a *account.Account) error {
			return a.SetAccess(ctx, account.By{}, false, true)
		},
		"closed": func(ctx context.Context, a *account.Account) error {
			return a.CloseAccount(ctx, account.By{}, "deleted")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.deliver("", hello)
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error, 1)
			go func() { ran <- w.store.Run(ctx) }()
			defer func() { cancel(); <-ran }()
			c := signIn(t, t.Context(), w.gateway(w.store))
			c.ask("DELE 1", "+OK")
			a, err := account.New(w.config).Open(t.Context(), w.id.Account)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if err := change(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			c.expect("-ERR [AUTH] ")
			c.end()
			if err := a.Refresh(t.Context()); err != nil || a.State().MailboxByID(account.Inbox).Len() != 1 {
				t.Errorf("the message is gone: %v", err)
			}
		})
	}
}

func TestAClosedAccountLetsNobodyIn(t *testing.T) {
	w := newWorld(t)
	a := w.open()
	defer a.Close()
	if err := a.CloseAccount(t.Context(), account.By{}, "deleted"); err != nil {
		t.Fatal(err)
	}
	c := dial(t, t.Context(), w.gateway(w.store))
	c.ask("USER user@demo.test", "+OK")
	c.ask("PASS open sesame", "-ERR [AUTH] ")
	c.end()
}

// Whatever call of the journal fails at QUIT: after +OK all is deleted, after -ERR (where
// the last word may be lost) all or nothing.
func TestAFaultAtQuitDeletesAllOrNothing(t *testing.T) {
	// How often a call is refused: once, and for good.
	for _, times := range []int{1, 1000} {
		for _, call := range []string{"journal.Append", "journal.Read", "journal.Last", "journal.Watchers"} {
			for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter, faults.Repeat} {
				w := newWorld(t)
				w.deliver("", hello)
				w.deliver("", hello)
				w.deliver("", hello)
				left := 0
				config := w.config
				config.Journal = faults.Journal(config.Journal, faults.New(func(_ int, c string) faults.Mode {
					if c != call || left == 0 {
						return faults.None
					}
					left--
					return mode
				}))
				c := signIn(t, t.Context(), w.gateway(account.New(config)))
				c.ask("DELE 1", "+OK")
				c.ask("DELE 3", "+OK")
				left = times
				reply := c.ask("QUIT", "")
				c.end()
				a := w.open()
				n := a.State().MailboxByID(account.Inbox).Len()
				a.Close()
				if ok := strings.HasPrefix(reply, "+OK"); ok && n != 1 || !ok && n == 2 {
					t.Errorf("%s, %s %d times: %q, %d messages are left", call, mode, times, reply, n)
				}
			}
		}
	}
}

// A client that says all it has to say and shuts its side gets all replies.
func TestAClientMayShutItsSideFirst(t *testing.T) {
	w := newWorld(t)
	d := w.dialog()
	c, err := d.Dial(t.Context(), "pop3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "QUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil || !bytes.HasSuffix(all, []byte("\r\n+OK Bye\r\n")) {
		t.Errorf("%q, %v", all, err)
	}
}
