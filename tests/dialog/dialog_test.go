package dialog_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/tests/dialog"
)

// echo answers each line with "got LINE", "quit" by hanging up, and "count" with the
// number of connections so far.
func echo(t *testing.T) dialog.World {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := '1'; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					switch lines.Text() {
					case "quit":
						return
					case "count":
						c.Write([]byte{byte(n), '\r', '\n'})
					default:
						c.Write([]byte("got " + lines.Text() + "\r\n"))
					}
				}
			}()
		}
	}()
	return dialog.World{Vars: map[string]string{"user": "a+b@demo.test"},
		Dial: func(ctx context.Context, name string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", l.Addr().String())
		}}
}

func TestAScriptThatHoldsPasses(t *testing.T) {
	err := dialog.Play("s", `
# two connections
c: connect echo
b: connect echo
-> hello ${user}
<- got hello a+b@demo.test
b-> ${b64:\0${user}\0x} ${repeat:3:ab}
b<~ ^got (?P<word>[A-Za-z0-9=]+) ababab$
b-> ${word}
b<- got AGErYkBkZW1vLnRlc3QAeA==
->- in two
-> pieces \x41\t|
<... got in two
-> one
-> ${user}
<* ${user}$
-> quit
<eof>
b: close
eventually
  d: connect echo
  d-> count
  d<- 5
end
d-> still there
d<- got still there
`, echo(t))
	if err != nil {
		t.Error(err)
	}
}

func TestAScriptThatDoesNotHoldFailsAtItsLine(t *testing.T) {
	for want, script := range map[string]string{
		"s:3: <- got b: got \"got a\"":    "c: connect echo\n-> a\n<- got b",
		"s:3: <~ ^b: got \"got a\"":       "c: connect echo\n-> a\n<~ ^b",
		"s:3: <... b: got \"got a\"":      "c: connect echo\n-> a\n<... b",
		"s:3: <eof>: got \"got a\"":       "c: connect echo\n-> a\n<eof>",
		"s:3: <- x: EOF":                  "c: connect echo\n-> quit\n<- x",
		"s:1: -> a: c is not connected":   "-> a",
		"s:2: what: no line of a script":  "\nwhat",
		"s:1: eventually without an end":  "eventually\n",
		"s:2: -> ${x}: there is no varia": "c: connect echo\n-> ${x}",
	} {
		err := dialog.Play("s", script, echo(t))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}
