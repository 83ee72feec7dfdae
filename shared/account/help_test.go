package account

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/internal/porttest"
	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

var by = By{Actor: "tester", Protocol: "imap", Session: "s1"}

// world is one journal with a clock.
type world struct {
	clock   *porttest.Clock
	journal journal.Driver
	all     journal.Driver // has also what was trimmed; nil: nothing was
	blobs   *memoryBlobs
	ref     Ref
	log     *slog.Logger
	broken  bool // errors are expected in the log
}

func newWorld(t testing.TB) *world {
	t.Helper()
	clock := porttest.NewClock()
	return newWorldOn(t, clock, newMemory(clock.Now))
}

func newWorldOn(t testing.TB, clock *porttest.Clock, d journal.Driver) *world {
	t.Helper()
	w := &world{clock: clock, journal: d, blobs: newMemoryBlobs(clock.Now), ref: Ref{ID: "someaccount", Epoch: 1, Tenant: "t1"}}
	var logged bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
	t.Cleanup(func() {
		if logged.Len() > 0 && !w.broken {
			t.Errorf("logged: %s", logged.String())
		}
	})
	porttest.OK(t, w.store().Create(context.Background(), w.ref, by))
	return w
}

// store gives another process's store.
func (w *world) store() *Store { return w.storeOn(w.journal) }

func (w *world) storeOn(d journal.Driver) *Store {
	s := New(Config{Journal: d, Now: w.clock.Now, Blobs: blob.Store{Driver: w.blobs}, Log: w.log})
	s.backoff = 0
	return s
}

func (w *world) open(t testing.TB, s *Store) *Account {
	t.Helper()
	a, err := s.Open(context.Background(), w.ref)
	porttest.OK(t, err)
	t.Cleanup(a.Close)
	return a
}

// summary is one that can be decoded.
func summary() []byte {
	s := message.NewScanner()
	_, _ = s.Write([]byte("Message-ID: <1@example.org>\r\nSubject: hi\r\n\r\nhello\r\n"))
	sum := s.Finish()
	return sum.Encode()
}

var someSummary = summary()

func content(size int64) Content {
	return Content{Head: []byte("Received: x\r\n"), Summary: someSummary,
		Blob: blob.Ref{Name: "m/t1/2030030405/abc", Header: 50, Size: size}}
}

func newMessage(size int64) NewMessage { return NewMessage{Content: content(size)} }

func delivery(name string) Add {
	return Add{Content: content(100), EmailID: EmailID(), Thread: ThreadID(Ref{ID: "x"}, name, "", nil),
		Date: 1_900_000_000_000, Name: DeliveryName(name)}
}

// dump writes down all that can be seen of a state but for what its messages are made of.
func dump(s *State) string { return dumpWith(s, nil) }

func dumpWith(s *State, contents map[ContentRef]Content) string {
	var b strings.Builder
	st := s.Standing()
	fmt.Fprintf(&b, "seq %d modseq %d time %d\n", s.Seq(), s.ModSeq(), s.Time())
	fmt.Fprintf(&b, "totals %+v closed %q suspended %v generation %d recent-from %d\n", st.Totals, st.Closed, st.Suspended, st.Generation, st.RecentFrom)
	for _, r := range st.Recent {
		fmt.Fprintf(&b, "recent %d %x\n", r.Seq, r.Names)
	}
	fmt.Fprintf(&b, "subscriptions %q\n", s.Subscriptions())
	for _, a := range s.Annotations() {
		fmt.Fprintf(&b, "annotation %q %q\n", a.Name, a.Value)
	}
	for _, o := range s.Outbox() {
		fmt.Fprintf(&b, "outbox %q %q %q\n", o.Name, o.Kind, o.Body)
	}
	for _, m := range s.Mailboxes() {
		fmt.Fprintf(&b, "\nmailbox %d %q %s use %q uidvalidity %d uidnext %d highest %d keywords %q\n  count %d unseen %d deleted %d bytes %d\n",
			m.ID, m.Name, m.ObjectID(s.Ref()), m.SpecialUse, m.UIDValidity, m.UIDNext, m.HighestModSeq, m.Keywords, m.Count, m.Unseen, m.Deleted, m.Bytes)
		for _, a := range m.Annotations {
			fmt.Fprintf(&b, "  annotation %q %q\n", a.Name, a.Value)
		}
		for _, x := range m.Messages() {
			fmt.Fprintf(&b, "  %d modseq %d flags %05b %q date %d saved %d size %d %s %s uidl %q content %d/%d\n", x.UID, x.ModSeq,
				x.Flags, x.Words, x.Date, x.Saved, x.Size, contents[x.Content].EmailID, contents[x.Content].Thread, x.UIDL, x.Content.Seq, x.Content.Index)
		}
		_, gone := m.Changes(0)
		for _, g := range gone {
			fmt.Fprintf(&b, "  gone %d:%d\n", g.First, g.Last)
		}
		dumpSharing(&b, m)
	}
	return b.String()
}

// dumpSharing writes down who may do what with a mailbox, and how its readers see it.
func dumpSharing(b *strings.Builder, m *Mailbox) {
	for _, g := range m.ACL {
		fmt.Fprintf(b, "  grant %q %s\n", g.Who, g.Rights.Letters())
	}
	if m.SharedSeen || m.switched > 0 {
		fmt.Fprintf(b, "  shared seen %v since %d\n", m.SharedSeen, m.switched)
	}
	for _, r := range m.readers {
		x := m.For(r.id)
		fmt.Fprintf(b, "  reader %q highest %d unseen %d:", r.id, x.HighestModSeq, x.Unseen)
		for _, msg := range x.Messages() {
			fmt.Fprintf(b, " %d/%05b/%d", msg.UID, msg.Flags, msg.ModSeq)
		}
		b.WriteString("\n")
	}
}

// check fails the test where a state contradicts itself.
func check(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *State) {
	t.Helper()
	var totals Totals
	for _, m := range s.Mailboxes() {
		var count, unseen, deleted int
		var bytes, deletedBytes int64
		var last uint32
		var highest uint64
		for i, x := range m.Messages() {
			if x.UID <= last || x.UID >= m.UIDNext {
				t.Fatalf("%s: UID %d after %d, next is %d", m.Name, x.UID, last, m.UIDNext)
			}
			if at, ok := m.Find(x.UID); !ok || at != i || m.At(i).UID != x.UID || m.UIDAt(i) != x.UID {
				t.Fatalf("%s: message %d with UID %d is found at %d", m.Name, i, x.UID, at)
			}
			last = x.UID
			count++
			bytes += x.Size
			if x.Flags&Seen == 0 {
				unseen++
			}
			if x.Flags&Deleted != 0 {
				deleted++
				deletedBytes += x.Size
			}
			highest = max(highest, x.ModSeq)
		}
		if count != m.Count || count != m.Len() || unseen != m.Unseen || deleted != m.Deleted || bytes != m.Bytes || deletedBytes != m.DeletedBytes {
			t.Fatalf("%s: counted %d, %d, %d, %d; it says %d, %d, %d, %d", m.Name, count, unseen, deleted, bytes, m.Count, m.Unseen, m.Deleted, m.Bytes)
		}
		if m.HighestModSeq < highest || m.HighestModSeq > s.ModSeq() {
			t.Fatalf("%s: HIGHESTMODSEQ %d, a message has %d, the account %d", m.Name, m.HighestModSeq, highest, s.ModSeq())
		}
		_, gone := m.Changes(0)
		for _, g := range gone {
			if from, to := m.span(g); from != to {
				t.Fatalf("%s: %v is gone and holds a message", m.Name, g)
			}
		}
		for _, r := range m.readers {
			checkReader(t, m.For(r.id))
		}
		totals.Messages += int64(count)
		totals.Bytes += bytes
		totals.Mailboxes++
	}
	if totals != s.Standing().Totals {
		t.Fatalf("counted %+v, the standing says %+v", totals, s.Standing().Totals)
	}
}

func checkReader(t interface{ Fatalf(string, ...any) }, m *Mailbox) {
	unseen, highest := 0, uint64(0)
	for _, x := range m.Messages() {
		if x.Flags&Seen == 0 {
			unseen++
		}
		highest = max(highest, x.ModSeq)
	}
	if unseen != m.Unseen || highest > m.HighestModSeq {
		t.Fatalf("%s: a reader has %d unseen and MODSEQ %d, it says %d and %d", m.Name, unseen, highest, m.Unseen, m.HighestModSeq)
	}
}

// settled reads the whole journal with a fresh store.
func (w *world) settled(t testing.TB) *State {
	t.Helper()
	a := w.open(t, w.store())
	check(t, a.State())
	return a.State()
}

func uids(list ...uint32) (ranges []Range) {
	for _, u := range list {
		ranges = append(ranges, Range{First: u, Last: u})
	}
	return ranges
}
