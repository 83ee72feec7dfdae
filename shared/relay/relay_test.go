package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// peer plays a host from a script: lines that begin with "<" are what it must be told,
// ">" is what it says. It ends the connection after the last.
func peer(t *testing.T, script string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		r := bufio.NewReader(theirs)
		for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
			line = strings.TrimLeft(line, "\t ")
			switch {
			case strings.HasPrefix(line, "> "):
				if _, err := io.WriteString(theirs, line[2:]+"\r\n"); err != nil {
					return
				}
			case strings.HasPrefix(line, "< "):
				got, err := r.ReadString('\n')
				if got = strings.TrimRight(got, "\r\n"); err != nil || got != line[2:] {
					t.Errorf("the peer was told %q (%v), not %q", got, err, line[2:])
					return
				}
			}
		}
	}()
	t.Cleanup(func() {
		ours.Close()
		<-done
	})
	return ours
}

const mail = "Subject: x\r\n\r\n.dot\r\n..two\r\nend\r\n"

func send(t *testing.T, script string, e Envelope, body string) (*Conn, []error, bool) {
	t.Helper()
	c, err := Start(t.Context(), peer(t, script), "mx.test", "us.test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Abort)
	e.Size = int64(len(body))
	results, alive := c.Send(t.Context(), e, strings.NewReader(body))
	return c, results, alive
}

func to(addresses ...string) []Recipient {
	list := make([]Recipient, len(addresses))
	for i, a := range addresses {
		list[i].Address = a
	}
	return list
}

func TestAMessageIsHandedOver(t *testing.T) {
	for name, script := range map[string]string{
		"to an old host": `
			> 220 mx.test
			< EHLO us.test
			> 502 what
			< HELO us.test
			> 250 mx.test
			< MAIL FROM:<a@us.test>
			> 250 ok
			< RCPT TO:<b@mx.test>
			> 250 ok
			< RCPT TO:<c@mx.test>
			> 550 5.1.1 nobody
			< DATA
			> 354 go
			< Subject: x
			< 
			< ..dot
			< ...two
			< end
			< .
			> 250 2.0.0 taken`,
		"in one go": `
			> 220-mx.test
			> 220 hello
			< EHLO us.test
			> 250-mx.test
			> 250-PIPELINING
			> 250-SIZE 1000
			> 250 CHUNKING
			< MAIL FROM:<a@us.test> SIZE=32
			< RCPT TO:<b@mx.test>
			< RCPT TO:<c@mx.test>
			> 250 ok
			> 250 ok
			> 550-5.1.1 nobody
			> 550 5.1.1 here
			< BDAT 32 LAST
			< Subject: x
			< 
			< .dot
			< ..two
			< end
			> 250 2.0.0 taken`,
	} {
		_, results, alive := send(t, script, Envelope{From: "a@us.test", To: to("b@mx.test", "c@mx.test")}, mail)
		refused, is := results[1].(Reply)
		if !alive || results[0] != nil || !is || refused.Code != 550 || refused.Enhanced != "5.1.1" || !refused.Permanent() || !strings.HasPrefix(refused.Text, "nobody") {
			t.Errorf("%s: %v, alive %t", name, results, alive)
		}
	}
}

const hello = `
	> 220 mx.test
	< EHLO us.test
	> 250-mx.test
	> 250-8BITMIME
	> 250-SMTPUTF8
	> 250-DSN
	> 250 SIZE 100
`

func TestEachIsToldWhatThePeerSaid(t *testing.T) {
	const plain = "> 220 x\n< EHLO us.test\n> 250 x\n"
	for name, c := range map[string]struct {
		script string
		e      Envelope
		body   string
		want   string
		alive  bool
	}{
		"no sender":  {hello + "< MAIL FROM:<a@us.test> SIZE=32\n> 450 4.7.1 later", Envelope{From: "a@us.test"}, mail, "450 4.7.1 later", true},
		"no message": {hello + "< MAIL FROM:<> SIZE=32\n> 250 ok\n< RCPT TO:<b@mx.test>\n> 250 ok\n< DATA\n> 451 4.3.0 no", Envelope{}, mail, "451 4.3.0 no", true},
		"all that was asked for": {hello + "< MAIL FROM:<ä@us.test> SIZE=32 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By\n> 250 ok\n" +
			"< RCPT TO:<b@mx.test> NOTIFY=FAILURE ORCPT=rfc822;b@x\n> 550 no",
			Envelope{From: "ä@us.test", UTF8: true, EightBit: true, Return: "HDRS", ID: "x+2By", To: []Recipient{{"b@mx.test", "FAILURE", "rfc822;b@x"}}}, mail, "550 no", true},
		"no UTF-8":         {plain, Envelope{From: "ä@us.test", UTF8: true}, mail, "553 5.6.7 The host takes no addresses outside ASCII", true},
		"no 8 bits":        {plain, Envelope{EightBit: true}, mail, "554 5.6.3 The host takes no 8-bit content", true},
		"too large":        {hello, Envelope{}, strings.Repeat("x", 98) + "\r\n\r\n", "552 5.3.4 The message is larger than the host takes", true},
		"not to be kept":   {hello, Envelope{RequireTLS: true}, mail, "550 5.7.30 The host can't promise that the message stays encrypted on its way", true},
		"it hangs up":      {hello + "< MAIL FROM:<> SIZE=32", Envelope{}, mail, "relay: the peer's reply: EOF", false},
		"a single LF":      {hello + "< MAIL FROM:<> SIZE=4\n> 250 ok\n< RCPT TO:<b@mx.test>\n> 250 ok\n< DATA\n> 354 go", Envelope{}, "a\nb\n", "relay: a CR or LF stands alone in the message", false},
		"a CR at the end":  {hello + "< MAIL FROM:<> SIZE=2\n> 250 ok\n< RCPT TO:<b@mx.test>\n> 250 ok\n< DATA\n> 354 go", Envelope{}, "a\r", "relay: a CR or LF stands alone in the message", false},
		"a strange answer": {hello + "< MAIL FROM:<> SIZE=32\n> hello", Envelope{}, mail, `relay: "hello" is no reply`, false},
		"a line in a name": {hello, Envelope{From: "a\r\nRSET\r\n@us.test"}, mail, "relay: a command with a line end in it", false},
	} {
		if c.e.To == nil {
			c.e.To = to("b@mx.test")
		}
		_, results, alive := send(t, c.script, c.e, c.body)
		if results[0] == nil || results[0].Error() != c.want || alive != c.alive {
			t.Errorf("%s: %v, alive %t", name, results[0], alive)
		}
	}
}

func TestAConnectionIsUsedAgain(t *testing.T) {
	one := "< MAIL FROM:<>\n> 250 ok\n< RCPT TO:<b@mx.test>\n> 250 ok\n< DATA\n> 354 go\n< x\n< .\n> 250 ok\n"
	c, results, alive := send(t, "> 220 x\n< EHLO us.test\n> 250 x\n"+one+"< RSET\n> 250 ok\n"+one+"< QUIT\n> 221 bye", Envelope{To: to("b@mx.test")}, "x\r\n")
	if !alive || results[0] != nil {
		t.Fatal(results, alive)
	}
	if results, alive := c.Send(t.Context(), Envelope{To: to("b@mx.test"), Size: 3}, strings.NewReader("x\r\n")); !alive || results[0] != nil {
		t.Error(results, alive)
	}
	c.Quit()
}

func TestManyRecipientsAreAskedForInPieces(t *testing.T) {
	script := "> 220 x\n< EHLO us.test\n> 250-x\n> 250 PIPELINING\n< MAIL FROM:<>\n"
	list := to()
	for i := range 120 {
		list = append(list, Recipient{Address: fmt.Sprintf("%d@mx.test", i)})
	}
	for from := 0; from < 120; from += atOnce {
		some := list[from:min(from+atOnce, 120)]
		for _, r := range some {
			script += "< RCPT TO:<" + r.Address + ">\n"
		}
		if from == 0 {
			script += "> 250 ok\n"
		}
		for i := range some {
			script += fmt.Sprintf("> %d ok\n", []int{250, 452}[(from+i)%2])
		}
	}
	_, results, _ := send(t, script+"< DATA\n> 354 go\n< x\n< .\n> 250 ok", Envelope{To: list}, "x\r\n")
	for i, err := range results {
		if (err == nil) != (i%2 == 0) {
			t.Errorf("recipient %d: %v", i, err)
		}
	}
}

func TestAPeerThatTalksForEverIsCutOff(t *testing.T) {
	for name, c := range map[string]string{
		"a long line": "220 " + strings.Repeat("x", 1<<20),
		"many lines":  strings.Repeat("220-x\r\n", 1<<16),
		"other codes": "220-x\r\n221 y\r\n",
		"no greeting": "554 5.7.1 go away\r\n",
	} {
		ours, theirs := net.Pipe()
		go func() { _, _ = io.WriteString(theirs, c); _, _ = io.Copy(io.Discard, theirs) }()
		_, err := Start(t.Context(), ours, "mx.test", "us.test")
		if err == nil || !kinds.Is(err, kinds.Unavailable) && !kinds.Is(err, kinds.Denied) {
			t.Errorf("%s: %v", name, err)
		}
		theirs.Close()
	}
}

func TestAConnectionEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ours, theirs := net.Pipe()
	defer theirs.Close()
	go cancel() // the peer never says anything
	if _, err := Start(ctx, ours, "mx.test", "us.test"); !kinds.Is(err, kinds.Unavailable) {
		t.Error(err)
	}
}

func TestLoginIsAnswered(t *testing.T) {
	c, err := Start(t.Context(), peer(t, "> 220 x\n< EHLO us.test\n> 250-x\n> 250 AUTH PLAIN LOGIN\n"+
		"< AUTH PLAIN AGEAYg==\n> 535 5.7.8 no\n< AUTH LOGIN YQ==\n> 334 UGFzc3dvcmQ6\n< Yg==\n> 235 2.7.0 ok"), "mx.test", "us.test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	if err := c.Login(sasl.NewPlainClient("", "a", "b")); err == nil || err.Error() != "535 5.7.8 no" {
		t.Error(err)
	}
	if err := c.Login(sasl.NewLoginClient("a", "b")); err != nil {
		t.Error(err)
	}
}

func FuzzReadReply(f *testing.F) {
	f.Add("250-a\r\n250 2.0.0 b\r\n")
	f.Fuzz(func(t *testing.T, s string) {
		r, lines, err := readReply(bufio.NewReaderSize(strings.NewReader(s), maxLine))
		if err == nil && (r.Code < 200 || r.Code > 599 || len(lines) == 0 || len(r.Text) > maxText || strings.ContainsAny(r.Text, "\r\n")) {
			t.Errorf("%+v", r)
		}
	})
}
