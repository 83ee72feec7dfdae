package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Signals is the Stop of a real process: an interrupt or SIGTERM ends the context, and
// the second one ends the process at once.
func Signals() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan os.Signal, 2)
	signal.Notify(got, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range got {
			if ctx.Err() != nil {
				os.Exit(exitFailure)
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(got)
		cancel()
	}
}
