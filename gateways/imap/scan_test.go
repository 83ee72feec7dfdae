package imap

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/mail/collate"
	"github.com/godwit-mail/godwit/shared/mail/thread"
)

// selected is a client of its own with INBOX selected, which has n messages.
func (w *world) selected(n int) *raw {
	w.t.Helper()
	r := w.raw(true)
	for i := range n {
		w.deliver("", fmt.Sprintf("From: a%d@x.test\r\nSubject: number %d\r\nX-Odd: %[1]d\r\n\r\nneedle %[1]d\r\n", i, i))
	}
	if list := r.ask("s", "SELECT INBOX"); !strings.HasPrefix(list[len(list)-1], "s OK") {
		w.t.Fatal(list)
	}
	return r
}

func TestSearchesReadNoMoreThanTheyMust(t *testing.T) {
	w := newWorld(t)
	r := w.selected(20)
	for _, tt := range []struct {
		command string
		reads   int64
	}{
		{"SEARCH UNSEEN LARGER 3 SINCE 1-Jan-2000", 0},
		{"SEARCH FROM x.test SUBJECT number SENTSINCE 1-Jan-1990", 0},
		{"SEARCH SUBJECT number TO nobody", 0},
		{"SORT (SUBJECT FROM DATE CC REVERSE SIZE DISPLAYTO) UTF-8 ALL", 0},
		{"THREAD REFERENCES UTF-8 ALL", 0},
		{"SEARCH HEADER X-Odd 7", 20},
		{"SEARCH BODY needle", 20},
		{"SEARCH TEXT needle BODY 7 HEADER X-Odd 7", 40}, // the header, and then all of it
		{"SEARCH BODY needle SUBJECT \"number 7\"", 1},
		{"SEARCH OR BODY needle FROM x.test", 0},
		{"SEARCH TEXT needle 3:5", 3},
	} {
		before := w.reads.n.Load()
		list := r.ask("a", tt.command)
		if n := w.reads.n.Load() - before; n > tt.reads || !strings.HasPrefix(list[len(list)-1], "a OK") {
			t.Errorf("%s: %d reads, wanted %d at most, %q", tt.command, n, tt.reads, list)
		}
	}
}

func TestWhoWaitsForASearchIsToldHowFarItIs(t *testing.T) {
	w := newWorld(t)
	r := w.selected(40)
	w.gateway.progress = time.Millisecond
	for _, command := range []string{"SEARCH BODY needle", "UID SORT (SUBJECT) UTF-8 BODY needle", "THREAD REFERENCES UTF-8 BODY needle"} {
		wait := make(chan struct{})
		hold := func(ctx context.Context) error {
			select {
			case <-wait:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		w.reads.hold.Store(&hold)
		r.say("a1 " + command + "\r\n")
		if line := r.line(); !strings.HasPrefix(line, `* OK [INPROGRESS ("a1" `) || !strings.HasSuffix(line, ` 40)] Still at work`) {
			t.Errorf("%s: %s, %v", command, line, r.err)
		}
		close(wait)
		if list := r.answer("a1"); !strings.HasPrefix(list[len(list)-1], "a1 OK") {
			t.Errorf("%s: %q", command, list)
		}
		w.reads.hold.Store(nil)
	}
}

func TestWhoWaitsForACopyOrAMoveIsToldThatItGoesOn(t *testing.T) {
	w := newWorld(t)
	r := w.selected(2)
	w.gateway.progress = time.Millisecond
	r.ask("a0", "CREATE there")
	for _, command := range []string{"COPY 1 there", "MOVE 1 there"} {
		hold := make(chan struct{})
		w.appends.hold.Store(&hold)
		r.say("a1 " + command + "\r\n")
		if line := r.line(); line != `* OK [INPROGRESS ("a1" NIL NIL)] Still at work` {
			t.Errorf("%s: %s, %v", command, line, r.err)
		}
		close(hold)
		if list := r.answer("a1"); !strings.HasPrefix(list[len(list)-1], "a1 OK") {
			t.Errorf("%s: %q", command, list)
		}
	}
}

func TestASearchEndsWhenItsClientHasGone(t *testing.T) {
	w := newWorld(t)
	r := w.selected(200)
	w.gateway.progress = time.Millisecond
	ended, begun := make(chan struct{}), make(chan struct{})
	var readers, most, first atomic.Int64
	hold := func(ctx context.Context) error {
		n := readers.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == searchReaders {
			close(begun)
		}
		<-ctx.Done()
		if first.Add(1) == 1 {
			close(ended)
		}
		return ctx.Err()
	}
	w.reads.hold.Store(&hold)
	r.say("a1 SEARCH BODY needle\r\n")
	<-begun
	r.Close()
	<-ended
	if n := most.Load(); n != searchReaders {
		t.Errorf("%d readers at once", n)
	}
}

func TestADefectInAReaderEndsNoMoreThanItsSession(t *testing.T) {
	w := newWorld(t)
	r := w.selected(20)
	s := w.gateway.newSession(t.Context(), newConn(r.Conn, &w.gateway.out), true)
	defer func() {
		if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "a defect") {
			t.Errorf("%v", p)
		}
	}()
	_ = s.progress(&command{tag: "a"}, 0).scan(t.Context(), 100, 1, func(_ context.Context, from, _ int) error {
		if from == 50 {
			panic("a defect")
		}
		return nil
	})
}

func TestACommandThatIsNotInterruptedIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		s := &session{gateway: &Gateway{progress: progressTime}, conn: &conn{}}
		s.conn.w.Out, s.conn.w.Buffers = &out, &s.gateway.out
		err := s.progress(&command{tag: "c1"}, 0).wait(func() error {
			time.Sleep(25 * time.Second)
			return errOver
		})
		if want := strings.Repeat("* OK [INPROGRESS (\"c1\" NIL NIL)] Still at work\r\n", 2); err != errOver || out.String() != want {
			t.Errorf("%q, %v", out.String(), err)
		}
	})
}

// What SORT says is what a naive comparison of the messages says.
func TestSortDoesWhatTheModelDoes(t *testing.T) {
	type mail struct{ subject, from, to, date string }
	rapid.Check(t, func(t *rapid.T) {
		some := func(list ...string) *rapid.Generator[string] { return rapid.SampledFrom(list) }
		mails := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) mail {
			return mail{some("", "Re: ", "[x] ").Draw(t, "lead") + some("", "a", "B", "äb", "identical beginning 1", "identical beginning 2").Draw(t, "subject"),
				some("", "a", "b", "C").Draw(t, "from"), some("", "x", "longer mailbox 1", "longer mailbox 2").Draw(t, "to"),
				some("", "d", "e").Draw(t, "date")}
		}), 0, 20).Draw(t, "mails")
		o := &sorter{texts: []string{""}}
		text := func(s string) uint32 { o.texts = append(o.texts, collate.Key(s)); return uint32(len(o.texts) - 1) }
		for i, m := range mails {
			base, _ := thread.BaseSubject(m.subject)
			o.hits = append(o.hits, hit{index: i, size: int64(len(m.subject)), date: -int64(len(m.from))})
			o.rows = append(o.rows, traits{sent: int64(len(m.date)), texts: [textKinds]uint32{textSubject: text(base), textFrom: text(m.from), textTo: text(m.to)}})
		}
		o.by = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) criterion {
			return criterion{sortBy(rapid.IntRange(0, 3).Draw(t, "by")), rapid.SampledFrom([]int{textSubject, textFrom, textTo}).Draw(t, "text"), rapid.Bool().Draw(t, "reverse")}
		}), 1, 4).Draw(t, "criteria")
		less := func(a, b int) bool { // of the mails themselves
			for _, c := range o.by {
				var x, y string
				switch {
				case c.by == byArrival:
					x, y = fmt.Sprintf("%03d", 999+o.hits[a].date), fmt.Sprintf("%03d", 999+o.hits[b].date)
				case c.by == bySize:
					x, y = fmt.Sprintf("%03d", o.hits[a].size), fmt.Sprintf("%03d", o.hits[b].size)
				case c.by == bySent:
					x, y = mails[a].date, mails[b].date
					x, y = strconv.Itoa(len(x)), strconv.Itoa(len(y))
				case c.text == textSubject:
					x, _ = thread.BaseSubject(mails[a].subject)
					y, _ = thread.BaseSubject(mails[b].subject)
				case c.text == textFrom:
					x, y = mails[a].from, mails[b].from
				default:
					x, y = mails[a].to, mails[b].to
				}
				if x, y = collate.Key(x), collate.Key(y); x != y {
					return (x < y) != c.reverse
				}
			}
			return a < b
		}
		var want []int32 // by insertion
		for i := range mails {
			at := len(want)
			for at > 0 && less(i, int(want[at-1])) {
				at--
			}
			want = append(want[:at], append([]int32{int32(i)}, want[at:]...)...)
		}
		if got := o.sort(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v: %v, the model says %v", o.by, got, want)
		}
	})
}

func TestColumnsFollowTheMailbox(t *testing.T) {
	w := newWorld(t)
	r := w.selected(6)
	ask := func(command, want string) {
		t.Helper()
		if list := r.ask("a", command); list[0] != want {
			t.Errorf("%s: %q, wanted %s", command, list, want)
		}
	}
	ask("SORT (REVERSE SUBJECT) UTF-8 2,4,6", "* SORT 6 4 2")
	ask("SORT (REVERSE SUBJECT) UTF-8 ALL", "* SORT 6 5 4 3 2 1")
	r.ask("a", "UID STORE 2,5 +FLAGS.SILENT (\\Deleted)")
	r.ask("a", "EXPUNGE")
	ask("UID SORT (SUBJECT) UTF-8 ALL", "* SORT 1 3 4 6")
	c := w.client(nil)
	appendTo(t, c, "INBOX", "Subject: number 2a\r\n\r\n", imap.FlagSeen)
	r.ask("a", "NOOP")
	ask("UID SORT (SUBJECT) UTF-8 ALL", "* SORT 1 3 7 4 6")
	// Columns that are thrown away are made again.
	w.gateway.columns.bytes = columnBytes + 1
	ask("UID SORT (FROM) UTF-8 SEEN", "* SORT 7")
	ask("UID SORT (REVERSE SUBJECT) UTF-8 UNSEEN", "* SORT 6 4 3 1")
}

func TestAllCharsetsThatAreListedAreKnown(t *testing.T) {
	w := newWorld(t)
	r := w.selected(1)
	for _, cs := range charsets() {
		if list := r.ask("a", "SEARCH CHARSET "+cs+" SUBJECT \"number 0\""); list[0] != "* SEARCH 1" {
			t.Errorf("%s: %q", cs, list)
		}
	}
}

// references are looked for in any header.
func FuzzReferences(f *testing.F) {
	f.Add("<a@b> <\"c\"@d>\r\n <e@f", "re: <x@y>")
	f.Add("<<a@b>", "<\"\\\"@>")
	c := newColumnCache()
	f.Fuzz(func(t *testing.T, references, inReplyTo string) {
		m := &mail{}
		m.headerFrom([]byte("References: " + references + "\r\nIn-Reply-To: " + inReplyTo + "\r\n\r\n"))
		found := c.find(&m.sum)
		if len(found.refs) > maxRefs {
			t.Errorf("%d references", len(found.refs))
		}
		list := []thread.Message{{ID: found.id, Refs: found.refs}, {ID: 1, Refs: found.refs}}
		if thread.References(list) == nil {
			t.Error("no forest")
		}
	})
}
