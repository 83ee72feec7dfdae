//go:build localstack

package chaos_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/ports"
)

// About one call in four of gateways and functions fails, in any way, and is made once or
// twice again at most. What is told OK is done once, what isn't is done once or not at all,
// and every failure is told as one that passes.
func TestFailingCallsLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	const senders, mails, sessions = 4, 12, 4
	w, all := newTown(t, cloudtest.Options{Redrive: 100}, alice, bob), &ledger{}
	g := w.gateway(cloudtest.Impatient(cloudtest.Failing(t, cloudtest.OneIn(t, 3)), 2), ports.Decorators{})
	w.functions(3, cloudtest.Impatient(cloudtest.Failing(t, cloudtest.OneIn(t, 4)), 3))
	var work sync.WaitGroup
	for n := range senders {
		work.Go(func() {
			for i := range mails {
				all.deliver(g, fmt.Sprintf("fault-%d-%d", n, i), [][]string{{alice, bob}, {bob}}[i%2]...)
			}
		})
	}
	seed, done := cloudtest.Seed(t), make([]*deeds, sessions)
	for n := range sessions {
		done[n] = &deeds{g: g, n: n, rnd: rand.New(rand.NewPCG(seed, uint64(n))), answers: map[string]int{}}
		work.Go(func() { done[n].run(12) })
	}
	work.Wait()
	w.drained(2 * time.Minute)
	told := all.check(w, alice, bob)
	t.Logf("%d of %d mails were told 250, replies: %v", told, len(all.mails), all.codes)
	if len(all.codes) < 2 {
		t.Errorf("no transaction met a fault: %v", all.codes)
	}
	w.nothingParked()
	checkDeeds(w, done)
}

// deeds is what an IMAP client has done in the mailboxes Drafts, Sent and Archive.
type deeds struct {
	g       *gateway
	n       int
	rnd     *rand.Rand
	c       *client // nil: not connected
	mails   []*deed
	answers map[string]int
}

// deed is what has become of one message: each is a yes, or a perhaps.
type deed struct {
	name                     string
	appended, moved, flagged bool
	copies                   int
	triedMove, triedFlag     bool
	triedCopies              int
}

func (d *deeds) run(messages int) {
	defer func() {
		if d.c != nil {
			d.c.Close()
		}
	}()
	for i := range messages {
		m := d.append(fmt.Sprintf("deed-%d-%d", d.n, i))
		if !m.appended {
			continue
		}
		uid := d.c.uid
		for range 4 {
			switch d.rnd.IntN(4) {
			case 0:
				m.triedFlag = true
				m.flagged = d.do(`UID STORE %d +FLAGS (\Flagged)`, uid) == "OK" || m.flagged
			case 1:
				m.triedCopies++
				if d.do("UID COPY %d Archive", uid) == "OK" {
					m.copies++
				}
			case 2:
				d.fetch(m.name, uid)
			case 3:
				d.do("NOOP")
			}
		}
		if d.rnd.IntN(2) == 0 {
			m.triedMove = true
			m.moved = d.do("UID MOVE %d Sent", uid) == "OK"
		}
	}
}

// append puts a mail into Drafts.
func (d *deeds) append(name string) *deed {
	mail := compose(name)
	m := &deed{name: name, appended: d.do("APPEND Drafts {%d+}\r\n%s", len(mail), mail) == "OK"}
	d.mails = append(d.mails, m)
	return m
}

// do gives OK, NO or the word that the connection was lost. Anything but OK and what means
// that it may be tried again fails the test.
func (d *deeds) do(format string, args ...any) string {
	if !d.connect() {
		return "lost"
	}
	command, _, _ := strings.Cut(format, "%")
	said, err := d.c.do(format, args...)
	return d.judge(strings.TrimSpace(command), said, err)
}

func (d *deeds) judge(command, said string, err error) string {
	word := "lost"
	switch {
	case err != nil:
		d.c.Close()
		d.c = nil
	case strings.HasPrefix(said, "OK"):
		word = "OK"
		if uid := appended(said); uid > 0 {
			d.c.uid = uid
		}
	case strings.HasPrefix(said, "NO [UNAVAILABLE]"), strings.HasPrefix(said, "NO [INUSE]"):
		word = "NO"
	default:
		d.g.t.Errorf("%s: %q", command, said)
	}
	d.answers[strings.Fields(strings.TrimPrefix(command, "UID "))[0]+" "+word]++
	return word
}

// connect logs in and selects Drafts, again and again.
func (d *deeds) connect() bool {
	for range 50 {
		if d.c != nil {
			return true
		}
		c, err := d.g.dial()
		if err != nil {
			d.answers["connect lost"]++
			continue
		}
		d.c = c
		for _, command := range []string{fmt.Sprintf("LOGIN %s %q", alice, password), "SELECT Drafts"} {
			said, err := c.do("%s", command)
			if d.judge(command, said, err) != "OK" {
				if d.c != nil {
					d.c.Close()
				}
				d.c = nil
				break
			}
		}
	}
	d.g.t.Error("no session comes about")
	return false
}

// fetch reads the message back: what comes is whole, or the session says so.
func (d *deeds) fetch(name string, uid uint32) {
	if !d.connect() {
		return
	}
	var text strings.Builder
	d.c.untagged = func(s string) { text.WriteString(s + "\r\n") }
	if d.do("UID FETCH %d (BODY.PEEK[])", uid) == "OK" && !strings.Contains(text.String(), strings.TrimSuffix(compose(name), "\r\n")) {
		d.g.t.Errorf("%s was told OK, and is %.300q", name, text.String())
	}
	if d.c != nil {
		d.c.untagged = func(string) {}
	}
}

// checkDeeds compares the mailboxes with what clients were told.
func checkDeeds(w *town, done []*deeds) {
	w.t.Helper()
	drafts, sent, archive := w.names(alice, "Drafts"), w.names(alice, "Sent"), w.names(alice, "Archive")
	flagged := w.flagged(alice, "Drafts", "Sent")
	answers, messages := map[string]int{}, 0
	for _, d := range done {
		for k, n := range d.answers {
			answers[k] += n
		}
		for _, m := range d.mails {
			messages++
			here := drafts[m.name] + sent[m.name]
			if here > 1 || here == 0 && m.appended {
				w.t.Errorf("%s: APPEND was told OK: %v, it is there %d times", m.name, m.appended, here)
			}
			if m.moved && sent[m.name] != 1 || !m.triedMove && sent[m.name] > 0 {
				w.t.Errorf("%s: MOVE was tried: %v, told OK: %v, it is there %d times", m.name, m.triedMove, m.moved, sent[m.name])
			}
			if n := archive[m.name]; n < m.copies || n > m.triedCopies {
				w.t.Errorf("%s: of %d COPY %d were told OK, it is there %d times", m.name, m.triedCopies, m.copies, n)
			}
			if is := flagged[m.name]; m.flagged && !is || is && !m.triedFlag {
				w.t.Errorf("%s: STORE was tried: %v, told OK: %v, it is so: %v", m.name, m.triedFlag, m.flagged, is)
			}
		}
	}
	w.t.Logf("%d messages by APPEND; answers: %v", messages, answers)
	if !slices.ContainsFunc(slices.Collect(maps.Keys(answers)), func(k string) bool { return strings.HasSuffix(k, " NO") }) {
		w.t.Error("no command met a fault")
	}
}

// flagged gives the messages that have the flag.
func (w *town) flagged(address string, mailboxes ...string) map[string]bool {
	w.t.Helper()
	store := w.store(w.Ports, false)
	a, err := store.Open(w.t.Context(), w.refs[address])
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Close()
	names := map[string]bool{}
	for _, mailbox := range mailboxes {
		m := a.State().Mailbox(mailbox)
		for i := range m.Len() {
			msg := m.At(i)
			if msg.Flags&account.Flagged == 0 {
				continue
			}
			c, err := a.Contents(w.t.Context(), []account.ContentRef{msg.Content})
			if err != nil {
				w.t.Fatal(err)
			}
			name, err := read(w.t.Context(), store, &c[0])
			if err != nil {
				w.t.Fatal(err)
			}
			names[name] = true
		}
	}
	return names
}
