//go:build race

package account

import (
	"flag"
	"os"
	"testing"
)

// TestMain has fewer random histories: each takes ten times as long under the race
// detector, and the whole number of them is read without it.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
