//go:build !localstack

package world

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/godwit-mail/godwit/tests/process"
)

// Main runs the tests of a package that uses New.
func Main(m *testing.M) {
	if dir := os.Getenv(asService); dir != "" {
		if err := asFragileService(dir, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// New starts a service of the kind that this build is about, which ends with the test if
// it was not stopped before.
func New(t *testing.T) *World {
	t.Helper()
	return Start(t, Config{})
}

// Sending is New with settings (by flag) of sending.
func Sending(t *testing.T, with map[string]string) *World {
	t.Helper()
	return Start(t, Config{Settings: with})
}

// forget does nothing: where the API is in the gateways' process, they know what it changes.
func (w *World) forget() {}

// Program is New with the real program in a process of its own.
func Program(t *testing.T, binary string) *process.Service {
	t.Helper()
	s, err := process.Start(binary, filepath.Join(t.TempDir(), "data"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}
