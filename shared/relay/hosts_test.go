package relay

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
)

func TestWhereTheMailOfADomainGoes(t *testing.T) {
	z := resolvertest.Start(t,
		"two.test. 300 IN MX 20 b.two.test.", "two.test. 300 IN MX 10 a.two.test.", "a.two.test. 300 IN A 8.8.8.1", "b.two.test. 300 IN A 8.8.8.2", "b.two.test. 300 IN AAAA 2a00::2",
		"implicit.test. 300 IN A 8.8.8.3",
		"null.test. 300 IN MX 0 .",
		"half.test. 300 IN MX 10 gone.half.test.", "half.test. 300 IN MX 20 a.two.test.",
		"inside.test. 300 IN MX 10 inside.test.", "inside.test. 300 IN A 169.254.169.254", "inside.test. 300 IN A 127.0.0.1", "inside.test. 300 IN A 10.0.0.1",
		"inside.test. 300 IN AAAA ::1", "inside.test. 300 IN AAAA 64:ff9b::a00:1", "inside.test. 300 IN AAAA 2002:a00:1::1", "inside.test. 300 IN AAAA ::ffff:10.0.0.1",
		"backup.test. 300 IN MX 10 a.two.test.", "backup.test. 300 IN MX 20 us.test.", "backup.test. 300 IN MX 30 b.two.test.",
		"ours.test. 300 IN MX 10 US.test.", "ours.test. 300 IN MX 10 a.two.test.",
		"slow.test. 300 IN MX 10 broken.test.",
		"alias.test. 300 IN CNAME two.test.",
		"nothing.test. 300 IN MX 10 gone.test.",
		"led.test. 300 IN MX 10 name.test.", "name.test. 300 IN CNAME a.two.test.", // which nobody may do, and some do
		"mixed.test. 300 IN MX 0 .", "mixed.test. 300 IN MX 10 a.two.test.",
	)
	z.Break("broken.test", true)
	z.Break("unknown.test", true)
	h := &Hosts{Resolver: z.Resolver(t), Self: "us.test", Allow: []netip.Prefix{netip.MustParsePrefix("127.9.0.0/16")}}
	for domain, want := range map[string]string{
		"two.test": "a.two.test 8.8.8.1:25; b.two.test [2a00::2]:25 8.8.8.2:25", "alias.test": "a.two.test 8.8.8.1:25; b.two.test [2a00::2]:25 8.8.8.2:25",
		"implicit.test": "implicit.test 8.8.8.3:25", "half.test": "a.two.test 8.8.8.1:25", "backup.test": "a.two.test 8.8.8.1:25",
		"[8.8.4.4]": " 8.8.4.4:25", "[IPv6:2a00::1]": " [2a00::1]:25", "[127.9.0.1]": " 127.9.0.1:25",
		"led.test": "name.test 8.8.8.1:25", "mixed.test": "a.two.test 8.8.8.1:25",
		"null.test": nullMX.Error(), "inside.test": notPublic.Error(), "ours.test": ourselves.Error(), "[127.0.0.1]": notPublic.Error(), "[10.1.1.1]": notPublic.Error(),
		"nobody.test": noDomain.Error(), "nothing.test": noDomain.Error(), "a..b": noDomain.Error(),
		"slow.test": "unavailable", "unknown.test": "unavailable",
	} {
		targets, err := h.Find(t.Context(), domain)
		var parts []string
		for _, target := range targets {
			part := target.Host
			for _, a := range target.Addrs {
				part += " " + a.String()
			}
			parts = append(parts, part)
			if target.Host != "" && !target.Secure {
				t.Errorf("%s: what was validated is not told to be", domain)
			}
		}
		got := strings.Join(parts, "; ")
		if err != nil {
			if got = err.Error(); kinds.Is(err, kinds.Unavailable) {
				got = "unavailable"
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
}

// host is a peer on a network of its own that has TLS with a certificate of example.com.
type host struct {
	cert     tls.Certificate
	starttls bool
	broken   bool // its TLS
}

func (h *host) dial(_ context.Context, _, addr string) (net.Conn, error) {
	if strings.HasPrefix(addr, "8.8.8.9") {
		return nil, kinds.Errorf(kinds.Unavailable, "nobody there")
	}
	ours, theirs := net.Pipe()
	go h.serve(theirs)
	return ours, nil
}

func (h *host) serve(c net.Conn) {
	defer c.Close()
	secure := false
	r := bufio.NewReader(c)
	say := func(s string) { _, _ = c.Write([]byte(s + "\r\n")) }
	say("220 x")
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "EHLO"):
			if h.starttls && !secure {
				say("250-x\r\n250 STARTTLS")
			} else {
				say("250 x")
			}
		case strings.HasPrefix(line, "STARTTLS"):
			say("220 go")
			if h.broken {
				go func() { _, _ = io.Copy(io.Discard, r) }()
				say("this is no TLS")
				return
			}
			t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{h.cert}})
			if t.Handshake() != nil {
				return
			}
			c, secure = t, true
			r = bufio.NewReader(c)
		case strings.HasPrefix(line, "QUIT"):
			say("221 bye")
			return
		}
	}
}

func TestConnectionsAreAsSafeAsIsAskedFor(t *testing.T) {
	web := httptest.NewTLSServer(nil) // for its certificate, of example.com
	defer web.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	target := func(name string) Target {
		return Target{Host: name, Addrs: []netip.AddrPort{netip.MustParseAddrPort("8.8.8.9:25"), netip.MustParseAddrPort("8.8.8.8:25")}}
	}
	for name, c := range map[string]struct {
		host  host
		to    string
		asked Security
		want  string // "tls", "clear", or the error
	}{
		"no TLS":                  {host{}, "example.com", Opportunistic, "clear"},
		"no TLS, asked for":       {host{}, "example.com", Encrypted, noTLS.Error()},
		"TLS":                     {host{starttls: true}, "example.com", Opportunistic, "tls"},
		"TLS of another":          {host{starttls: true}, "other.test", Opportunistic, "tls"},
		"TLS of another, enough":  {host{starttls: true}, "other.test", Encrypted, "tls"},
		"TLS of another, checked": {host{starttls: true}, "other.test", Verified, "relay: TLS: tls: failed to verify certificate"},
		"TLS, checked":            {host{starttls: true}, "example.com", Verified, "tls"},
		"broken TLS":              {host{starttls: true, broken: true}, "example.com", Opportunistic, "clear"},
		"broken TLS, asked for":   {host{starttls: true, broken: true}, "example.com", Encrypted, "relay: TLS: tls: first record does not look like a TLS handshake"},
	} {
		c.host.cert = web.TLS.Certificates[0]
		d := &Dialer{Hello: "us.test", Dial: c.host.dial, TLS: &tls.Config{RootCAs: pool}}
		conn, err := d.To(t.Context(), target(c.to), c.asked)
		got := "clear"
		switch {
		case err != nil:
			got = err.Error()
		case conn.TLS != nil:
			got = "tls"
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if conn != nil {
			conn.Quit()
		}
	}
}
