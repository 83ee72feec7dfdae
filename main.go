// Command godwit is a mail service; 'godwit serve' runs all of it in one process.
package main

import (
	"os"

	"github.com/godwit-mail/godwit/shared/cli"
)

func main() {
	os.Exit(cli.Main(cli.Process{
		Args: os.Args[1:], Env: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Stop: cli.Signals,
	}))
}
