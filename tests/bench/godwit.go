package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/godwit-mail/godwit/shared/observe"
	"github.com/godwit-mail/godwit/shared/ports"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/tests/process"
)

// password is everybody's.
const password = "a password of the bench"

func address(i int) string { return fmt.Sprintf("user%04d@bench.test", i) }

// godwit is a service with a data folder of its own.
type godwit struct {
	*process.Service
	b       *bench
	name    string
	binary  string
	flags   []string
	started int
}

func (b *bench) godwit(name string, flags ...string) *godwit {
	return &godwit{b: b, name: name, binary: b.binary, flags: append(flags, "--demo=false")}
}

func (g *godwit) start() (err error) {
	flags := g.flags
	if g.started++; g.b.profile != "" {
		flags = append(slices.Clip(flags), "--"+profileFlag+"="+filepath.Join(g.b.profile, fmt.Sprintf("%s-%d.prof", g.name, g.started)))
	}
	g.Service, err = process.Start(g.binary, filepath.Join(g.b.dir, "godwit-"+g.name), g.b.log, flags...)
	return err
}

func (g *godwit) stop() error { return g.Stop() }

// end stops it, if it was started, whatever it takes.
func (g *godwit) end() {
	if g.Service != nil && g.stop() != nil {
		g.Kill()
	}
}

func (g *godwit) restart() error {
	if err := g.stop(); err != nil {
		return err
	}
	return g.start()
}

func (g *godwit) imaps() string { return g.Address["imaps"] }

func (g *godwit) makeAccounts(ctx context.Context, n int) error {
	if _, err := g.API(ctx, "POST", "/v1/tenants", map[string]any{"name": "bench"}); err != nil {
		return err
	}
	if _, err := g.API(ctx, "POST", "/v1/domains", map[string]any{"tenant": "bench", "name": "bench.test"}); err != nil {
		return err
	}
	const atOnce = 4
	errs := make([]error, atOnce)
	var all sync.WaitGroup
	for w := range atOnce {
		all.Go(func() {
			for i := w; i < n && errs[w] == nil; i += atOnce {
				_, errs[w] = g.API(ctx, "POST", "/v1/accounts", map[string]any{"address": address(i), "password": password})
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// settled waits until no job is left.
func (g *godwit) settled(ctx context.Context) error {
	return until(ctx, 50*time.Millisecond, func() (bool, error) {
		n, err := g.Metric(ctx, "godwit_queue_jobs")
		return n == 0, err
	})
}

// cpu is the processor time that a process has used. Linux only.
func cpu(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is %q", pid, b)
	}
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// Flags of asService beside those of the settings.
const (
	profileFlag = "cpu-profile"
	wholeFlag   = "without-compaction"
	gateFlag    = "outbound-gate"
)

// asService is 'godwit serve' in this program, for what the real one has no switch for.
func asService(args []string) error {
	flags := map[string]string{}
	for i, arg := range args {
		if name, value, ok := strings.Cut(strings.TrimPrefix(arg, "--"), "="); ok {
			flags[name] = value
		} else if arg == "--data" {
			flags["data"] = args[i+1]
		}
	}
	o := serve.Options{}
	if flags[wholeFlag] != "" {
		o.Decorators = ports.Decorators{Queue: func(d queue.Driver) queue.Driver { return careless{d} }}
	}
	if file := flags[gateFlag]; file != "" {
		o.Decorators = ports.Decorators{Queue: func(d queue.Driver) queue.Driver { return gated{d, file} }}
	}
	profile := flags[profileFlag]
	delete(flags, gateFlag)
	delete(flags, wholeFlag)
	delete(flags, profileFlag)
	s, _, err := settings.Load(settings.Serve, "", nil, flags)
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0)) // as 'godwit serve' has it
	o.Log = observe.Logger(os.Stderr, s.LogFormat, s.LogLevel)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if profile != "" {
		done, err := profiled(ctx, profile)
		if err != nil {
			return err
		}
		defer done()
	}
	service, err := serve.Open(ctx, s, o)
	if err != nil {
		return err
	}
	fmt.Print(service.Welcome())
	return service.Run(ctx)
}

// profiled writes a profile of the processor time up to done, and one of the memory when ctx
// ends.
func profiled(ctx context.Context, name string) (done func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	heap, err := os.Create(name + ".heap")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close(), heap.Close())
	}
	written := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(written)
		runtime.GC()
		_ = pprof.Lookup("heap").WriteTo(heap, 0)
	})
	return func() {
		pprof.StopCPUProfile()
		<-written
		_, _ = f.Close(), heap.Close()
	}, nil
}

// careless loses all that is asked of the compaction.
type careless struct{ queue.Driver }

func (c careless) Send(ctx context.Context, name string, msgs ...queue.Message) error {
	if name == queue.Compact {
		return nil
	}
	return c.Driver.Send(ctx, name, msgs...)
}
