package senderauth_test

import (
	"crypto/ed25519"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/shared/senderauth"
)

var key = ed25519.NewKeyFromSeed(make([]byte, 32))

// signed gives a message with a signature of a domain.
func signed(t *testing.T, domain, mail string) string {
	t.Helper()
	d := dkim.Digest{RelaxedBody: true}
	_, _ = io.WriteString(&d, mail)
	_ = d.Close()
	s := dkim.Signer{Domain: domain, Selector: "s", Key: key}
	field, err := s.Sign(d.Header(), d.BodyHash(dkim.Relaxed), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return field + mail
}

// sealed gives a message as a mailing list passes it on, with its word for what it was.
func sealed(t *testing.T, domain, results, mail string) string {
	t.Helper()
	mail = strings.Replace(mail, "Subject: ", "Subject: [list] ", 1)
	d := dkim.Digest{RelaxedBody: true}
	_, _ = io.WriteString(&d, mail)
	_ = d.Close()
	s := dkim.Signer{Domain: domain, Selector: "s", Key: key}
	set, err := s.SealARC(d.Header(), d.BodyHash(dkim.Relaxed), dkim.Chain{Result: dkim.None}, results, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return set + mail
}

func zone(t *testing.T) *resolvertest.Server {
	t.Helper()
	record, err := (&dkim.Signer{Key: key}).Record()
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{
		`example.com. 300 IN TXT "v=spf1 ip4:192.0.2.1 -all"`,
		`_dmarc.example.com. 300 IN TXT "v=DMARC1; p=reject"`,
		`_dmarc.soft.test. 300 IN TXT "v=DMARC1; p=quarantine"`,
		`mx.example.com. 300 IN TXT "v=spf1 a -all"`,
		"mx.example.com. 300 IN A 192.0.2.1",
		"1.2.0.192.in-addr.arpa. 300 IN PTR mx.example.com.",
		"9.2.0.192.in-addr.arpa. 300 IN PTR mx.example.com.",
		`_dmarc.co.uk. 300 IN TXT "v=DMARC1; p=reject"`,
		`loop.test. 300 IN TXT "v=spf1 include:loop.test -all"`,
		`void.test. 300 IN TXT "v=spf1 a:1.void.test a:2.void.test a:3.void.test ip4:192.0.2.1 -all"`,
		`_dmarc.xn--bcher-kva.test. 300 IN TXT "v=DMARC1; p=reject"`,
	}
	for _, domain := range []string{"example.com", "list.test", "soft.test", "liar.test"} {
		lines = append(lines, "s._domainkey."+domain+`. 300 IN TXT "`+record+`"`)
	}
	return resolvertest.Start(t, lines...)
}

func judge(t *testing.T, r *resolver.Resolver, ip, hello, from, mail string) senderauth.Verdict {
	t.Helper()
	return judged(t, senderauth.New(senderauth.Config{Resolver: r, ID: "mx.ours.test", Sealers: []string{"list.test"}}), ip, hello, from, mail)
}

func judged(t *testing.T, j *senderauth.Judge, ip, hello, from, mail string) senderauth.Verdict {
	t.Helper()
	var path address.Address
	if from != "" {
		local, domain, _ := strings.Cut(from, "@")
		path = address.Address{Local: local, Domain: domain}
	}
	trial := j.Begin(t.Context(), senderauth.Peer{IP: netip.MustParseAddr(ip), Hello: hello, From: path})
	defer trial.Cancel()
	scanner := message.NewScanner()
	_, _ = io.WriteString(io.MultiWriter(trial, scanner), mail)
	return trial.Finish(scanner.Finish().Envelope.From)
}

const (
	fromExample = "From: A <a@example.com>\r\nSubject: hi\r\n\r\nhello\r\n"
	good        = "192.0.2.1"
	bad         = "192.0.2.9"
)

func TestWhoSentItDecides(t *testing.T) {
	z := zone(t)
	z.Break("broken.test", true)
	r := z.Resolver(t)
	from := func(who string) string { return strings.Replace(fromExample, "A <a@example.com>", who, 1) }
	dkimmed := signed(t, "example.com", fromExample)
	for name, c := range map[string]struct {
		ip, hello, from, mail string
		do                    dmarc.Policy
		words                 string
	}{
		"its own server":       {good, "mx.example.com", "a@example.com", fromExample, "none", "iprev=pass (mx.example.com); spf=pass smtp.mailfrom=example.com; dmarc=pass header.from=example.com dkim=none"},
		"another server":       {bad, "x", "a@example.com", fromExample, "reject", "iprev=fail spf=fail dmarc=fail (p=reject dis=reject)"},
		"signed":               {bad, "x", "a@other.test", dkimmed, "none", "spf=none dmarc=pass dkim=pass header.d=example.com header.s=s header.a=ed25519-sha256 header.b="},
		"signed, but changed":  {bad, "x", "a@other.test", dkimmed + "more\r\n", "reject", `dmarc=fail dkim=fail reason="the body was changed"`},
		"signed by another":    {bad, "x", "", signed(t, "liar.test", fromExample), "reject", "dmarc=fail dkim=pass header.d=liar.test"},
		"a bounce":             {good, "mx.example.com", "", fromExample, "none", "spf=pass smtp.helo=mx.example.com dmarc=pass"},
		"quarantine":           {bad, "x", "", from("a@soft.test"), "quarantine", "dmarc=fail (p=quarantine dis=quarantine) header.from=soft.test"},
		"no policy":            {bad, "x", "", from("a@nothing.test"), "none", "dmarc=none"},
		"a name in Unicode":    {bad, "x", "", from("a@bücher.test"), "reject", "header.from=xn--bcher-kva.test"},
		"two From fields":      {good, "x", "a@example.com", "From: b@nothing.test\r\n" + fromExample, "none", "dmarc=permerror"},
		"two authors":          {good, "x", "a@example.com", from("a@example.com, b@soft.test"), "quarantine", "dmarc=fail header.from=soft.test"},
		"many authors":         {good, "x", "a@example.com", from("a@example.com, b@b.test, c@c.test, d@d.test"), "none", "dmarc=permerror"},
		"no author":            {good, "x", "a@example.com", "Subject: x\r\n\r\n", "none", "dmarc=permerror"},
		"the list is believed": {bad, "x", "", sealed(t, "list.test", "list.test; dmarc=pass", dkimmed), "none", "dmarc=fail (p=reject dis=none) arc=pass"},
		"the list says fail":   {bad, "x", "", sealed(t, "list.test", "list.test; dmarc=fail", dkimmed), "reject", "arc=pass"},
		"a liar is not":        {bad, "x", "", sealed(t, "liar.test", "list.test; dmarc=pass", dkimmed), "reject", "arc=pass"},
		"a suffix's policy":    {bad, "x", "", from("a@firm.co.uk"), "none", "dmarc=none"},
		"SPF in a circle":      {good, "x", "a@loop.test", fromExample, "reject", "spf=permerror"},
		"void look-ups":        {good, "x", "a@void.test", fromExample, "reject", "spf=permerror"},
		"nobody can say":       {bad, "x", "a@broken.test", from("a@broken.test"), "none", "spf=temperror"},
		"a hostile EHLO":       {bad, "a\"; dkim=pass", "", fromExample, "reject", "spf=none"},
	} {
		v := judge(t, r, c.ip, c.hello, c.from, c.mail)
		if v.DMARC.Do != c.do {
			t.Errorf("%s: %s (%+v), want %s", name, v.DMARC.Do, v.DMARC, c.do)
		}
		for _, word := range strings.Fields(c.words) {
			if !strings.Contains(v.Results, strings.TrimSuffix(word, ";")) {
				t.Errorf("%s: no %q in\n%s", name, word, v.Results)
			}
		}
		if !strings.HasPrefix(v.Results, "Authentication-Results: mx.ours.test;\r\n\tiprev=") || !strings.HasSuffix(v.Results, "\r\n") ||
			strings.Contains(strings.ReplaceAll(strings.TrimSuffix(v.Results, "\r\n"), "\r\n\t", ""), "\n") || len(v.Results) > 2500 {
			t.Errorf("%s: no header field: %q", name, v.Results)
		}
	}
}

func TestAHundredSignaturesFitTheField(t *testing.T) {
	long := strings.Repeat(strings.Repeat("x", 60)+".", 3) + "test"
	mail := fromExample
	for range 100 {
		mail = "DKIM-Signature: v=1; a=rsa-sha256; d=" + long + "; s=" + long + "; h=from; bh=QUFB; b=QUFBQUFBQUE=\r\n" + mail
	}
	v := judge(t, zone(t).Resolver(t), bad, "x", "", mail)
	if len(v.DKIM) != dkim.MaxSignatures || len(v.Results) > 2500 || !strings.Contains(v.Results, "dmarc=fail") {
		t.Errorf("%d signatures, %d octets:\n%s", len(v.DKIM), len(v.Results), v.Results)
	}
}

// A name server that never answers keeps a message waiting for so long, and no longer.
func TestTheTimeIsBounded(t *testing.T) {
	z := zone(t)
	for _, name := range []string{"example.com", "_dmarc.example.com", "s._domainkey.example.com", "9.2.0.192.in-addr.arpa"} {
		z.Silence(name)
	}
	r := resolver.New(resolver.Config{Servers: []netip.AddrPort{z.Addr}, Timeout: 100 * time.Hour})
	j := senderauth.New(senderauth.Config{Resolver: r, ID: "mx.ours.test", MaxTime: 50 * time.Millisecond})
	v := judged(t, j, bad, "x", "a@example.com", signed(t, "example.com", fromExample))
	if v.DMARC.Do != dmarc.NoPolicy || v.DMARC.Result != dkim.TempError || v.IPRev.Result != dkim.TempError || v.SPF.Result != "temperror" || v.DKIM[0].Result != dkim.TempError {
		t.Errorf("%+v", v)
	}
}
