package relay

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/internal/certtest"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mtasts"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
)

// far is the mail exchangers of far.test: mx1 is at 8.8.8.1, mx2 at 8.8.8.2.
type far struct {
	mu    sync.Mutex
	hosts map[string]*peerTLS // by address
	got   []string            // "mx1 tls" or "mx1 clear", and the parameters of MAIL
}

// peerTLS is what one of them does about TLS.
type peerTLS struct {
	cert    *tls.Certificate // nil: no STARTTLS
	broken  bool             // its handshake
	require bool             // it announces REQUIRETLS
	absent  bool
}

func (f *far) dial(_ context.Context, _, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	p := f.hosts[host]
	if p == nil || p.absent {
		return nil, kinds.Errorf(kinds.Unavailable, "nobody there")
	}
	ours, theirs := net.Pipe()
	go f.serve(theirs, "mx"+host[len(host)-1:], p)
	return ours, nil
}

func (f *far) serve(c net.Conn, name string, p *peerTLS) {
	defer c.Close()
	how := "clear"
	r := bufio.NewReader(c)
	say := func(s string) { _, _ = c.Write([]byte(s + "\r\n")) }
	say("220 x")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.TrimSpace(line); {
		case strings.HasPrefix(verb, "EHLO") && p.cert != nil && how == "clear":
			say("250-x\r\n250 STARTTLS")
		case strings.HasPrefix(verb, "EHLO") && p.require:
			say("250-x\r\n250 REQUIRETLS")
		case verb == "STARTTLS":
			say("220 go")
			if p.broken {
				go func() { _, _ = io.Copy(io.Discard, r) }()
				say("this is no TLS")
				return
			}
			t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*p.cert}})
			if t.Handshake() != nil {
				return
			}
			c, how, r = t, "tls", bufio.NewReader(t)
		case strings.HasPrefix(verb, "MAIL"):
			f.mu.Lock()
			f.got = append(f.got, strings.TrimSpace(name+" "+how+strings.TrimPrefix(verb, "MAIL FROM:<>")))
			f.mu.Unlock()
			say("250 ok")
		case verb == "DATA":
			say("354 go")
			for line != ".\r\n" {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
			}
			say("250 taken")
		default:
			say("250 ok")
		}
	}
}

// sts is what MTA-STS says.
type sts map[string]mtasts.Found

func (s sts) Find(_ context.Context, domain string) (mtasts.Found, error) { return s[domain], nil }

func policyOf(t *testing.T, mode, host string) mtasts.Found {
	p, err := mtasts.Parse([]byte("version: STSv1\nmode: " + mode + "\nmx: " + host + "\nmax_age: 86400\n"))
	if err != nil {
		t.Fatal(err)
	}
	return mtasts.Found{Policy: p}
}

func tlsa(usage, selector, matching int, c *x509.Certificate) string {
	part := c.Raw
	if selector == 1 {
		part = c.RawSubjectPublicKeyInfo
	}
	switch matching {
	case 1:
		sum := sha256.Sum256(part)
		part = sum[:]
	case 2:
		sum := sha512.Sum512(part)
		part = sum[:]
	}
	return fmt.Sprintf("%d %d %d %s", usage, selector, matching, hex.EncodeToString(part))
}

func TestMailGoesAsTheDomainAsks(t *testing.T) {
	ca, stranger := certtest.New(t), certtest.New(t)
	own := stranger.Issue(t, "something.else")
	right := ca.Issue(t, "mx1.far.test", "mx2.far.test")
	cert := func(c tls.Certificate) *peerTLS { return &peerTLS{cert: &c} }
	good, wrong, old, unknown := cert(right), cert(ca.Issue(t, "other.test")), cert(ca.Expired(t, "mx1.far.test")), cert(own)
	private, domain := cert(stranger.Issue(t, "mx1.far.test")), cert(stranger.Issue(t, "far.test"))
	requires, requiresUnknown := &peerTLS{cert: &right, require: true}, &peerTLS{cert: &own, require: true}
	clear, broken, gone := &peerTLS{}, &peerTLS{cert: &right, broken: true}, &peerTLS{absent: true}
	enforce, testing, none := policyOf(t, "enforce", "mx1.far.test"), policyOf(t, "testing", "mx1.far.test"), policyOf(t, "none", "mx1.far.test")
	const no = "451 4.7.5"
	required, optional := Envelope{RequireTLS: true}, Envelope{TLSOptional: true}
	for name, c := range map[string]struct {
		mx1, mx2 *peerTLS
		sts      mtasts.Found
		tlsa     []string // of mx1
		zone     string   // what is done to the DNS: "insecure", "TLSA insecure", "TLSA broken", "alias"
		e        Envelope
		want     string // what a host got, or the error begins with
		told     string // results by policy, of each session
	}{
		"no policy, TLS of anybody":     {mx1: unknown, want: "mx1 tls", told: "no-policy-found:"},
		"no policy, no TLS":             {mx1: clear, want: "mx1 clear", told: "no-policy-found:starttls-not-supported"},
		"no policy, broken TLS":         {mx1: broken, want: "mx1 clear", told: "no-policy-found:validation-failure"},
		"no policy, the second":         {mx1: gone, mx2: good, want: "mx2 tls", told: "no-policy-found:"},
		"a policy that can't be had":    {mx1: clear, sts: mtasts.Found{Trouble: kinds.Errorf(kinds.Denied, "x")}, want: "mx1 clear", told: "sts:sts-webpki-invalid no-policy-found:starttls-not-supported"},
		"enforced":                      {mx1: good, sts: enforce, want: "mx1 tls", told: "sts:"},
		"enforced, another's name":      {mx1: wrong, sts: enforce, want: no, told: "sts:certificate-host-mismatch"},
		"enforced, too old":             {mx1: old, sts: enforce, want: no, told: "sts:certificate-expired"},
		"enforced, of nobody known":     {mx1: private, sts: enforce, want: no, told: "sts:certificate-not-trusted"},
		"enforced, no TLS":              {mx1: clear, sts: enforce, want: no, told: "sts:starttls-not-supported"},
		"enforced, broken TLS":          {mx1: broken, sts: enforce, want: no, told: "sts:validation-failure"},
		"enforced, only a host unnamed": {mx1: gone, mx2: good, sts: enforce, want: no, told: "sts:validation-failure"},
		"enforced, the first wins":      {mx1: good, mx2: clear, sts: enforce, want: "mx1 tls", told: "sts:"},
		"enforced, but optional":        {mx1: clear, sts: enforce, e: optional, want: "mx1 clear"},
		"tested":                        {mx1: wrong, sts: testing, want: "mx1 tls", told: "sts:certificate-host-mismatch"},
		"tested, no TLS":                {mx1: clear, sts: testing, want: "mx1 clear", told: "sts:starttls-not-supported"},
		"tested, broken TLS":            {mx1: broken, sts: testing, want: "mx1 clear", told: "sts:validation-failure"},
		"tested, a host unnamed":        {mx1: gone, mx2: good, sts: testing, want: "mx2 tls", told: "sts:validation-failure"},
		"no more":                       {mx1: wrong, sts: none, want: "mx1 tls", told: "no-policy-found:"},

		"DANE of the certificate":           {mx1: unknown, tlsa: []string{tlsa(3, 0, 1, own.Leaf)}, want: "mx1 tls", told: "tlsa:"},
		"DANE of the key":                   {mx1: unknown, tlsa: []string{tlsa(3, 1, 2, own.Leaf)}, want: "mx1 tls", told: "tlsa:"},
		"DANE of the whole key":             {mx1: unknown, tlsa: []string{"3 1 1 " + strings.Repeat("00", 32), tlsa(3, 1, 0, own.Leaf)}, want: "mx1 tls", told: "tlsa:"},
		"DANE, too old is no matter":        {mx1: old, tlsa: []string{tlsa(3, 1, 1, old.cert.Leaf)}, want: "mx1 tls", told: "tlsa:"},
		"DANE of another":                   {mx1: good, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, want: no, told: "tlsa:validation-failure"},
		"DANE before MTA-STS":               {mx1: good, sts: testing, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, want: no, told: "tlsa:validation-failure"},
		"DANE of an authority":              {mx1: private, tlsa: []string{tlsa(2, 0, 1, stranger.Certificate)}, want: "mx1 tls", told: "tlsa:"},
		"DANE of an authority, its key":     {mx1: private, tlsa: []string{tlsa(2, 1, 1, stranger.Certificate)}, want: "mx1 tls", told: "tlsa:"},
		"DANE of an authority, whole":       {mx1: private, tlsa: []string{tlsa(2, 0, 0, stranger.Certificate)}, want: "mx1 tls", told: "tlsa:"},
		"DANE of an authority, the domain":  {mx1: domain, tlsa: []string{tlsa(2, 0, 1, stranger.Certificate)}, want: "mx1 tls", told: "tlsa:"},
		"DANE of an authority, not named":   {mx1: unknown, tlsa: []string{tlsa(2, 0, 1, stranger.Certificate)}, want: no, told: "tlsa:certificate-host-mismatch"},
		"DANE of an authority, too old":     {mx1: old, tlsa: []string{tlsa(2, 0, 1, ca.Certificate)}, want: no, told: "tlsa:certificate-expired"},
		"DANE of another authority":         {mx1: good, tlsa: []string{tlsa(2, 0, 1, stranger.Certificate)}, want: no, told: "tlsa:validation-failure"},
		"DANE that can't be used":           {mx1: unknown, tlsa: []string{tlsa(1, 0, 1, own.Leaf), "3 1 9 00", "3 1 1 00", "3 7 0 00"}, want: "mx1 tls", told: "tlsa:"},
		"DANE that can't be used, no TLS":   {mx1: clear, tlsa: []string{tlsa(0, 0, 1, own.Leaf)}, want: no, told: "tlsa:starttls-not-supported"},
		"DANE, no TLS":                      {mx1: clear, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, want: no, told: "tlsa:starttls-not-supported"},
		"DANE, broken TLS":                  {mx1: broken, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, want: no, told: "tlsa:validation-failure"},
		"DANE, but optional":                {mx1: clear, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, e: optional, want: "mx1 clear"},
		"DANE of a domain without DNSSEC":   {mx1: clear, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, zone: "insecure", want: "mx1 clear", told: "no-policy-found:starttls-not-supported"},
		"DANE records without DNSSEC":       {mx1: clear, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, zone: "TLSA insecure", want: "mx1 clear", told: "no-policy-found:starttls-not-supported"},
		"DANE records that nobody tells":    {mx1: good, zone: "TLSA broken", want: no, told: "tlsa:dnssec-invalid"},
		"DANE of a name that is an alias's": {mx1: unknown, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, zone: "alias", want: "mx1 tls", told: "tlsa:"},

		"required, by DNSSEC":            {mx1: requires, e: required, want: "mx1 tls REQUIRETLS", told: "no-policy-found:"},
		"required, by MTA-STS":           {mx1: requires, sts: testing, zone: "insecure", e: required, want: "mx1 tls REQUIRETLS", told: "sts:"},
		"required, by DANE":              {mx1: requiresUnknown, tlsa: []string{tlsa(3, 1, 1, own.Leaf)}, e: required, want: "mx1 tls REQUIRETLS", told: "tlsa:"},
		"required, useless DANE":         {mx1: requiresUnknown, tlsa: []string{tlsa(1, 1, 1, own.Leaf)}, e: required, want: "550 5.7.30", told: "tlsa:certificate-host-mismatch"},
		"required, any host":             {mx1: requires, zone: "insecure", e: required, want: "550 5.7.30"},
		"required, not promised":         {mx1: good, e: required, want: "550 5.7.30", told: "no-policy-found:"},
		"required, promised by the next": {mx1: good, mx2: requires, e: required, want: "mx2 tls REQUIRETLS", told: "no-policy-found: no-policy-found:"},
		"required, no TLS":               {mx1: clear, e: required, want: "550 5.7.30", told: "no-policy-found:starttls-not-supported"},
		"required, not verified":         {mx1: requiresUnknown, e: required, want: "550 5.7.30", told: "no-policy-found:certificate-host-mismatch"},
		"required, one is away":          {mx1: gone, mx2: good, e: required, want: "mx1.far.test: relay: connect", told: "no-policy-found:"},
	} {
		zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx1.far.test.", "mx1.far.test. 300 IN A 8.8.8.1")
		if c.mx2 != nil {
			zone.Add(t, "far.test. 300 IN MX 20 mx2.far.test.")
			zone.Add(t, "mx2.far.test. 300 IN A 8.8.8.2")
		}
		at := "mx1.far.test."
		switch c.zone {
		case "insecure":
			zone.Insecure("far.test")
		case "TLSA insecure":
			zone.Insecure("_tcp.mx1.far.test")
		case "TLSA broken":
			zone.Break("_25._tcp.mx1.far.test", true)
		case "alias":
			zone.Remove("mx1.far.test")
			zone.Add(t, "mx1.far.test. 300 IN CNAME real.test.")
			zone.Add(t, "real.test. 300 IN A 8.8.8.1")
			at = "real.test."
		}
		for _, r := range c.tlsa {
			zone.Add(t, "_25._tcp."+at+" 300 IN TLSA "+r)
		}
		f := &far{hosts: map[string]*peerTLS{"8.8.8.1": c.mx1, "8.8.8.2": c.mx2}}
		var told []string
		s := &Sender{Hosts: &Hosts{Resolver: zone.Resolver(t)}, Dialer: &Dialer{Hello: "us.test", Dial: f.dial, TLS: &tls.Config{RootCAs: ca.Pool()}}, Now: time.Now,
			Policies: sts{"far.test": c.sts}, Tell: func(s Session) { told = append(told, s.Policy.Type+":"+s.Result) }}
		e := c.e
		e.To, e.Size = to("x@far.test"), int64(len(mail))
		results := s.Send(t.Context(), "far.test", e, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(mail)), nil })
		s.Tidy(true)
		f.mu.Lock()
		got := strings.Join(f.got, " | ")
		f.mu.Unlock()
		if err := results[0].Err; err != nil {
			got += err.Error()
		}
		if !strings.HasPrefix(got, c.want) || strings.Contains(got, "|") {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if got := strings.Join(told, " "); got != c.told {
			t.Errorf("%s: told %q, want %q", name, got, c.told)
		}
	}
}
