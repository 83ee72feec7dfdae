package login

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/gatewaytest"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/records"
)

// world has alice and bob, whose password is "right", and a clock.
type world struct {
	gatewaytest.Nobody
	records.Driver
	*Login
	mu     sync.Mutex
	counts map[records.Key]int64
	adds   int
	judged int
	broken error // of the directory
	now    time.Time
	waited time.Duration
}

func newWorld() *world {
	w := &world{counts: map[records.Key]int64{}, now: time.Unix(1_900_000_000, 0)}
	w.Login = w.gateway()
	return w
}

// gateway is another process over the same records.
func (w *world) gateway() *Login {
	return New(Config{Directory: w, Records: w, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Wait: func(_ context.Context, d time.Duration) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.waited += d
			return nil
		}})
}

func (w *world) Authenticate(_ context.Context, username, password, _ string) (*directory.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judged++
	if w.broken != nil {
		return nil, w.broken
	}
	if password == "right" && (username == "alice" || username == "bob") {
		return &directory.Identity{Account: account.Ref{ID: account.ID(username)}, Address: username}, nil
	}
	return nil, kinds.Errorf(kinds.Unauthenticated, "wrong")
}

func (w *world) Add(_ context.Context, k records.Key, n int64, _ time.Duration) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.adds++
	w.counts[k] += n
	return w.counts[k], nil
}

func addr(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1000} }

// try logs in and gives the kind of the error, or "ok", and how long it had to wait.
func (w *world) try(l *Login, user, password, ip string) (string, time.Duration) {
	w.waited = 0
	_, err := l.Authenticate(context.Background(), user, password, addr(ip), directory.IMAP)
	if err != nil {
		return kinds.Of(err).String(), w.waited
	}
	return "ok", w.waited
}

func (w *world) expect(t *testing.T, l *Login, user, password, ip, want string, least, most time.Duration) {
	t.Helper()
	if got, d := w.try(l, user, password, ip); got != want || d < least || d > most {
		t.Errorf("%s from %s: %s after %v, want %s after %v to %v", user, ip, got, d, want, least, most)
	}
}

func TestALoginThatSucceedsCostsNoCallAndNoWait(t *testing.T) {
	w := newWorld()
	for range 50 {
		w.expect(t, w.Login, "alice", "right", "192.0.2.1", "ok", 0, 0)
	}
	if w.adds != 0 {
		t.Errorf("%d calls", w.adds)
	}
}

func TestWhoFailsWaitsLongerAndIsRefusedAtLast(t *testing.T) {
	w := newWorld()
	last := time.Duration(0)
	for n := range peerRefused {
		got, d := w.try(w.Login, fmt.Sprint("user", n), "guess", "192.0.2.1")
		if got != "unauthenticated" || d < last || d > maxDelay || n < freeFailures && d != 0 {
			t.Fatalf("failure %d: %s after %v", n, got, d)
		}
		last = d
	}
	if last != maxDelay {
		t.Errorf("the last one waited %v", last)
	}
	judged := w.judged
	w.expect(t, w.Login, "alice", "right", "192.0.2.1", "throttled", 0, 0)
	if w.judged != judged {
		t.Error("a refused login was judged")
	}
	w.expect(t, w.Login, "alice", "right", "192.0.2.2", "ok", 0, 0)
	w.now = w.now.Add(window + time.Second)
	w.expect(t, w.Login, "alice", "right", "192.0.2.1", "ok", 0, 0)
}

func TestTheOwnerOfAnAccountUnderAttackGetsIn(t *testing.T) {
	w := newWorld()
	w.expect(t, w.Login, "alice", "right", "198.51.100.1", "ok", 0, 0) // the office, known from now on
	for n := range 200 {
		w.try(w.Login, "alice", "guess", fmt.Sprintf("203.0.113.%d", n%50))
	}
	w.expect(t, w.Login, "alice", "right", "198.51.100.1", "ok", 0, 0)
	w.expect(t, w.Login, "alice", "right", "198.51.100.2", "ok", hotDelay, hotDelay) // on the road
	w.expect(t, w.Login, "alice", "right", "203.0.113.1", "throttled", 0, 0)         // whoever guessed before
	w.expect(t, w.Login, "bob", "right", "198.51.100.2", "ok", 0, 0)
}

func TestAKnownAccountGetsInFromAnAddressThatIsRefused(t *testing.T) {
	w := newWorld()
	w.expect(t, w.Login, "alice", "right", "192.0.2.1", "ok", 0, 0)
	for n := range 2 * peerRefused {
		w.try(w.Login, fmt.Sprint("user", n), "guess", "192.0.2.1")
	}
	w.expect(t, w.Login, "alice", "right", "192.0.2.1", "ok", 0, knownDelay)
	w.expect(t, w.Login, "bob", "right", "192.0.2.1", "throttled", 0, 0)
}

func TestGatewaysCountTogether(t *testing.T) {
	w := newWorld()
	other := w.gateway()
	for range 20 {
		w.try(w.Login, "alice", "guess", "192.0.2.1")
	}
	w.try(other, "alice", "guess", "192.0.2.1") // tells it what the others saw
	w.expect(t, other, "alice", "guess", "192.0.2.1", "throttled", 0, 0)
}

func TestOneNetworkIsOnePeer(t *testing.T) {
	w := newWorld()
	for n := range 20 {
		w.try(w.Login, "x", "guess", fmt.Sprintf("2001:db8::%x", n+1))
	}
	if _, d := w.try(w.Login, "y", "guess", "2001:db8::ffff"); d != maxDelay {
		t.Errorf("another address of the /64 waited %v", d)
	}
	if _, d := w.try(w.Login, "y", "guess", "2001:db8:0:1::1"); d != 0 {
		t.Errorf("another /64 waited %v", d)
	}
}

func TestAttemptsAtTheSameTimeCount(t *testing.T) {
	w := newWorld()
	k := keys{account: accountKey("alice"), peer: "peer/x"}
	refused, waits := 0, 0
	for range peerRefused + 10 {
		d, ok := w.throttle.begin(k)
		if !ok {
			refused++
		} else if d > 0 {
			waits++
		}
	}
	if refused == 0 || waits == 0 {
		t.Errorf("%d waited, %d were refused", waits, refused)
	}
	for range peerRefused + 10 {
		w.throttle.end(k)
	}
	if len(w.throttle.counts) != 0 {
		t.Errorf("%d counts are left", len(w.throttle.counts))
	}
}

func TestAnAccountIsTheSameHoweverItsAddressIsWritten(t *testing.T) {
	w := newWorld()
	for i, name := range []string{"carol@demo.test", "CAROL@demo.test", `"carol"@Demo.Test`, `"c\arol"@demo.test`, `"ca\rol"@demo.test`} {
		for range 4 {
			w.expect(t, w.Login, name, "x", fmt.Sprintf("192.0.2.%d", i+1), "unauthenticated", 0, 0)
		}
	}
	w.expect(t, w.Login, `"car\ol"@demo.test`, "x", "192.0.2.1", "throttled", 0, 0)
}

func TestTooLongNamesAreNotJudged(t *testing.T) {
	w := newWorld()
	w.expect(t, w.Login, string(make([]byte, MaxUsername+1)), "x", "192.0.2.1", "unauthenticated", 0, 0)
	w.expect(t, w.Login, "", "x", "192.0.2.1", "unauthenticated", 0, 0)
	w.expect(t, w.Login, "alice", string(make([]byte, MaxPassword+1)), "192.0.2.1", "unauthenticated", 0, 0)
	if w.judged != 0 {
		t.Errorf("%d were", w.judged)
	}
}

func TestMechanisms(t *testing.T) {
	const nul = "\x00"
	for _, c := range []struct {
		mechanism string
		responses []string // "-": none
		want      string   // kind of the error, or ok
	}{
		{"PLAIN", []string{nul + "alice" + nul + "right"}, "ok"},
		{"plain", []string{"-", nul + "alice" + nul + "right"}, "ok"},
		{"PLAIN", []string{"alice" + nul + "alice" + nul + "right"}, "ok"},
		{"PLAIN", []string{"bob" + nul + "alice" + nul + "right"}, "unauthenticated"},
		{"PLAIN", []string{nul + "alice" + nul + "wrong"}, "unauthenticated"},
		{"PLAIN", []string{nul + "alice" + nul + "right" + nul}, "invalid"},
		{"PLAIN", []string{""}, "invalid"},
		{"LOGIN", []string{"-", "alice", "right"}, "ok"},
		{"LOGIN", []string{"alice", "right"}, "ok"},
		{"LOGIN", []string{"alice", "wrong"}, "unauthenticated"},
		{"CRAM-MD5", nil, "not-found"},
	} {
		w := newWorld()
		e, err := w.Start(t.Context(), c.mechanism, Peer{Addr: addr("192.0.2.1")}, directory.POP3)
		done := false
		for _, r := range c.responses {
			if err != nil || done {
				t.Errorf("%s %q: done %v, %v too early", c.mechanism, c.responses, done, err)
				break
			}
			in := []byte(r)
			if r == "-" {
				in = nil
			}
			_, done, err = e.Next(in)
		}
		got := "ok"
		if err != nil {
			got = kinds.Of(err).String()
		}
		if got != c.want || (got == "ok") != done || done && e.Identity().Address != "alice" {
			t.Errorf("%s %q: %s, done %v", c.mechanism, c.responses, got, done)
		}
		if done {
			if _, _, err := e.Next([]byte("more")); !kinds.Is(err, kinds.Invalid) {
				t.Errorf("%s goes on after its end: %v", c.mechanism, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "=", "*", "AGEAYg==", "AGEAYg", "!", "QQ==\r\n"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, initial bool) {
		b, err := Decode(s, initial)
		if err == nil && b == nil || err != nil && !kinds.Is(err, kinds.Invalid) || err == nil && s == "*" || len(b) > len(s) {
			t.Errorf("%q gave %q, %v", s, b, err)
		}
	})
}

func TestAStoreThatIsThrottledIsNobodysFailure(t *testing.T) {
	w := newWorld()
	w.broken = kinds.Errorf(kinds.Throttled, "slow down")
	for range 100 {
		if got, waited := w.try(w.Login, "alice", "right", "192.0.2.1"); got != "unavailable" || waited > 0 {
			t.Fatalf("%s after %v", got, waited)
		}
	}
}
