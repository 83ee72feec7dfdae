// Command coldstart measures how long functions' binaries take from the start of their
// process until they ask for their first event:
//
//	go run ./functions/internal/lambdaio/coldstart build/functions/deliver ...
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/functions/internal/lambdaio/lambdatest"
)

const times = 30

func main() {
	for _, binary := range os.Args[1:] {
		took := make([]time.Duration, times)
		for i := range took {
			f, err := lambdatest.Start(context.Background(), binary, lambdatest.Environment("http://127.0.0.1:1"), io.Discard)
			if err != nil {
				fmt.Fprintln(os.Stderr, binary+":", err)
				os.Exit(1)
			}
			took[i] = f.Started
			f.Stop()
		}
		slices.Sort(took)
		ms := func(i int) time.Duration { return took[i].Round(100 * time.Microsecond) }
		fmt.Printf("%s: cold start of %d: median %v, 90%% %v, slowest %v\n", binary, times, ms(times/2), ms(times*9/10), ms(times-1))
	}
}
