package smtp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/intake"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/gateways/internal/login"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/records"
)

// pipe is a session over net.Pipe, whose time is the test's bubble's.
type pipe struct {
	t    testing.TB
	c    net.Conn
	r    *bufio.Reader
	heap *heap
	town *town
	done chan struct{}
}

func newGateway(t testing.TB) (*Gateway, *town, *heap) {
	w, h, log := newTown(), newHeap(), slog.New(slog.DiscardHandler)
	return New(Config{Hostname: "mx.demo.test", Directory: w, Accounts: w, Quota: w, Blobs: blob.Store{Driver: heapBlobs{heap: h}}, Queue: heapQueue{heap: h},
		Login:  login.New(login.Config{Directory: w, Records: &counter{n: map[records.Key]int64{}}, Now: time.Now, Log: log}),
		Budget: intake.NewBudget(1 << 30), TempDir: t.TempDir(), Log: log}), w, h
}

func open(t testing.TB, ctx context.Context) *pipe {
	g, town, h := newGateway(t)
	client, server := net.Pipe()
	p := &pipe{t: t, c: client, r: bufio.NewReader(client), heap: h, town: town, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		g.MX(ctx, server)
		server.Close()
	}()
	p.expect("220")
	return p
}

func (p *pipe) expect(prefix string) string {
	p.t.Helper()
	for {
		s, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatalf("instead of %s: %v", prefix, err)
		}
		if len(s) > 3 && s[3] == '-' {
			continue
		}
		if !strings.HasPrefix(s, prefix) {
			p.t.Fatalf("instead of %s: %q", prefix, s)
		}
		return s
	}
}

func (p *pipe) say(line, prefix string) {
	p.t.Helper()
	if _, err := io.WriteString(p.c, line+"\r\n"); err != nil {
		p.t.Fatal(err)
	}
	p.expect(prefix)
}

func (p *pipe) hello() {
	p.say("EHLO client.test", "250")
	p.say("MAIL FROM:<a@example.net>", "250")
	p.say("RCPT TO:<alice@demo.test>", "250")
}

// trickle sends an octet now and then, until nobody takes it.
func (p *pipe) trickle(pause time.Duration) (over chan struct{}) {
	over = make(chan struct{})
	go func() {
		defer close(over)
		for {
			if _, err := p.c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}()
	return over
}

// end waits until the session is over.
func (p *pipe) end() {
	<-p.done
	p.c.Close()
}

func TestAnIdleSessionGetsFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, t.Context())
		began := time.Now()
		p.expect("421 4.4.2")
		if d := time.Since(began); d != 5*time.Minute {
			t.Errorf("it got %v", d)
		}
		p.end()
	})
}

func TestACommandThatTricklesInGetsFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, t.Context())
		began := time.Now()
		over := p.trickle(time.Minute)
		p.expect("421 4.4.2")
		if d := time.Since(began); d != 5*time.Minute {
			t.Errorf("it got %v", d)
		}
		p.end()
		<-over
	})
}

func TestAMessageMayTakeItsTimeWhileItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, t.Context())
		p.hello()
		p.say("DATA", "354")
		for range 200 { // ten hours' worth of a slow line, all in all
			time.Sleep(2 * time.Minute)
			if _, err := io.WriteString(p.c, strings.Repeat("0123456789abcde\r\n", 12<<10)); err != nil {
				t.Fatal(err)
			}
		}
		p.say(".", "250")
		p.c.Close()
		p.end()
	})
}

func TestAMessageThatStopsGetsThreeMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, t.Context())
		p.hello()
		p.say("DATA", "354")
		if _, err := io.WriteString(p.c, "Subject: x\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		p.expect("421 4.4.2")
		if d := time.Since(began); d != 3*time.Minute {
			t.Errorf("it got %v", d)
		}
		p.end()
		if len(p.heap.events) > 0 {
			t.Errorf("it left %q", p.heap.events)
		}
	})
}

func TestAMessageThatTricklesInEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, t.Context())
		p.hello()
		p.say("DATA", "354")
		began := time.Now()
		over := p.trickle(time.Second)
		p.expect("421 4.4.2")
		if d := time.Since(began); d > 11*time.Minute {
			t.Errorf("it got %v", d)
		}
		p.end()
		<-over
	})
}

func TestADrainEndsAnIdleSessionAtOnceAndABusyOneAfterItsMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain := make(chan struct{})
		ctx := listen.WithDraining(t.Context(), drain)
		idle, busy := open(t, ctx), open(t, ctx)
		busy.hello()
		busy.say("DATA", "354")
		close(drain)
		began := time.Now()
		idle.expect("421 4.3.2")
		idle.end()
		synctest.Wait()
		busy.say("Subject: x\r\n\r\n.", "250")
		busy.expect("421 4.3.2")
		busy.end()
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %v", d)
		}
		if len(busy.heap.jobs) != 1 {
			t.Error("the message is lost")
		}
	})
}

func TestADrainWaitsForNoMessageThatHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drain := make(chan struct{})
		ctx := listen.WithDraining(t.Context(), drain)
		slow, stopped := open(t, ctx), open(t, ctx)
		slow.hello()
		slow.say("DATA", "354")
		stopped.hello()
		if _, err := io.WriteString(stopped.c, "BDAT 1000\r\nSubject: x\r\n"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(drain)
		began, written := time.Now(), make(chan struct{})
		go func() {
			defer close(written)
			for range 5 {
				if _, err := io.WriteString(slow.c, "X: y\r\n"); err != nil {
					t.Error(err)
				}
				time.Sleep(drainBlockTime / 2)
			}
		}()
		stopped.expect("421 4.3.2")
		stopped.end()
		if d := time.Since(began); d != drainBlockTime {
			t.Errorf("it was waited for %v", d)
		}
		<-written
		slow.say("\r\n.", "250")
		slow.expect("421 4.3.2")
		slow.end()
		if len(stopped.heap.events) > 0 {
			t.Errorf("it left %q", stopped.heap.events)
		}
	})
}

// The reply to EHLO is many times as long as the command.
func TestRepliesThatAreHeldBackAreBounded(t *testing.T) {
	g, _, _ := newGateway(t)
	c := &script{in: bytes.NewReader([]byte(strings.Repeat("EHLO x\r\n", 2500) + "QUIT\r\n"))}
	s := &session{Gateway: g, ctx: t.Context(), wire: newWire(c), log: g.cfg.Log, began: time.Now()}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(c.out.String(), "250 HELP"); n != 2500 {
		t.Errorf("%d replies", n)
	}
	if n := cap(s.wire.out); n > 3*maxHeld {
		t.Errorf("%d octets were held back", n)
	}
}

func TestAUserWhoIsSuspendedMayNotGoOn(t *testing.T) {
	w := newWorld(t)
	c, r := w.login(t)
	head := w.heads["alice@demo.test"]
	head.Standing.Generation = 1
	w.heads["alice@demo.test"] = head
	fmt.Fprintf(c, "MAIL FROM:<alice@demo.test>\r\n")
	if s, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(s, "421 4.7.0") {
		t.Errorf("told %q, %v", s, err)
	}
}

// FuzzSession speaks whatever it likes. The session must end by itself when the peer has
// hung up, answer in replies only, and never take a message that has not ended.
func FuzzSession(f *testing.F) {
	for _, s := range []string{
		"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<alice@demo.test>\r\nDATA\r\nA: b\r\n\r\n.\r\nQUIT\r\n",
		"EHLO a\r\nMAIL FROM:<a@b.c> SIZE=1\r\nRCPT TO:<Postmaster>\r\nBDAT 3\r\na\r\nBDAT 1 LAST\r\n\n",
		"HELO a\r\nBDAT 99999999999999999999\r\n", "AUTH PLAIN =\r\n*\r\n", "\x00\r\n\r\r\n\n", "STARTTLS\r\nMAIL FROM:<>\r\n",
		"EHLO a\r\nMAIL FROM:<@x:a@b>\r\nRCPT TO:<team@demo.test>\r\nRCPT TO:<carol@other.test>\r\nDATA\r\n.\r\r\n.\n\r\n.\r\n",
	} {
		f.Add([]byte(s))
	}
	g, _, h := newGateway(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &script{in: bytes.NewReader(in)}
		g.MX(context.Background(), c)
		for s := range bytes.Lines(c.out.Bytes()) {
			if len(s) < 5 || s[0] < '2' || s[0] > '5' || s[3] != ' ' && s[3] != '-' || !bytes.HasSuffix(s, []byte("\r\n")) || bytes.Count(s, []byte("\r")) > 1 {
				t.Errorf("%q was answered by %q", in, s)
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := len(h.jobs); n > 0 && !strings.Contains(string(in), "\r\n.\r\n") && !strings.Contains(strings.ToUpper(string(in)), "LAST") {
			t.Errorf("%q is a message", in)
		}
		h.jobs, h.blobs, h.events = nil, map[string][]byte{}, nil
		for len(h.came) > 0 {
			<-h.came
		}
	})
}

// script is a connection over which a peer says all it has to say and hangs up.
type script struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) RemoteAddr() net.Addr             { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"FROM:<a@b.c> SIZE=10 BODY=8BITMIME", "FROM: <>", " SMTPUTF8", "10 LAST", " SIZE=99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if rest, ok := cutKeyword(s, "FROM:"); ok && len(rest) > len(s)-5 {
			t.Errorf("%q left %q", s, rest)
		}
		if p, bad := parseParams(s, 1000); bad == nil && (p.size < 0 || p.size > 1000) {
			t.Errorf("%q is of size %d", s, p.size)
		}
		parseBDAT(s)
	})
}
