package world

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
)

// Config changes what a world of one machine is made of.
type Config struct {
	Data     string            // "": a folder of the test
	Settings map[string]string // by flag
	Options  serve.Options
}

// Start starts a service of one process, which ends with the test if it was not stopped
// before.
func Start(t *testing.T, c Config) *World {
	t.Helper()
	w := &World{Data: c.Data, t: t, Log: &Log{}}
	if w.Data == "" {
		w.Data = filepath.Join(t.TempDir(), "data")
	}
	// One worker, so that mails arrive in the order in which they were sent: tests may
	// count on it, though the service does not promise it.
	flags := map[string]string{"data": w.Data, "deliver-workers": "1", "api-address": "127.0.0.1:0"}
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
	c.Options.Log = w.logger(c.Options)
	w.look(&c.Options.Decorators)
	w.run(func(ctx context.Context) (*serve.Service, error) { return serve.Open(ctx, s, c.Options) })
	key, err := os.ReadFile(filepath.Join(w.Data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	w.api, w.key = "http://"+w.Address("api"), strings.TrimSpace(string(key))
	return w
}

// look keeps the ports as they are below all decorators.
func (w *World) look(d *ports.Decorators) {
	d.Journal = kept(&w.Ports.Journal, d.Journal)
	d.Blobs = kept(&w.Ports.Blobs, d.Blobs)
	d.Queue = kept(&w.Ports.Queue, d.Queue)
	d.Records = kept(&w.Ports.Records, d.Records)
	d.Notify = kept(&w.Ports.Notify, d.Notify)
}

func kept[D any](to *D, inner func(D) D) func(D) D {
	return func(d D) D {
		*to = d
		if inner == nil {
			return d
		}
		return inner(d)
	}
}
