//go:build !localstack

package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/journal"
	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/tests/process"
)

// Fragile is a world whose function that delivers is killed when it writes to a certain
// account. In this one, all of the service dies with it, and is started again, as whoever
// looks after processes does.
type Fragile struct {
	*World
	process    *process.Service
	start      func(flags ...string) (*process.Service, error)
	kill, hold string // files: to whose account nobody may write; no job is handed out
}

// asService is the variable that makes the test's own program the service.
const asService = "GODWIT_TEST_AS_SERVICE"

// NewFragile starts a fragile world.
func NewFragile(t *testing.T) *Fragile {
	t.Helper()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	f := &Fragile{World: &World{Data: data, t: t, Log: &Log{}}, kill: filepath.Join(dir, "kill"), hold: filepath.Join(dir, "hold")}
	t.Setenv(asService, dir)
	f.start = func(flags ...string) (*process.Service, error) {
		flags = append([]string{"--deliver-workers=1", "--log-level=debug"}, flags...)
		return process.Start(os.Args[0], data, f.Log, flags...)
	}
	var err error
	if f.process, err = f.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.process.Kill()
		if t.Failed() {
			t.Logf("the service's log:\n%s", f.Log)
		}
	})
	f.at = func(listener string) string { return f.process.Address[listener] }
	key, err := os.ReadFile(filepath.Join(data, "admin.key"))
	if err != nil {
		t.Fatal(err)
	}
	f.api, f.key = "http://"+f.Address("api"), strings.TrimSpace(string(key))
	return f
}

// Kill has the function killed when it writes to the account with that id, from now on
// until Mend.
func (f *Fragile) Kill(id string) { f.write(f.kill, id) }

// Mend ends Kill.
func (f *Fragile) Mend() { f.remove(f.kill) }

// Hold keeps jobs until Release, so that they come together then.
func (f *Fragile) Hold() {
	f.write(f.hold, "")
	<-time.After(2 * holdWait)
}

// Release ends Hold.
func (f *Fragile) Release() { f.remove(f.hold) }

// Until waits until something is so, while the service may die again and again: an error
// says that it can't be told right now.
func (f *Fragile) Until(what string, is func() (bool, error)) {
	f.t.Helper()
	deaths := 0
	var last error
	end := time.Now().Add(time.Minute)
	for time.Now().Before(end) {
		select {
		case <-f.process.Exited():
			if deaths++; deaths > 50 {
				f.t.Fatalf("it dies again and again; its log:\n%s", f.Log)
			}
			var same []string // addresses
			for name, address := range f.process.Address {
				same = append(same, "--"+name+"-address="+address)
			}
			again, err := f.start(same...)
			if err == nil {
				f.process = again
			} else if !errors.Is(err, process.ErrEnded) { // else it has died right away
				f.t.Fatal(err)
			}
		case <-time.After(100 * time.Millisecond):
			var so bool
			if so, last = is(); so {
				return
			}
		}
	}
	f.t.Fatalf("after a minute still not: %s (%v)", what, last)
}

// Idle tells whether no job waits or is at work.
func (f *Fragile) Idle() (bool, error) {
	jobs, err := f.process.Metric(f.t.Context(), "godwit_queue_jobs")
	return err == nil && jobs == 0, err
}

func (f *Fragile) write(name, text string) {
	f.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *Fragile) remove(name string) {
	f.t.Helper()
	if err := os.Remove(name); err != nil {
		f.t.Fatal(err)
	}
}

// asFragileService is 'godwit serve' with what kills it, in the process that a fragile
// world has started.
func asFragileService(dir string, args []string) error {
	flags := map[string]string{}
	for i, arg := range args {
		if name, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); ok {
			flags[name] = value
		} else if arg == "--data" {
			flags[name] = args[i+1]
		}
	}
	s, _, err := settings.Load(settings.Serve, "", nil, flags)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	service, err := serve.Open(ctx, s, serve.Options{Log: observe.Logger(os.Stderr, s.LogFormat, s.LogLevel), DemoPassword: Password,
		Decorators: ports.Decorators{
			Journal: func(d journal.Driver) journal.Driver { return deadly{d, filepath.Join(dir, "kill")} },
			Queue:   func(d queue.Driver) queue.Driver { return holding{d, filepath.Join(dir, "hold")} },
		}})
	if err != nil {
		return err
	}
	fmt.Print(service.Welcome())
	return service.Run(ctx)
}

// deadly kills its process at a write to the account that the file names.
type deadly struct {
	journal.Driver
	file string
}

func (d deadly) Append(ctx context.Context, p journal.Partition, e journal.Entry) error {
	if id, err := os.ReadFile(d.file); err == nil && strings.HasPrefix(string(p), string(id)+".") {
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
		select {}
	}
	return d.Driver.Append(ctx, p, e)
}

// holdWait is how long a receive waits at most: one that has begun before a hold is given
// what comes.
const holdWait = 50 * time.Millisecond

// holding hands out nothing while the file is there.
type holding struct {
	queue.Driver
	file string
}

func (h holding) Receive(ctx context.Context, name string, n int, wait, visibility time.Duration) ([]queue.Received, error) {
	for {
		if _, err := os.Stat(h.file); err != nil {
			return h.Driver.Receive(ctx, name, n, min(wait, holdWait), visibility)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, nil
		}
	}
}
