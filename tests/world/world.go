// Package world starts the whole service for a test, with the demo's accounts under a
// password that is known: as one process over the twins of one machine (Start), or as
// the build says (New, Main), which with the tag localstack is gateways in this process
// over what 'godwit deploy apply' has made in the emulated cloud.
package world

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/tests/dialog"
)

// The accounts that every world has, and their password.
const (
	Alice    = "alice@demo.test"
	Bob      = "bob@demo.test"
	Password = "correct horse battery"
)

// listeners are the names of all listeners that speak mail protocols.
var listeners = []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"}

// World is a running service.
type World struct {
	*serve.Service           // all of it, or its gateways
	Ports          ports.Set // what it stands on, for who looks behind it
	Data           string    // folder of the process
	Log            *Log      // of the process

	t    *testing.T
	open func(ctx context.Context) (*serve.Service, error)
	at   func(listener string) string
	api  string // URL
	key  string // of the service, for its API
	stop context.CancelFunc
	done chan error
}

// logger gives the log that the options name, else the world's own.
func (w *World) logger(o serve.Options) *slog.Logger {
	if o.Log != nil {
		return o.Log
	}
	return slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// run opens the service and lets it run until the test ends, if it is not stopped before.
func (w *World) run(open func(ctx context.Context) (*serve.Service, error)) {
	w.t.Helper()
	w.open = open
	w.serve()
	w.t.Cleanup(func() {
		w.Stop()
		if w.t.Failed() {
			w.t.Logf("the service's log:\n%s", w.Log)
		}
	})
}

func (w *World) serve() {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	service, err := w.open(ctx)
	if err != nil {
		stop()
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	w.Service, w.at, w.stop, w.done = service, service.Address, stop, done
	go func() { done <- service.Run(ctx) }()
}

// BeginStop asks the service to drain and returns at once.
func (w *World) BeginStop() { w.stop() }

// Stop drains the service and waits until it has ended. Stopping again is fine.
func (w *World) Stop() {
	w.t.Helper()
	w.stop()
	select {
	case err, ok := <-w.done:
		if ok && err != nil {
			w.t.Error(err)
		}
		if ok {
			close(w.done)
		}
	case <-time.After(time.Minute):
		w.t.Fatalf("the service does not end; its log:\n%s", w.Log)
	}
}

// TLS trusts the service's certificate.
func (w *World) TLS() *tls.Config {
	w.t.Helper()
	pem, err := os.ReadFile(filepath.Join(w.Data, "tls", "cert.pem"))
	if err != nil {
		w.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, ServerName: "localhost"}
}

// Address is where a listener is ("127.0.0.1:2525"), "" if it is off.
func (w *World) Address(listener string) string { return w.at(listener) }

// Dial connects to a listener.
func (w *World) Dial(ctx context.Context, listener string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", w.Address(listener))
}

// Dialog is this world for scripts.
func (w *World) Dialog() dialog.World {
	return dialog.World{Dial: w.Dial, TLS: w.TLS(), Vars: map[string]string{
		"user": Alice, "alice": Alice, "bob": Bob, "password": Password, "domain": "demo.test",
	}}
}

// Log keeps what the service logs.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
