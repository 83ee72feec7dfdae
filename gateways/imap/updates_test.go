package imap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/google/go-cmp/cmp"

	"github.com/godwit-mail/godwit/shared/account"
)

// news collects what a session is told unasked.
type news struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func (n *news) options() *imapclient.Options {
	n.more = make(chan struct{}, 1000)
	add := func(s string) {
		n.mu.Lock()
		n.lines = append(n.lines, s)
		n.mu.Unlock()
		n.more <- struct{}{}
	}
	return &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{
		Expunge: func(seq uint32) { add(fmt.Sprintf("%d EXPUNGE", seq)) },
		Mailbox: func(m *imapclient.UnilateralDataMailbox) {
			if m.NumMessages != nil {
				add(fmt.Sprintf("%d EXISTS", *m.NumMessages))
			}
		},
		Fetch: func(m *imapclient.FetchMessageData) {
			b, err := m.Collect()
			if err == nil {
				add(fmt.Sprintf("%d FETCH %d %v", b.SeqNum, b.UID, b.Flags))
			}
		},
	}}
}

func (n *news) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.lines
	n.lines = nil
	return l
}

// until waits until a line was told.
func (n *news) until(t *testing.T, line string) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		n.mu.Lock()
		found := slices.Contains(n.lines, line)
		n.mu.Unlock()
		if found {
			return
		}
		select {
		case <-n.more:
		case <-late:
			t.Fatalf("was never told %q, but %q", line, n.take())
		}
	}
}

func fill(w *world, n int) {
	for i := range n {
		w.deliver("", fmt.Sprintf("Subject: m%d\r\n\r\ntext %d\r\n", i+1, i+1))
	}
}

func uidsOf(t *testing.T, c *imapclient.Client) []imap.UID {
	t.Helper()
	list, err := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, &imap.FetchOptions{UID: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var uids []imap.UID
	for i, m := range list {
		if m.SeqNum != uint32(i)+1 {
			t.Errorf("message %d has number %d", i+1, m.SeqNum)
		}
		uids = append(uids, m.UID)
	}
	return uids
}

func TestSequenceNumbersNameWhatTheClientSaw(t *testing.T) {
	w := newWorld(t)
	fill(w, 5)
	var told news
	a, b := w.in("INBOX", told.options()), w.in("INBOX", nil)
	if err := b.Store(imap.SeqSetNum(2, 4), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Expunge().Collect(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Move(imap.SeqSetNum(1), "Archive").Wait(); err != nil {
		t.Fatal(err)
	}
	w.deliver("", "Subject: m6\r\n\r\ntext 6\r\n")
	// FETCH by number: nothing is renumbered, and also what is gone can still be read.
	list, err := a.Fetch(imap.SeqSet{{Start: 1, Stop: 5}}, &imap.FetchOptions{UID: true, Envelope: true}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range list {
		if want := fmt.Sprintf("m%d", i+1); m.Envelope.Subject != want || m.UID != imap.UID(i+1) {
			t.Errorf("number %d is %d, %q", m.SeqNum, m.UID, m.Envelope.Subject)
		}
	}
	if diff := cmp.Diff([]string{"6 EXISTS"}, told.take()); diff != "" {
		t.Errorf("told after FETCH: %s", diff)
	}
	// STORE by number changes what is there, and nothing else.
	if err := a.Store(imap.SeqSetNum(4, 5), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagFlagged}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	if got := told.take(); slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, "EXPUNGE") }) {
		t.Errorf("told after STORE: %q", got)
	}
	found, err := a.Search(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagFlagged}}, nil).Wait()
	if err != nil || fmt.Sprint(found.AllSeqNums()) != "[5]" {
		t.Errorf("flagged: %v, %v", found.AllSeqNums(), err)
	}
	if err := a.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"1 EXPUNGE", "1 EXPUNGE", "2 EXPUNGE"}, told.take()); diff != "" {
		t.Errorf("told after NOOP: %s", diff)
	}
	if diff := cmp.Diff([]imap.UID{3, 5, 6}, uidsOf(t, a)); diff != "" {
		t.Error(diff)
	}
}

func TestAnotherSessionsFlagsAreToldOnceAndOwnOnesNot(t *testing.T) {
	w := newWorld(t)
	fill(w, 2)
	var told news
	a, b := w.in("INBOX", told.options()), w.in("INBOX", nil)
	// flag gives what the client is told while the command is at work.
	flag := func(c *imapclient.Client, silent bool, f imap.Flag) (got []string) {
		t.Helper()
		list, err := c.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: silent, Flags: []imap.Flag{f}}, nil).Collect()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			got = append(got, fmt.Sprintf("%d FETCH %d %v", m.SeqNum, m.UID, m.Flags))
		}
		return append(got, told.take()...)
	}
	if got := flag(a, true, imap.FlagSeen); len(got) != 0 {
		t.Errorf("told of its own silent change: %q", got)
	}
	if diff := cmp.Diff([]string{`2 FETCH 2 [\Seen \Flagged]`}, flag(b, false, imap.FlagFlagged)); diff != "" {
		t.Error(diff)
	}
	// On top of what a doesn't know yet.
	if diff := cmp.Diff([]string{`2 FETCH 2 [\Seen \Answered \Flagged]`}, flag(a, true, imap.FlagAnswered)); diff != "" {
		t.Error(diff)
	}
	if err := a.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	if got := told.take(); len(got) != 0 {
		t.Errorf("told again: %q", got)
	}
}

func TestIdleTellsOfADeliveryAndOfWhatOthersDo(t *testing.T) {
	w := newWorld(t)
	fill(w, 1)
	var told news
	a, b := w.in("INBOX", told.options()), w.in("INBOX", nil)
	idle, err := a.Idle()
	if err != nil {
		t.Fatal(err)
	}
	w.deliver("", "Subject: x\r\n\r\nx\r\n")
	told.until(t, "2 EXISTS")
	if err := b.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	if err := b.Store(imap.SeqSetNum(2), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		t.Fatal(err)
	}
	told.until(t, `2 FETCH 2 [\Deleted]`)
	if _, err := b.UIDExpunge(imap.UIDSetNum(2)).Collect(); err != nil {
		t.Fatal(err)
	}
	told.until(t, "2 EXPUNGE")
	if err := idle.Close(); err != nil {
		t.Fatal(err)
	}
	if err := idle.Wait(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]imap.UID{1}, uidsOf(t, a)); diff != "" {
		t.Error(diff)
	}
}

func TestSuspensionEndsSessions(t *testing.T) {
	w := newWorld(t)
	a := w.in("INBOX", nil)
	idle, err := a.Idle()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.open().SetAccess(t.Context(), account.By{}, true, true); err != nil {
		t.Fatal(err)
	}
	_ = idle.Wait()
	waitClosed(t, a)
}

func TestShutdownSaysGoodbyeToIdleAndWaitingSessions(t *testing.T) {
	w := newWorld(t)
	a, b := w.in("INBOX", nil), w.client(nil)
	idle, err := a.Idle()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.shutdown("imaps"); err != nil {
		t.Fatal(err)
	}
	_ = idle.Wait()
	waitClosed(t, a)
	waitClosed(t, b)
}

func waitClosed(t *testing.T, c *imapclient.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	select {
	case <-c.Closed():
	case <-ctx.Done():
		t.Fatal("the session goes on")
	}
}

func TestManySessionsAgreeInTheEnd(t *testing.T) {
	w := newWorld(t)
	fill(w, 10)
	const n = 4
	var clients [n]*imapclient.Client
	for i := range clients {
		clients[i] = w.in("INBOX", nil)
	}
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			for k := range 10 {
				switch k % 5 {
				case 0:
					cmd := c.Append("INBOX", 5, nil)
					_, _ = cmd.Write([]byte("a\r\nbc"))
					_ = cmd.Close()
					if _, err := cmd.Wait(); err != nil {
						t.Error(err)
					}
				case 1:
					if _, err := c.Copy(imap.UIDSetNum(imap.UID(i+1)), "INBOX").Wait(); err != nil {
						t.Error(err)
					}
				case 2:
					if err := c.Store(imap.UIDSetNum(imap.UID(2*i+k/5+1)), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
						t.Error(err)
					}
				case 3:
					if _, err := c.Expunge().Collect(); err != nil {
						t.Error(err)
					}
				case 4:
					if _, err := c.Move(imap.UIDSetNum(imap.UID(10-i)), "INBOX").Wait(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	var want []imap.UID
	m := w.open().State().Mailbox("INBOX")
	for i := range m.Len() {
		want = append(want, imap.UID(m.UIDAt(i)))
	}
	for _, c := range clients {
		if err := c.Noop().Wait(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, uidsOf(t, c)); diff != "" {
			t.Error(diff)
		}
	}
}
