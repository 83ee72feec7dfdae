// Package world starts the whole service for a test: on ports that are free, in a
// folder of its own, with the demo's accounts under a password that is known.
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

	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/tests/dialog"
)

// The accounts that every world has, and their password.
const (
	Alice    = "alice@demo.test"
	Bob      = "bob@demo.test"
	Password = "correct horse battery"
)

// listeners are the names of all listeners.
var listeners = []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "api"}

// World is a running service.
type World struct {
	*serve.Service
	Data string // its folder
	Log  *Log

	t    *testing.T
	stop context.CancelFunc
	done chan error
}

// Config changes what a world is made of.
type Config struct {
	Data     string            // "": a folder of the test
	Settings map[string]string // by flag
	Options  serve.Options
}

// Start starts a service, which ends with the test if it was not stopped before.
func Start(t *testing.T, c Config) *World {
	t.Helper()
	w := &World{Data: c.Data, t: t, Log: &Log{}, done: make(chan error, 1)}
	if w.Data == "" {
		w.Data = filepath.Join(t.TempDir(), "data")
	}
	// One worker, so that mails arrive in the order in which they were sent: scripts may
	// count on it, though the service does not promise it.
	flags := map[string]string{"data": w.Data, "deliver-workers": "1"}
	for _, name := range listeners {
		flags[name+"-address"] = "127.0.0.1:0"
	}
	for k, v := range c.Settings {
		flags[k] = v
	}
	s, _, err := settings.Load(settings.Serve, "", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	c.Options.DemoPassword = Password
	if c.Options.Log == nil {
		c.Options.Log = slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	if w.Service, err = serve.Open(ctx, s, c.Options); err != nil {
		stop()
		t.Fatal(err)
	}
	go func() { w.done <- w.Run(ctx) }()
	t.Cleanup(func() {
		w.Stop()
		if t.Failed() {
			t.Logf("the service's log:\n%s", w.Log)
		}
	})
	return w
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
