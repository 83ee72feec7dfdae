package relay

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
)

// sender gives a Sender whose peers are played from scripts, one after another.
func sender(t *testing.T, scripts ...string) *Sender {
	t.Helper()
	zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.9")
	return &Sender{Now: time.Now, Hosts: &Hosts{Resolver: zone.Resolver(t), Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Dialer: &Dialer{Hello: "us.test", Dial: func(context.Context, string, string) (net.Conn, error) {
			if len(scripts) == 0 {
				return nil, kinds.Errorf(kinds.Unavailable, "nobody is there any more")
			}
			script := scripts[0]
			scripts = scripts[1:]
			return peer(t, script), nil
		}}}
}

func sendTo(t *testing.T, s *Sender, addresses ...string) []Result {
	t.Helper()
	return s.Send(t.Context(), "far.test", Envelope{From: "a@us.test", To: to(addresses...), Size: int64(len(mail))},
		func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(mail)), nil })
}

const goesAway = `> 220 mx
< EHLO us.test
> 250 mx
< MAIL FROM:<a@us.test>
> 250 ok
< RCPT TO:<no@far.test>
> 550 5.1.1 nobody
< RCPT TO:<drop@far.test>
> 421 4.3.2 going away`

const takes = `> 220 mx
< EHLO us.test
> 250 mx
< MAIL FROM:<a@us.test>
> 250 ok
< RCPT TO:<ok@far.test>
> 250 ok
< DATA
> 354 go on
< Subject: x
< 
< ..dot
< ...two
< end
< .
> 250 thanks`

// A host that goes away at the name of one of several is asked again for the others, who
// neither wait for him nor hear what was said of another.
func TestWhoMakesAHostGoAwayGoesAlone(t *testing.T) {
	s := sender(t, goesAway, takes)
	results := sendTo(t, s, "no@far.test", "drop@far.test", "ok@far.test")
	for i, want := range []string{"550 5.1.1 nobody", "421 4.3.2 going away", ""} {
		if got := results[i].Err; got == nil && want != "" || got != nil && got.Error() != want {
			t.Errorf("%d: %v, want %q", i, got, want)
		}
	}
}

// The same when he is the last one, and nothing follows but the message.
func TestTheLastOneMayMakeAHostGoAway(t *testing.T) {
	s := sender(t, strings.Replace(goesAway, "< RCPT TO:<no@far.test>\n> 550 5.1.1 nobody", "< RCPT TO:<ok@far.test>\n> 250 ok", 1), takes)
	results := sendTo(t, s, "ok@far.test", "drop@far.test")
	if _, is := results[1].Err.(Reply); !is || results[0].Err != nil {
		t.Errorf("%v", results)
	}
}

// What is said of one is no word about the others, when the host is gone for good.
func TestARefusalIsOfOneOnly(t *testing.T) {
	results := sendTo(t, sender(t, goesAway), "no@far.test", "drop@far.test", "ok@far.test")
	if reply, is := results[2].Err.(Reply); is {
		t.Errorf("what nobody has spoken of is answered by %v", reply)
	}
	if reply, is := results[0].Err.(Reply); !is || reply.Code != 550 {
		t.Errorf("it got %v", results[0].Err)
	}
}
