//go:build localstack

package chaos_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwit-mail/godwit/shared/account"
)

// ledger knows what was sent, and what was told to whoever sent it.
type ledger struct {
	mu    sync.Mutex
	mails []*letter
	codes map[int]int // of all replies that ended a transaction
}

// letter is one try to send a mail.
type letter struct {
	name string
	to   []string
	told bool // 250
}

// send is one transaction in a connection of its own, and tells whether it ended with 250.
// A reply that is neither what the client wants nor temporary fails the test.
func (l *ledger) send(g *gateway, name string, to ...string) bool {
	c := &letter{name: name, to: to}
	l.mu.Lock()
	l.mails = append(l.mails, c)
	l.mu.Unlock()
	code, err := transact(g.Address("smtp"), name, to)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.codes == nil {
		l.codes = map[int]int{}
	}
	l.codes[code]++
	if code != 250 && code/100 != 4 {
		g.t.Errorf("%s: the server says %d, %v", name, code, err)
	}
	c.told = code == 250
	return c.told
}

// deliver sends a mail, as another try each time until it is told 250.
func (l *ledger) deliver(g *gateway, name string, to ...string) {
	for try := 1; !l.send(g, fmt.Sprintf("%s-%d", name, try), to...); try++ {
		if try == 30 {
			g.t.Errorf("%s: refused again and again", name)
			return
		}
	}
}

// transact gives the code of the reply that ended the transaction.
func transact(addr, name string, to []string) (code int, err error) {
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		return 0, err
	}
	text := textproto.NewConn(c)
	say := func(want int, format string, args ...any) bool {
		if format != "" {
			if err = text.PrintfLine(format, args...); err != nil {
				return false
			}
		}
		code, _, err = text.ReadResponse(want)
		var said *textproto.Error
		if errors.As(err, &said) {
			code = said.Code
		} else if err != nil {
			code = 0
		}
		return err == nil
	}
	if !say(220, "") || !say(250, "EHLO client.test") || !say(250, "MAIL FROM:<sender@elsewhere.test>") {
		return code, err
	}
	for _, a := range to {
		if !say(250, "RCPT TO:<%s>", a) {
			return code, err
		}
	}
	_ = say(354, "DATA") && say(250, "%s.", compose(name))
	return code, err
}

// compose gives a mail's bytes as they go over the wire.
func compose(name string) string {
	body := strings.Repeat(name+" is a mail of which each line must be there\r\n", 1+len(name)%40)
	sum := sha256.Sum256([]byte(body))
	return "From: sender@elsewhere.test\r\nSubject: " + name + "\r\nX-Sum: " + hex.EncodeToString(sum[:]) + "\r\n\r\n" + body
}

var (
	subjectField = regexp.MustCompile(`(?m)^Subject: (\S+)\r$`)
	sumField     = regexp.MustCompile(`(?m)^X-Sum: (\S+)\r$`)
)

// nameOf gives the name of a mail that is whole, else "".
func nameOf(mail []byte) string {
	head, body, _ := strings.Cut(string(mail), "\r\n\r\n")
	name, want := subjectField.FindStringSubmatch(head+"\r\n"), sumField.FindStringSubmatch(head+"\r\n")
	sum := sha256.Sum256([]byte(body))
	if name == nil || want == nil || hex.EncodeToString(sum[:]) != want[1] {
		return ""
	}
	return name[1]
}

// names reads a mailbox from the journal as it is, by a process that knows nothing, and
// gives how often each mail is there. It checks that the journal has no gap, that UIDs and
// MODSEQ rise, and that each mail is whole.
func (w *town) names(address, mailbox string) map[string]int {
	w.t.Helper()
	store, ctx := w.store(w.Ports, false), w.t.Context()
	a, err := store.Open(ctx, w.refs[address])
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Close()
	state := a.State()
	for after := uint64(0); after < state.Seq(); {
		entries, _, err := w.Journal.Read(ctx, w.refs[address].Partition(), after, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, e := range entries {
			if after++; e.Seq != after {
				w.t.Fatalf("%s: entry %d stands where %d should", address, e.Seq, after)
			}
		}
	}
	m := state.Mailbox(mailbox)
	if m == nil {
		w.t.Fatalf("%s has no %s", address, mailbox)
	}
	last := uint32(0)
	refs := make([]account.ContentRef, m.Len())
	for i := range refs {
		msg := m.At(i)
		if msg.UID <= last || msg.UID >= m.UIDNext || msg.ModSeq > m.HighestModSeq || m.HighestModSeq > state.ModSeq() {
			w.t.Fatalf("%s: UID %d with MODSEQ %d after UID %d, UIDNEXT %d, HIGHESTMODSEQ %d", address, msg.UID, msg.ModSeq, last, m.UIDNext, m.HighestModSeq)
		}
		last, refs[i] = msg.UID, msg.Content
	}
	contents, err := a.Contents(ctx, refs)
	if err != nil {
		w.t.Fatal(err)
	}
	found := make([]string, len(contents))
	var g errgroup.Group
	g.SetLimit(16)
	for i := range contents {
		g.Go(func() (err error) {
			found[i], err = read(ctx, store, &contents[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		w.t.Fatal(err)
	}
	there := map[string]int{}
	for _, name := range found {
		there[name]++
	}
	if n := there[""]; n > 0 {
		w.t.Errorf("%s has %d mails that are not whole", address, n)
	}
	return there
}

func read(ctx context.Context, store *account.Store, c *account.Content) (name string, err error) {
	r, err := store.OpenMessage(ctx, c, 0, -1)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return nameOf(b), err
}

// check compares INBOXes with what was told: a mail that got its 250 is there once, any
// other one at most once. It gives how many were told 250.
func (l *ledger) check(w *town, addresses ...string) (told int) {
	w.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range addresses {
		there, lost, doubled, known := w.names(a, "INBOX"), []string{}, []string{}, map[string]bool{}
		for _, m := range l.mails {
			known[m.name] = true
			n := there[m.name]
			if n == 0 && m.told && slices.Contains(m.to, a) {
				lost = append(lost, m.name)
			}
			if n > 1 {
				doubled = append(doubled, m.name)
			}
		}
		if len(lost)+len(doubled) > 0 {
			w.t.Errorf("%s: lost %q, twice %q", a, lost, doubled)
		}
		for name := range there {
			if !known[name] {
				w.t.Errorf("%s has %q, which nobody sent", a, name)
			}
		}
	}
	for _, m := range l.mails {
		if m.told {
			told++
		}
	}
	return told
}

// nothingParked fails the test when the spool holds a job.
func (w *town) nothingParked() {
	w.t.Helper()
	for _, j := range w.parked() {
		w.t.Errorf("a job is parked: %s after %d failures: %s", j.Correlation, j.Failures, j.Reason)
	}
}
