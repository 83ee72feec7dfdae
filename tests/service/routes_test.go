//go:build !localstack

package service_test

import (
	"net"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/tests/world"
)

// Mail for one domain goes to a smarthost, for another it is held until it is released or
// goes another way; what is left goes as the settings say.
func TestMailGoesByItsRoute(t *testing.T) {
	far, relay := startElsewhere(t), startElsewhere(t)
	_, port, _ := net.SplitHostPort(far.addr)
	zone := resolvertest.Start(t, "a.test. 300 IN MX 10 mx.a.test.", "mx.a.test. 300 IN A 127.0.0.1", "held.test. 300 IN MX 10 mx.a.test.", "relay.test. 300 IN A 127.0.0.1")
	w := world.Start(t, world.Config{Settings: map[string]string{"hostname": "localhost", "dns-servers": zone.Addr.String(), "outbound-way": "direct",
		"outbound-port": port, "outbound-allow": "127.0.0.0/8"}})
	_, relayPort, _ := net.SplitHostPort(relay.addr)
	shown := w.GodwitIn("secret\n", "route", "set", "smarthost", "relay.test:"+relayPort, "--to", "*.b.test", "--kind", "submission", "--tls", "opportunistic",
		"--username", "us", "--password-stdin")
	if strings.Contains(shown, "secret") || !strings.Contains(shown, "relay.test:"+relayPort) {
		t.Errorf("the route is shown as\n%s", shown)
	}
	w.Godwit("route", "set", "hold", "--to", "held.test")
	if err := submit(t, w, world.Alice, []string{"x@a.test", "x@far.b.test", "x@held.test"}, outgoing); err != nil {
		t.Fatal(err)
	}
	if err := submit(t, w, world.Alice, []string{"x@held.test"}, outgoing); err != nil {
		t.Fatal(err)
	}
	until(t, "each has come its way", func() bool {
		return len(far.mails()) == 1 && strings.HasPrefix(far.mails()[0], "<alice@demo.test> x@a.test\n") &&
			len(relay.mails()) == 1 && strings.HasPrefix(relay.mails()[0], "us<alice@demo.test> x@far.b.test\n")
	})
	until(t, "two are held", func() bool {
		list := w.Godwit("outgoing", "list", "--domain", "held.test", "--from", "demo.test")
		return strings.Count(list, "A route holds it") == 2 && strings.Count(w.Godwit("outgoing", "list", "--domain", "a.test"), "\n") == 2
	})
	by := strings.Fields(strings.Split(w.Godwit("route", "list"), "\n")[1])[0]
	if !strings.HasPrefix(by, "_:_:submission:") {
		by = strings.Fields(strings.Split(w.Godwit("route", "list"), "\n")[2])[0]
	}
	one := strings.Fields(strings.Split(w.Godwit("outgoing", "list", "--recipient", "x@held.test"), "\n")[1])[0]
	w.Godwit("outgoing", "route", one, "--route", by)
	until(t, "what goes another way is still held", func() bool { return strings.Contains(w.Godwit("outgoing", "show", one), "route/"+by) })
	until(t, "both are released", func() bool {
		w.Godwit("outgoing", "release", "--domain", "held.test")
		return len(far.mails()) == 2 && len(relay.mails()) == 2
	})
	until(t, "nothing waits", func() bool { return len(strings.Split(strings.TrimSpace(w.Godwit("outgoing", "list")), "\n")) == 1 })
	w.Godwit("route", "remove", by)
	if n := strings.Count(w.Godwit("route", "list"), "\n"); n != 2 {
		t.Errorf("%d lines of routes", n)
	}
}
