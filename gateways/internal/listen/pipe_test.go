package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const balancer = "10.0.0.5:40000"

var balancers = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8:b::/48")}

// port is a listener of pipes, so that a test in a bubble has a clock of its own.
type port struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *port) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *port) Addr() net.Addr { return &net.TCPAddr{} }

// world is a server on a port of pipes.
type world struct {
	t      *testing.T
	port   *port
	server *Server
	reg    *prometheus.Registry
}

// in runs a test in a bubble, with the server.
func in(t *testing.T, s *Server, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t, &port{make(chan net.Conn), make(chan struct{})}, s, prometheus.NewRegistry()}
		s.Name, s.Log, s.Metrics = "test", slog.New(slog.DiscardHandler), NewMetrics(w.reg)
		s.Start(w.port)
		served := make(chan error, 1)
		go func() { served <- s.Serve() }()
		test(t, w)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// from connects from an address.
func (w *world) from(addr string) *client {
	w.t.Helper()
	ours, theirs := net.Pipe()
	w.t.Cleanup(func() { ours.Close() })
	select {
	case w.port.conns <- relayed{theirs, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(addr))}:
	case <-w.port.closed:
		w.t.Fatal("the port is closed")
	}
	return &client{w.t, ours, bufio.NewReader(ours)}
}

// refused reads the counter of refused connections.
func (w *world) refused(reason string) (n float64) {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); f.GetName() == "godwit_connections_refused_total" && l[1].GetValue() == reason {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// certificate is that of httptest, which is valid in a bubble's time too.
func certificate(t *testing.T) (server, trust *tls.Config) {
	t.Helper()
	h := httptest.NewTLSServer(nil)
	h.Close()
	trust = h.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.ServerName = "example.com"
	return &tls.Config{Certificates: h.TLS.Certificates}, trust
}

type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// say sends text; the server may have hung up before.
func (c *client) say(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		c.t.Fatal(err)
	}
	return c
}

func (c *client) expect(want string) {
	c.t.Helper()
	expect(c.t, c.r, want)
}

// end reads to the end, and tells what came and when that was.
func (c *client) end(want string) time.Time {
	c.t.Helper()
	if rest, err := io.ReadAll(c.r); err != nil || string(rest) != want {
		c.t.Errorf("at the end came %q, %v, want %q", rest, err, want)
	}
	return time.Now()
}
