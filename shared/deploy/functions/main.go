// Command functions builds the Lambda functions: for each functions/NAME/bootstrap a zip
// NAME-ARCH.zip that holds one file, bootstrap. The same sources give the same bytes, on
// any machine with the same version of Go, so a deployment changes only what has changed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	root := flag.String("root", ".", "folder of the module")
	out := flag.String("out", "build/functions", "folder that gets the zips")
	archs := flag.String("arch", "arm64,amd64", "what to build for")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	made, err := build(ctx, *root, *out, strings.Split(*archs, ","))
	for _, m := range made {
		fmt.Printf("%s  %.1f MB  sha256 %.12s\n", m.path, float64(m.size)/1e6, m.digest)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "functions:", err)
		os.Exit(1)
	}
}
