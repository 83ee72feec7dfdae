package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func start(t *testing.T, s *Server) *Server {
	t.Helper()
	s.Name, s.Addr, s.Log = "test", "127.0.0.1:0", slog.New(slog.DiscardHandler)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

func dial(t *testing.T, s *Server) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", s.Address().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// greet says hello and waits for the peer or the drain.
func greet(ctx context.Context, c net.Conn) {
	io.WriteString(c, "hello\n")
	rest(ctx, c)
}

func rest(ctx context.Context, c net.Conn) {
	closed := make(chan struct{})
	go func() {
		io.Copy(io.Discard, c)
		close(closed)
	}()
	select {
	case <-Draining(ctx):
		io.WriteString(c, "bye\n")
	case <-closed:
	}
}

func expect(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

// openNow reads the gauge of open connections.
func openNow(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "godwit_connections_open" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

func TestSessionsAreToldToEndAndWaitedFor(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := start(t, &Server{Handler: greet, Metrics: NewMetrics(reg)})
	_, r := dial(t, s)
	expect(t, r, "hello\n")
	if n := openNow(t, reg); n != 1 {
		t.Errorf("%v are open", n)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	expect(t, r, "bye\n")
	if n := openNow(t, reg); n != 0 {
		t.Errorf("%v are open at the end", n)
	}
	if c, err := net.Dial("tcp", s.Address().String()); err == nil {
		c.Close()
		t.Error("it still accepts")
	}
}

func TestASessionThatDoesNotEndIsCutOff(t *testing.T) {
	s := start(t, &Server{Handler: func(ctx context.Context, c net.Conn) {
		io.WriteString(c, "hello\n")
		io.Copy(io.Discard, c)
	}})
	_, r := dial(t, s)
	expect(t, r, "hello\n")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("nobody is told")
	}
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("it is still open")
	}
}

func TestADrainWaitsForNoHandshake(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := start(t, &Server{Name: "smtp", Implicit: true, TLS: &tls.Config{}, Metrics: NewMetrics(reg), Handler: greet})
	_, r := dial(t, s)
	for deadline := time.Now().Add(10 * time.Second); openNow(t, reg) < 1; {
		if time.Now().After(deadline) {
			t.Fatal("it doesn't accept")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Error("it is still open")
	}
}

func TestTooManyAreRefused(t *testing.T) {
	s := start(t, &Server{Handler: greet, MaxConns: 2, Refusal: "busy\n"})
	a, ra := dial(t, s)
	_, rb := dial(t, s)
	expect(t, ra, "hello\n")
	expect(t, rb, "hello\n")
	_, rc := dial(t, s)
	expect(t, rc, "busy\n")
	a.Close()
	deadline := time.Now().Add(10 * time.Second)
	for got := ""; got != "hello\n"; {
		if time.Now().After(deadline) {
			t.Fatal("the place of one that left is not given to another")
		}
		_, r := dial(t, s)
		got, _ = r.ReadString('\n')
	}
}

func TestAPanicEndsItsSessionOnly(t *testing.T) {
	s := start(t, &Server{Handler: func(ctx context.Context, c net.Conn) {
		if b, _ := bufio.NewReader(c).ReadByte(); b == 'p' {
			panic("a defect")
		}
		io.WriteString(c, "fine\n")
	}})
	bad, rb := dial(t, s)
	io.WriteString(bad, "p")
	if _, err := rb.ReadByte(); err == nil {
		t.Error("it goes on")
	}
	good, rg := dial(t, s)
	io.WriteString(good, "x")
	expect(t, rg, "fine\n")
}

func TestOnePeerIsAnAddressOrItsNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1/32", "[::ffff:192.0.2.1]:5": "192.0.2.1/32", "[2001:db8::1:2:3:4]:5": "2001:db8::/64",
		"[fe80::1%lo]:5": "fe80::/64", "[::1]:5": "::1/128",
	} {
		a, err := net.ResolveTCPAddr("tcp", in)
		if err != nil {
			t.Fatal(err)
		}
		if got := PeerPrefix(a).String(); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	if PeerPrefix(&net.UnixAddr{Name: "x"}).IsValid() || PeerPrefix(nil).IsValid() {
		t.Error("what is no IP address has a prefix")
	}
}
