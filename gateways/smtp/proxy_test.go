package smtp

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/godwit-mail/godwit/gateways/internal/gatewaytest"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
)

// proxyHeader is of version 2, for a client at 192.0.2.7, with one TLV.
const proxyHeader = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x13\xc0\x00\x02\x07\x0a\x00\x00\x05\x12\x67\x00\x19\xea\x00\x04vpce"

// Behind a load balancer the trace of a message names the client, over all ways to TLS.
func TestBehindABalancerTheTraceNamesTheClient(t *testing.T) {
	w := newWorld(t)
	open := func(s *listen.Server) net.Conn {
		s.Proxy = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		gatewaytest.Serve(t, "proxied", s)
		c, err := gatewaytest.Dial(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, proxyHeader); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for how, session := range map[string]func() (*smtp.Client, error){
		"in clear": func() (*smtp.Client, error) { return smtp.NewClient(open(&listen.Server{Handler: w.gateway.MX})), nil },
		"STARTTLS": func() (*smtp.Client, error) {
			return smtp.NewClientStartTLS(open(&listen.Server{Handler: w.gateway.MX}), w.client)
		},
		"implicit": func() (*smtp.Client, error) {
			server, trust := gatewaytest.Certificate(t)
			c := open(&listen.Server{Handler: w.gateway.Submission, TLS: server, Implicit: true})
			client := smtp.NewClient(tls.Client(c, trust))
			return client, client.Auth(sasl.NewPlainClient("", "alice@demo.test", password))
		},
	} {
		t.Run(how, func(t *testing.T) {
			c, err := session()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SendMail("alice@demo.test", []string{"bob@demo.test"}, strings.NewReader("Subject: x\r\n\r\nx\r\n")); err != nil {
				t.Fatal(err)
			}
			if got := string(w.next(t).Trace); !strings.Contains(got, "([192.0.2.7])") {
				t.Errorf("the trace is %q", got)
			}
		})
	}
}
