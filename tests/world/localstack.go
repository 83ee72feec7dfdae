//go:build localstack

package world

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/cloud/cloudtest"
	"github.com/godwit-mail/godwit/shared/serve"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/tests/process"
)

// deployed is what Main has made for the tests of its package.
var deployed *Deployed

// Main makes a service in the emulated cloud, runs the tests of a package that uses New,
// and removes the service again.
func Main(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	began := time.Now()
	d, err := Deploy()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("deployed %s in %.0f s\n", d.Config.Name, time.Since(began).Seconds())
	defer func() {
		began := time.Now()
		if err := d.Destroy(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		fmt.Printf("removed it in %.0f s\n", time.Since(began).Seconds())
	}()
	deployed = d
	return m.Run()
}

// New starts gateways over the service in the emulated cloud, whose directory is as new;
// they end with the test if they were not stopped before.
func New(t *testing.T) *World {
	t.Helper()
	return start(t, serve.Options{})
}

// Sending is New with settings (by flag) of sending: for the gateways, an egress among them,
// and for the functions that send and answer.
func Sending(t *testing.T, with map[string]string) *World {
	t.Helper()
	with = maps.Clone(with)
	if file := with["outbound-password-file"]; file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		with["outbound-password-secret"] = cloudtest.Secret(t, string(b))
	}
	delete(with, "outbound-password-file")
	env := map[string]string{}
	for _, f := range settings.Table(settings.Gateway) {
		if v, ok := with[f.Flag()]; ok {
			env[f.Env()] = v
		}
	}
	for _, name := range []string{"outbound", "api"} {
		cloudtest.Reconfigure(t, deployed.Config.Name+"-"+name, env)
	}
	protocols := slices.Clone(serve.Protocols)
	if with["outbound-way"] != "" {
		protocols = append(protocols, serve.Egress)
	}
	return startWith(t, serve.Options{}, with, protocols)
}

func start(t *testing.T, o serve.Options) *World {
	t.Helper()
	return startWith(t, o, nil, serve.Protocols)
}

func startWith(t *testing.T, o serve.Options, with map[string]string, protocols []string) *World {
	t.Helper()
	w := &World{Data: t.TempDir(), t: t, Log: &Log{}, api: deployed.API}
	w.Ports, w.key = deployed.Fresh(t)
	o.Log = w.logger(o)
	flags := deployed.settings()
	flags["data"], flags["health-address"] = w.Data, "127.0.0.1:0"
	for _, name := range listeners {
		flags[name+"-address"] = "127.0.0.1:0"
	}
	maps.Copy(flags, with)
	s, _, err := settings.Load(settings.Gateway, "", nil, flags)
	if err != nil {
		t.Fatal(err)
	}
	w.run(func(ctx context.Context) (*serve.Service, error) {
		return serve.OpenGateway(ctx, s, protocols, o)
	})
	return w
}

// forget has gateways know nothing any more of what the API has changed since they looked:
// they would go by it for up to half a minute.
func (w *World) forget() {
	w.t.Helper()
	w.Stop()
	w.serve()
}

// Program is New with the real program in a process of its own.
func Program(t *testing.T, binary string) *process.Service {
	t.Helper()
	deployed.Fresh(t)
	var flags []string
	for k, v := range deployed.settings() {
		flags = append(flags, "--"+k+"="+v)
	}
	s, err := process.StartGateway(binary, t.TempDir(), nil, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	s.Password = map[string]string{Alice: Password, Bob: Password}
	return s
}

// Function is the full name of a function of the service: "sweep", "compact".
func (w *World) Function(name string) string { return deployed.Config.Name + "-" + name }

// Env is what a command that works on the service itself finds in its environment.
func (w *World) Env() []string {
	c := deployed.Config
	return append(os.Environ(), "GODWIT_AWS_NAME="+c.Name, "GODWIT_AWS_BUCKET="+c.Bucket, "GODWIT_AWS_KEY="+c.Key)
}
