// Command coldstart measures how long functions take from the start of their process until
// they ask for their first event. It takes zips of this machine's architecture:
//
//	make functions && go run ./functions/internal/lambdaio/coldstart build/functions/*-amd64.zip
package main

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio/lambdatest"
)

const times = 30

func main() {
	for _, name := range os.Args[1:] {
		if err := measure(context.Background(), name); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
	}
}

func measure(ctx context.Context, name string) error {
	dir, err := os.MkdirTemp("", "coldstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "bootstrap")
	if err := extract(name, program); err != nil {
		return err
	}
	took := make([]time.Duration, times)
	for i := range took {
		f, err := lambdatest.Start(ctx, program, lambdatest.Environment("http://127.0.0.1:1"), io.Discard)
		if err != nil {
			return err
		}
		took[i] = f.Started
		f.Stop()
	}
	slices.Sort(took)
	at := func(i int) time.Duration { return took[i].Round(100 * time.Microsecond) }
	fmt.Printf("%s: %d cold starts: median %v, 90%% %v, slowest %v\n", filepath.Base(name), times, at(times/2), at(times*9/10), at(times-1))
	return nil
}

// extract writes the program that a function's zip holds.
func extract(name, to string) error {
	z, err := zip.OpenReader(name)
	if err != nil {
		return err
	}
	defer z.Close()
	from, err := z.Open("bootstrap")
	if err != nil {
		return err
	}
	defer from.Close()
	b, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}
