//go:build localstack

package chaos_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/ports"
)

// Two gateways and four functions write one account at the same time, which sessions watch at
// both gateways. What a session is told OK to at one gateway is seen at once at the other;
// UIDs and MODSEQ rise without a gap; in the end all see the same.
func TestManyWritersOfOneAccountAreSeenInOneOrder(t *testing.T) {
	t.Parallel()
	const mails, appends, moves = 40, 12, 12
	w, all := newTown(t, cloudtest.Options{Redrive: 100}, alice), &ledger{}
	gateways := []*gateway{w.gateway(nil, ports.Decorators{}), w.gateway(nil, ports.Decorators{})}
	var readers, drafts []*reader
	for _, g := range gateways {
		readers = append(readers, watch(t, g, alice))
		drafts = append(drafts, watchMailbox(t, g, alice, "Drafts", false))
	}
	follow := w.follow(alice)
	w.functions(4, nil)
	var work sync.WaitGroup
	for n, g := range gateways {
		other, busy := gateways[1-n].login(t, alice, "Archive"), g.login(t, alice, "Archive")
		mover := g.login(t, alice, "Drafts")
		work.Go(func() {
			for i := range mails / len(gateways) {
				all.send(g, fmt.Sprintf("mail-%d-%d", n, i), alice)
			}
		})
		work.Go(func() {
			for i := range appends / len(gateways) {
				name := fmt.Sprintf("append-%d-%d", n, i)
				if !busy.append(t, "INBOX", name, "OK") {
					return
				}
				all.told(name, alice)
				uid := busy.uid
				// What was told OK here is there now.
				if got := other.ask(t, "STATUS INBOX (UIDNEXT)", "UIDNEXT"); got <= uid {
					t.Errorf("after OK to UID %d the other gateway has UIDNEXT %d", uid, got)
				}
				other.ok(t, "EXAMINE INBOX")
				found := false
				other.untagged = func(s string) { found = found || strings.Contains(s, fmt.Sprintf("UID %d", uid)) }
				other.ok(t, "UID FETCH %d (UID FLAGS)", uid)
				if !found {
					t.Errorf("UID %d, which one gateway was told OK to, isn't at the other", uid)
				}
				other.untagged = func(string) {}
				other.ok(t, "UNSELECT")
				busy.ok(t, "SELECT INBOX")
				busy.ok(t, `UID STORE 1:* +FLAGS.SILENT (Word%d)`, i%3)
				busy.ok(t, "UNSELECT")
			}
		})
		work.Go(func() { // in mailboxes of its own, through a mailbox that both use
			for i := range moves / len(gateways) {
				if !mover.append(t, "Drafts", fmt.Sprintf("move-%d-%d", n, i), "OK") {
					return
				}
				uid := mover.uid
				mover.ok(t, "NOOP")
				mover.ok(t, "UID MOVE %d Sent", uid)
			}
		})
	}
	work.Wait()
	w.drained(time.Minute)
	for _, r := range readers {
		r.sees(mails + appends)
	}
	for _, r := range drafts {
		r.sees(0)
	}
	if told := all.check(w, alice); told != mails+appends {
		t.Errorf("%d mails were told OK, want %d", told, mails+appends)
	}
	for name, n := range w.names(alice, "Sent") {
		if n != 1 {
			t.Errorf("%s was moved to Sent and is there %d times", name, n)
		}
	}
	if n := len(w.names(alice, "Drafts")); n > 0 {
		t.Errorf("%d messages are still where they were moved from", n)
	}
	if a, b := readers[0].known(), readers[1].known(); !slices.Equal(a, b) {
		t.Errorf("one gateway has %v, the other %v", a, b)
	}
	w.sameUIDs(gateways[0], gateways[1])
	follow()
	w.nothingParked()
	t.Logf("%d entries; the readers were told of news %d and %d times, and that of %d messages %d and %d went",
		w.last(alice), readers[0].times, readers[1].times, moves, drafts[0].gone, drafts[1].gone)
}

// sameUIDs compares what two gateways answer of each message in each mailbox.
func (w *town) sameUIDs(a, b *gateway) {
	w.t.Helper()
	for _, mailbox := range []string{"INBOX", "Sent", "Drafts"} {
		var said [2][]string
		for i, g := range []*gateway{a, b} {
			c := g.login(w.t, alice, mailbox)
			c.untagged = func(s string) { said[i] = append(said[i], s) }
			c.ok(w.t, "UID FETCH 1:* (UID RFC822.SIZE INTERNALDATE ENVELOPE)")
		}
		if !slices.Equal(said[0], said[1]) {
			w.t.Errorf("%s: one gateway says %q, the other %q", mailbox, said[0], said[1])
		}
	}
}

// follow has a process of its own follow the account by what it is told, and checks each
// state that it sees. The function that is given ends it, when it has seen the last entry.
func (w *town) follow(address string) (end func()) {
	w.t.Helper()
	a, err := w.store(w.open(nil), true).Open(w.t.Context(), w.refs[address])
	if err != nil {
		w.t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	steps := 0
	go func() {
		defer close(done)
		for last := a.State(); ; {
			changed := a.Changed()
			state := a.State()
			follows(w.t, last, state)
			if last != state {
				steps++
			}
			last = state
			select {
			case <-changed:
			case <-stop:
				return
			}
		}
	}()
	return func() {
		w.t.Helper()
		poll(w.t, 30*time.Second, "the process that follows has the last entry", func() bool { return a.State().Seq() == w.last(address) })
		close(stop)
		<-done
		a.Close()
		w.t.Logf("the process that follows saw %d states", steps)
	}
}

// follows checks that a state may come after another.
func follows(t *testing.T, before, after *account.State) {
	if after.Seq() < before.Seq() || after.ModSeq() < before.ModSeq() {
		t.Errorf("after entry %d comes %d", before.Seq(), after.Seq())
	}
	for _, old := range before.Mailboxes() {
		m := after.MailboxByID(old.ID)
		if m == nil || m.UIDNext < old.UIDNext || m.HighestModSeq < old.HighestModSeq || m.UIDValidity != old.UIDValidity {
			t.Errorf("%s: after UIDNEXT %d, HIGHESTMODSEQ %d comes %+v", old.Name, old.UIDNext, old.HighestModSeq, m)
			continue
		}
		changed, _ := m.Changes(before.ModSeq())
		last := uint32(0)
		for _, c := range changed {
			if c.UID >= old.UIDNext {
				// New ones follow each other without a gap, unless they are gone already.
				if gap := c.UID - max(last+1, old.UIDNext); old.Name == "INBOX" && gap != 0 {
					t.Errorf("UID %d comes after UID %d", c.UID, max(last, old.UIDNext-1))
				}
				last = c.UID
			}
			if c.ModSeq <= before.ModSeq() || c.ModSeq > after.ModSeq() {
				t.Errorf("UID %d changed at %d, between %d and %d", c.UID, c.ModSeq, before.ModSeq(), after.ModSeq())
			}
		}
	}
}

// ok sends a command that must be answered with OK.
func (c *client) ok(t *testing.T, format string, args ...any) {
	t.Helper()
	if said, err := c.do(format, args...); err != nil || !strings.HasPrefix(said, "OK") {
		t.Errorf("%s: %q, %v", fmt.Sprintf(format, args...), said, err)
	}
}

// ask gives the number that follows a word in the untagged answers.
func (c *client) ask(t *testing.T, command, word string) (n uint32) {
	t.Helper()
	c.untagged = func(s string) {
		if _, rest, ok := strings.Cut(s, word+" "); ok {
			v, _ := strconv.ParseUint(strings.TrimRight(strings.Fields(rest)[0], ")"), 10, 32)
			n = uint32(v)
		}
	}
	c.ok(t, "%s", command)
	c.untagged = func(string) {}
	return n
}

// append is APPEND of a mail of that name; it notes the UID.
func (c *client) append(t *testing.T, mailbox, name, want string) bool {
	t.Helper()
	mail := compose(name)
	said, err := c.do("APPEND %s {%d+}\r\n%s", mailbox, len(mail), mail)
	if err != nil || !strings.HasPrefix(said, want) {
		t.Errorf("APPEND of %s: %q, %v", name, said, err)
		return false
	}
	c.uid = appended(said)
	return true
}

// appended gives the UID in OK [APPENDUID 1 2], else 0.
func appended(said string) uint32 {
	var validity, uid uint32
	if _, err := fmt.Sscanf(said, "OK [APPENDUID %d %d]", &validity, &uid); err != nil {
		return 0
	}
	return uid
}

// told notes a mail that was told OK in another way.
func (l *ledger) told(name string, to ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mails = append(l.mails, &letter{name: name, to: to, told: true})
}
