package imap

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
)

// A client that is told to end has the time to end its command, and is told BYE if it takes
// more; what it sends meanwhile is no command, whole or not.
func TestBYEIsSaidWithinACommandThatDoesNotEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		sent []string // a second after the other
		want string
		when time.Duration
	}{
		"idle":                      {nil, "", 0},
		"half a line":               {[]string{"a NO"}, "", 0},
		"a literal that has ceased": {[]string{"a LOGIN {5+}\r\nus"}, "", goodbyeTime},
		"a literal asked for":       {[]string{"a LOGIN {5}\r\n"}, "+ Ready for literal data\r\n", goodbyeTime},
		"a line after a literal":    {[]string{"a LOGIN {4+}\r\nuser pass"}, "", goodbyeTime},
		"a slow literal": {[]string{"a LOGIN {99+}\r\nus", "e", "r", "@", "d", "e", "m", "o", "."},
			"", goodbyeTime},
		"a literal that is refused": {[]string{"a LOGIN {5000+}\r\nus", "e"},
			"a NO [LIMIT] Literals are limited to 4096 octets in this command\r\n", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				drain, ended := make(chan struct{}), make(chan struct{})
				g := New(Config{Log: slog.New(slog.DiscardHandler)})
				go func() {
					defer close(ended)
					g.run(listen.WithDraining(t.Context(), drain), theirs, true, false)
				}()
				r := bufio.NewReader(ours)
				if greeting, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(greeting, "* OK") {
					t.Fatalf("%q, %v", greeting, err)
				}
				written := make(chan struct{})
				go func() {
					defer close(written)
					for i, text := range tt.sent {
						if i > 0 {
							time.Sleep(time.Second)
						}
						if _, err := io.WriteString(ours, text); err != nil {
							return
						}
					}
				}()
				var heard strings.Builder
				for heard.Len() < len(tt.want) {
					line, err := r.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					heard.WriteString(line)
				}
				synctest.Wait()
				close(drain)
				began := time.Now()
				bye, err := r.ReadString('\n')
				if err != nil || time.Since(began) != tt.when {
					t.Errorf("%q after %v, %v", bye, time.Since(began), err)
				}
				if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
					t.Errorf("after BYE comes %q, %v", rest, err)
				}
				if heard.String() != tt.want || bye != Goodbye {
					t.Errorf("heard %q and %q", heard.String(), bye)
				}
				<-ended
				<-written
			})
		})
	}
}

// Who takes too little of a response can't be told anything.
func TestNoBYEFallsIntoAResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		drain, ended := make(chan struct{}), make(chan struct{})
		g := New(Config{Log: slog.New(slog.DiscardHandler)})
		go func() {
			defer close(ended)
			g.run(listen.WithDraining(t.Context(), drain), theirs, true, false)
		}()
		r := bufio.NewReaderSize(ours, 16)
		if _, err := r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(ours, "a CAPABILITY\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := r.ReadByte(); err != nil {
			t.Fatal(err)
		}
		close(drain)
		<-ended
		if rest, _ := io.ReadAll(r); strings.Contains(string(rest), "BYE") {
			t.Errorf("%q", rest)
		}
	})
}

// A client that says nothing for long is told so, in the middle of a line too.
func TestSilentClientsAreLoggedOut(t *testing.T) {
	for sent, want := range map[string]time.Duration{"": strangerPatience, "a NO": linePatience, "a NOOP\r\n": strangerPatience} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				New(Config{Log: slog.New(slog.DiscardHandler)}).run(t.Context(), theirs, true, false)
			}()
			r := bufio.NewReader(ours)
			if _, err := r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if sent != "" {
				if _, err := io.WriteString(ours, sent); err != nil {
					t.Fatal(err)
				}
			}
			rest, err := io.ReadAll(r)
			if err != nil || !strings.HasSuffix(string(rest), "* BYE Autologout, idle for too long\r\n") || time.Since(began) != want {
				t.Errorf("%q: %q after %v, %v", sent, rest, time.Since(began), err)
			}
			<-ended
		})
	}
}
