package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

// send sends a message through go-smtp's client and gives its error.
func (w *world) send(t testing.TB, from string, to []string, msg io.Reader) error {
	t.Helper()
	conn, err := w.dial(context.Background(), "smtp")
	if err != nil {
		t.Fatal(err)
	}
	c := smtp.NewClient(conn)
	defer c.Close()
	return c.SendMail(from, to, msg)
}

func (w *world) next(t testing.TB) *delivery.Job {
	t.Helper()
	select {
	case j := <-w.heap.came:
		return j
	case <-time.After(10 * time.Second):
		t.Fatal("no job came")
		return nil
	}
}

func TestAMessageBecomesABlobThenAJobThenA250(t *testing.T) {
	w := newWorld(t)
	const msg = "From: a@example.net\r\nMessage-ID: <1@example.net>\r\nIn-Reply-To: <0@example.net>\r\nSubject: x\r\n\r\n.dot\r\nend\r\n"
	if err := w.send(t, "a@example.net", []string{"Alice+shop@demo.test"}, strings.NewReader(msg)); err != nil {
		t.Fatal(err)
	}
	j := w.next(t)
	if got := w.heap.content(j); got != msg {
		t.Errorf("stored %q", got)
	}
	if want := []string{"blob " + j.Blob.Name, "job " + j.Blob.Name}; !slices.Equal(w.heap.events, want) {
		t.Errorf("in the order %q", w.heap.events)
	}
	if j.From != "a@example.net" || j.Tenant != "demo" || j.Headless || j.Protocol != "smtp" || len(j.Recipients) != 1 {
		t.Errorf("job %+v", j)
	}
	if r := j.Recipients[0]; r.Account.ID != "alice@demo.test" || r.Address != "Alice+shop@demo.test" {
		t.Errorf("recipient %+v", r)
	}
	if !slices.Equal(j.Thread, []string{"<1@example.net>", "<0@example.net>", "<0@example.net>"}) {
		t.Errorf("thread %q", j.Thread)
	}
	want := regexp.MustCompile(`^Received: from localhost \(\[127\.0\.0\.1\]\)\r\n\tby mx\.demo\.test with ESMTP id ` + j.Transaction +
		`\r\n\tfor <Alice\+shop@demo\.test>;\r\n\t[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000\r\n$`)
	if !want.Match(j.Trace) {
		t.Errorf("trace %q", j.Trace)
	}
	if sum, err := message.Decode(j.Summary); err != nil || sum.Envelope.Subject != "x" || sum.Size != int64(len(msg)) {
		t.Errorf("summary %+v, %v", sum, err)
	}
}

func TestTheTraceNamesTheProtocolAndNoRecipientOfSeveral(t *testing.T) {
	w := newWorld(t)
	conn, err := tls.Dial("tcp", w.servers["submissions"].Address().String(), w.client)
	if err != nil {
		t.Fatal(err)
	}
	c := smtp.NewClient(conn)
	defer c.Close()
	if err := c.Auth(sasl.NewPlainClient("", "alice@demo.test", password)); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail("sales@demo.test", []string{"bob@demo.test", "alice@demo.test"}, strings.NewReader("Subject: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	j := w.next(t)
	if !bytes.Contains(j.Trace, []byte(" with ESMTPSA id ")) || bytes.Contains(j.Trace, []byte("for <")) {
		t.Errorf("trace %q", j.Trace)
	}
	if j.Protocol != "submission" || len(j.Recipients) != 2 {
		t.Errorf("job %+v", j)
	}
}

func TestWhatPretendsToBeOursDoesNotSurvive(t *testing.T) {
	w := newWorld(t)
	const msg = "Return-Path: <ceo@demo.test>\r\nAuthentication-Results: mx.demo.test;\r\n dkim=pass\r\n" +
		"Authentication-Results: other.example; spf=pass\r\nauthentication-results: (c) MX.demo.test 1; x=y\r\nSubject: x\r\nreturn-path : <x@y.z>\r\n\r\n" +
		"Return-Path: <in the body>\r\n"
	const want = "Authentication-Results: other.example; spf=pass\r\nSubject: x\r\n\r\nReturn-Path: <in the body>\r\n"
	if err := w.send(t, "", []string{"alice@demo.test"}, strings.NewReader(msg)); err != nil {
		t.Fatal(err)
	}
	j := w.next(t)
	if got := w.heap.content(j); got != want {
		t.Errorf("stored %q", got)
	}
	if sum, err := message.Decode(j.Summary); err != nil || sum.Size != int64(len(want)) {
		t.Errorf("the summary is of something else: %+v, %v", sum, err)
	}
}

func TestAMessageThatBeginsWithNoFieldIsHeadless(t *testing.T) {
	for msg, want := range map[string]bool{"hello\r\n": true, " folded: x\r\n\r\n": true, "\r\nbody\r\n": false, "A: b\r\n": false, "From me\r\nA: b\r\n": true} {
		w := newWorld(t)
		if err := w.send(t, "", []string{"alice@demo.test"}, strings.NewReader(msg)); err != nil {
			t.Fatal(err)
		}
		if j := w.next(t); j.Headless != want || w.heap.content(j) != msg {
			t.Errorf("%q: headless %v, stored %q", msg, j.Headless, w.heap.content(j))
		}
	}
}

func TestMoreThanAHundredAccountsAreSeveralJobsOfOneTransaction(t *testing.T) {
	w := newWorld(t)
	if err := w.send(t, "", []string{"everybody@demo.test", "alice@demo.test", "team@demo.test"}, strings.NewReader("A: b\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	accounts, sizes := map[string]bool{}, []int{}
	var first *delivery.Job
	for range 3 {
		j := w.next(t)
		if first == nil {
			first = j
		}
		if j.Transaction != first.Transaction || j.Blob != first.Blob {
			t.Error("another transaction or blob")
		}
		sizes = append(sizes, len(j.Recipients))
		for _, r := range j.Recipients {
			accounts[string(r.Account.ID)] = true
		}
	}
	if !slices.Equal(sizes, []int{100, 100, 53}) || len(accounts) != 253 {
		t.Errorf("jobs of %v, %d accounts", sizes, len(accounts))
	}
}

// Without a number to begin at, a delivery reads an account's journal from its start.
func TestAJobCarriesTheLastEntryOfEachMemberOfAGroup(t *testing.T) {
	w := newWorld(t)
	w.unknown = map[account.ID]account.Head{"alice@demo.test": {Seq: 41}, "bob@demo.test": {Seq: 42}, "memberaa@demo.test": {Seq: 43}}
	w.unread = map[account.ID]bool{"bob@demo.test": true}
	for to, want := range map[string][]uint64{
		"team@demo.test":      {41, 0, 7}, // alice, bob, whose last entry can't be read, full
		"everybody@demo.test": append([]uint64{43}, make([]uint64, 249)...),
	} {
		if err := w.send(t, "", []string{to}, strings.NewReader("A: b\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for len(got) < len(want) {
			for _, r := range w.next(t).Recipients {
				got = append(got, r.Seen)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", to, got, want)
		}
	}
	err := w.send(t, "", []string{"bob@demo.test"}, strings.NewReader("A: b\r\n\r\n"))
	if status := new(smtp.SMTPError); !errors.As(err, &status) || status.Code != 451 {
		t.Errorf("a single recipient whose account can't be read: %v", err)
	}
}

// A log's record has one "msg", which says what happened.
func TestTheLogNamesTheMessage(t *testing.T) {
	var log lockedBuffer
	w := newWorldWith(t, func(c *Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) })
	if err := w.send(t, "", []string{"alice@demo.test"}, strings.NewReader("A: b\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	id := w.next(t).Correlation
	if err := w.send(t, "", []string{"alice@demo.test"}, strings.NewReader(strings.Repeat("Received: x\r\n", 100))); err == nil {
		t.Fatal("a loop was taken")
	}
	text := log.String()
	if !strings.Contains(text, `"msg":"message accepted","session":`) || !strings.Contains(text, `"message":"`+id+`"`) {
		t.Errorf("the log doesn't name message %s: %s", id, text)
	}
	for line := range strings.Lines(text) {
		if strings.Count(line, `"msg":`) != 1 {
			t.Errorf("not one msg in %s", line)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Builder.String()
}

func TestNo250UnlessBlobAndJobAreThere(t *testing.T) {
	for _, c := range []struct {
		fails string
		err   error
		code  int
	}{
		{"blob", kinds.Errorf(kinds.Unavailable, "disk full"), 451},
		{"job", kinds.Errorf(kinds.Unavailable, "no queue"), 451},
		{"job", io.ErrUnexpectedEOF, 451},
	} {
		w := newWorld(t)
		w.heap.fail = func(what string) error {
			if what == c.fails {
				return c.err
			}
			return nil
		}
		err := w.send(t, "", []string{"alice@demo.test"}, strings.NewReader("A: b\r\n\r\n"))
		if e, ok := err.(*smtp.SMTPError); !ok || e.Code != c.code {
			t.Errorf("%s fails with %v: the client was told %v", c.fails, c.err, err)
		}
		w.leavesNothing(t)
	}
}

func TestTemporaryDiskIsBoundedOverAllSessions(t *testing.T) {
	w := newWorld(t)
	if err := w.send(t, "", []string{"alice@demo.test"}, &filler{left: 3 << 20}); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{256 << 10, 300 << 10, 2 << 20} {
		if err := w.send(t, "", []string{"alice@demo.test"}, &filler{left: size}); err != nil {
			t.Errorf("%d octets: %v", size, err)
		}
	}
	j := w.next(t)
	want, _ := io.ReadAll(&filler{left: 3 << 20})
	if w.heap.content(j) != string(want) {
		t.Error("a message from disk came out otherwise")
	}
	tight := newWorldWith(t, func(c *Config) { c.Budget = intake.NewBudget(1 << 20) })
	err := tight.send(t, "", []string{"alice@demo.test"}, &filler{left: 3 << 20})
	if e, ok := err.(*smtp.SMTPError); !ok || e.Code != 452 || e.EnhancedCode != (smtp.EnhancedCode{4, 3, 1}) {
		t.Errorf("over the budget: %v", err)
	}
	if err := tight.send(t, "", []string{"alice@demo.test"}, strings.NewReader("A: b\r\n\r\n")); err != nil {
		t.Errorf("after it: %v", err)
	}
	tight.leavesNothing(t)
}

// filler is a message of so many octets, in lines of 78 that can't be made much shorter.
type filler struct{ left, at int64 }

func (f *filler) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), f.left))
	const head = "Subject: filler\r\n\r\n"
	for i := range n {
		switch at := f.at + int64(i); {
		case at < int64(len(head)):
			p[i] = head[at]
		case f.left-int64(i) == 1, at%80 == 79:
			p[i] = '\n'
		case f.left-int64(i) == 2, at%80 == 78:
			p[i] = '\r'
		default:
			x := uint64(at+1) * 0x9e3779b97f4a7c15
			x = (x ^ x>>29) * 0xbf58476d1ce4e5b9
			p[i] = '0' + byte(x>>58)
		}
	}
	f.left -= int64(n)
	f.at += int64(n)
	return n, nil
}

func TestAHundredMegabytesTakeLittleMemory(t *testing.T) {
	w := newWorld(t)
	w.heap.big = true
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		var m runtime.MemStats
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapAlloc))
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
			}
		}
	}()
	const size = DefaultMaxSize
	code := w.sendRaw(t, size)
	close(done)
	<-stopped
	if code != "250" {
		t.Fatal(code)
	}
	if j := w.next(t); j.Blob.Size != size {
		t.Errorf("a blob of %d octets", j.Blob.Size)
	}
	if grown := int64(peak.Load()) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("the heap grew by %d octets", grown)
	}
	w.leavesNothing(t)
}

func TestOneOctetTooManyIsToldWhenAllHasCome(t *testing.T) {
	w := newWorldWith(t, func(c *Config) { c.MaxSize = 1 << 20 })
	for size, want := range map[int64]string{1 << 20: "250", 1<<20 + 1: "552", 2 << 20: "552"} {
		if code := w.sendRaw(t, size); code != want {
			t.Errorf("%d octets: %s", size, code)
		}
	}
	w.leavesNothing(t)
}

// sendRaw sends a message of so many octets with nothing in between, and gives the code of
// the reply.
func (w *world) sendRaw(t *testing.T, size int64) string {
	t.Helper()
	c, err := w.dial(context.Background(), "smtp")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	if _, err := io.WriteString(c, "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@demo.test>\r\nDATA\r\n"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	block, err := io.ReadAll(&filler{left: 80 << 10})
	if err != nil {
		t.Fatal(err)
	}
	const head = "A: b\r\n\r\n"
	for left := size; left > 0; {
		p := block
		if left == size {
			p = []byte(head)
		} else if left < int64(len(p)) {
			p = p[int64(len(p))-left:]
		}
		// A refusal may come before the end, of what is much too large.
		if _, err := c.Write(p); err != nil {
			break
		}
		left -= int64(len(p))
	}
	_, _ = io.WriteString(c, ".\r\n")
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return s[:3]
}

func TestAJobWhoseSendHasNoAnswerIsSentAgainUnderItsName(t *testing.T) {
	w := newWorld(t)
	times := 0
	w.heap.fail = func(what string) error {
		if what != "job" {
			return nil
		}
		if times++; times == 1 {
			return kinds.Errorf(kinds.Unavailable, "no answer")
		}
		return nil
	}
	if err := w.send(t, "", []string{"alice@demo.test"}, strings.NewReader("Subject: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if j := w.next(t); times != 2 || j.Recipients[0].Account.ID != "alice@demo.test" {
		t.Errorf("%d sends of %+v", times, j)
	}
}
