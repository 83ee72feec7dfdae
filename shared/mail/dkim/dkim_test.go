package dkim

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	judge "github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"
)

// The keys of RFC 6376, appendix C, and RFC 8463, appendix A.2.
var rfcKeys = zone{
	"brisbane._domainkey.example.com": {"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v" +
		"/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"},
	"brisbane._domainkey.football.example.com": {"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
	"test._domainkey.football.example.com": {"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACD" +
		"fzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"},
}

type zone map[string][]string

func (z zone) lookup(_ context.Context, name string) ([]string, error) {
	texts, ok := z[name]
	switch {
	case !ok:
		return nil, &net.DNSError{IsNotFound: true}
	case len(texts) == 0:
		return nil, &net.DNSError{IsTemporary: true}
	}
	return texts, nil
}

var at = time.Unix(1_800_000_000, 0)

func read(z zone, mail string) *Verifier {
	v := NewVerifier(z.lookup, at)
	for len(mail) > 0 { // in pieces that fit no line
		n := min(7, len(mail))
		_, _ = io.WriteString(v, mail[:n])
		mail = mail[n:]
	}
	_ = v.Close()
	return v
}

func verify(t *testing.T, z zone, mail string) []Signature {
	t.Helper()
	return read(z, mail).Verify(t.Context())
}

func TestExamplesOfTheRFCsPass(t *testing.T) {
	for file, algorithms := range map[string][]string{"rfc6376-a.eml": {"rsa-sha256"}, "rfc8463-a.eml": {"ed25519-sha256", "rsa-sha256"}} {
		mail, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		got := verify(t, rfcKeys, string(mail))
		if len(got) != len(algorithms) {
			t.Fatalf("%s: %d signatures", file, len(got))
		}
		for i, s := range got {
			if s.Algorithm != algorithms[i] || s.Result != Pass {
				t.Errorf("%s: %+v", file, s)
			}
		}
		for _, s := range verify(t, rfcKeys, strings.Replace(string(mail), "hungry", "angry", 1)) {
			if s.Result != Fail {
				t.Errorf("%s with another body: %+v", file, s)
			}
		}
	}
}

var rsaKey = func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}()

var edKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))

func signer(key crypto.Signer) *Signer {
	return &Signer{Domain: "example.org", Selector: "s1", Key: key}
}

func record(t interface{ Fatal(...any) }, s *Signer) string {
	text, err := s.Record()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sign puts a signature before a message.
func sign(t interface{ Fatal(...any) }, s *Signer, mail string) string {
	var d Digest
	d.RelaxedBody = true
	_, _ = io.WriteString(&d, mail)
	_ = d.Close()
	field, err := s.Sign(d.Header(), d.BodyHash(Relaxed), at)
	if err != nil {
		t.Fatal(err)
	}
	return field + mail
}

const plain = "From: A <a@example.org>\r\nTo: b@example.com\r\nSubject:  hello \r\n\tworld\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n\r\nline  one \r\n\r\nline two\r\n\r\n\r\n"

func TestWhatIsChangedAfterwardsIsFound(t *testing.T) {
	for _, key := range []crypto.Signer{rsaKey, edKey} {
		s := signer(key)
		z := zone{"s1._domainkey.example.org": {record(t, s)}}
		mail := sign(t, s, plain)
		for name, c := range map[string]struct {
			mail string
			want Result
		}{
			"nothing":            {mail, Pass},
			"blanks in the body": {strings.Replace(mail, "line  one ", "line one", 1), Pass},
			"empty lines at end": {strings.TrimSuffix(mail, "\r\n\r\n"), Pass},
			"a fold":             {strings.Replace(mail, "hello \r\n\tworld", "hello world", 1), Pass},
			"a field on top":     {"Received: from x\r\n" + mail, Pass},
			"the subject":        {strings.Replace(mail, "hello", "hallo", 1), Fail},
			"a second subject":   {strings.Replace(mail, "\r\nSubject:", "\r\nSubject: x\r\nSubject:", 1), Fail},
			"a second From":      {"From: c@example.org\r\n" + mail, Fail},
			"a field is gone":    {strings.Replace(mail, "To: b@example.com\r\n", "", 1), Fail},
			"the body":           {mail + "more\r\n", Fail},
			"a part of the body": {strings.Replace(mail, "c=relaxed/relaxed;", "c=relaxed/relaxed; l=3;", 1), Policy},
			"an expired one":     {strings.Replace(mail, "t=1800000000;", "t=1700000000; x=1799999999;", 1), PermError},
			"not signing From":   {strings.Replace(mail, "h=From:From:", "h=", 1), PermError},
			"rsa-sha1":           {strings.Replace(mail, "-sha256", "-sha1", 1), PermError},
			"someone else's i=":  {strings.Replace(mail, "v=1;", "v=1; i=a@example.com;", 1), PermError},
			"a subdomain's i=":   {strings.Replace(mail, "v=1;", "v=1; i=a@b.example.org;", 1), Fail},
			"twice d=":           {strings.Replace(mail, "v=1;", "v=1; d=example.org;", 1), Neutral},
			"a top-level domain": {strings.Replace(mail, "d=example.org", "d=org", 1), PermError},
			"another selector":   {strings.Replace(mail, "s=s1", "s=s2", 1), PermError},
			"too long":           {strings.Replace(mail, "v=1;", "v=1; n="+strings.Repeat("x", maxField)+";", 1), Policy},
			"too many names":     {strings.Replace(mail, "h=From:", "h=From:"+strings.Repeat("x:", maxSigned), 1), PermError},
		} {
			got := verify(t, z, c.mail)
			if len(got) != 1 || got[0].Result != c.want {
				t.Errorf("%s: %+v, want %s", name, got, c.want)
			}
		}
	}
}

func TestKeysThatMayNotBeUsed(t *testing.T) {
	s := signer(rsaKey)
	mail, good := sign(t, s, plain), record(t, s)
	weak := "v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAMsSPAgCNsZlSEzVr5U+NDnuHUP2HxDgT8ASgxPBKDmrPXgwrr/V2rh4n9CGTz3NSd9fE5CvPDeAUGH4XMzgdpcCAwEAAQ=="
	for name, c := range map[string]struct {
		texts []string
		want  Result
		word  string
	}{
		"good":              {[]string{good}, Pass, ""},
		"old form":          {[]string{strings.Replace(good, "v=DKIM1; k=rsa; ", "", 1)}, Pass, ""},
		"for mail":          {[]string{good + "; s=tlsrpt:email; h=sha1:sha256"}, Pass, ""},
		"strict":            {[]string{good + "; t=s"}, Pass, ""},
		"none":              {nil, TempError, "now"},
		"two":               {[]string{good, good}, PermError, "more than one"},
		"revoked":           {[]string{"v=DKIM1; p="}, PermError, "revoked"},
		"weak":              {[]string{weak}, PermError, "weak"},
		"for another thing": {[]string{good + "; s=tlsrpt"}, PermError, "not for mail"},
		"for another hash":  {[]string{good + "; h=sha1"}, PermError, "another hash"},
		"another kind":      {[]string{record(t, signer(edKey))}, PermError, "another kind"},
		"another version":   {[]string{strings.Replace(good, "DKIM1", "DKIM2", 1)}, PermError, "version"},
		"nonsense":          {[]string{"hello"}, PermError, "read"},
		"giant":             {[]string{"v=DKIM1; p=" + strings.Repeat("QUFB", 5000)}, PermError, "read"},
	} {
		got := verify(t, zone{"s1._domainkey.example.org": c.texts}, mail)
		if len(got) != 1 || got[0].Result != c.want || !strings.Contains(got[0].Reason, c.word) {
			t.Errorf("%s: %+v, want %s, %q", name, got, c.want, c.word)
		}
	}
	if got := verify(t, zone{"s1._domainkey.example.org": {good + "; t=y"}}, mail); !got[0].Testing {
		t.Error("a key that is only tried is not told from others")
	}
}

func TestAHundredSignaturesAreBounded(t *testing.T) {
	s := signer(edKey)
	mail := plain
	for range 100 {
		signed := sign(t, s, plain)
		mail = signed[:len(signed)-len(plain)] + mail
	}
	asked := make(chan string, 1000)
	v := NewVerifier(func(_ context.Context, name string) ([]string, error) {
		asked <- name
		return nil, errors.New("no")
	}, at)
	_, _ = io.WriteString(v, mail)
	_ = v.Close()
	if got := v.Verify(t.Context()); len(got) != MaxSignatures || len(asked) != MaxSignatures {
		t.Errorf("%d signatures, %d lookups", len(got), len(asked))
	}
}

// Any message is signed so that another implementation agrees, and theirs so that we do.
func TestAnotherImplementationAgrees(t *testing.T) {
	s := signer(edKey)
	z := zone{"s1._domainkey.example.org": {record(t, s)}}
	text := func(name string) (list []string, err error) { return z.lookup(context.Background(), name) }
	word := rapid.SampledFrom([]string{"a", " ", "\t", "  ", "\r\n", "\r\n\r\n", "bc", "é", ";", ":", "=", ".", "\r\n "})
	rapid.Check(t, func(t *rapid.T) {
		body := strings.Join(rapid.SliceOfN(word, 0, 30).Draw(t, "body"), "")
		subject := strings.NewReplacer("\r\n\r\n", "", "\r\n ", "", "\r\n", "\r\n\t").Replace(strings.Join(rapid.SliceOfN(word, 0, 10).Draw(t, "subject"), ""))
		mail := "From: a@example.org\r\nSubject: x" + subject + "y\r\nX-A: b\r\n\r\n" + body
		theirs, err := judge.VerifyWithOptions(strings.NewReader(sign(t, s, mail)), &judge.VerifyOptions{LookupTXT: text})
		if err != nil || len(theirs) != 1 || theirs[0].Err != nil {
			t.Fatalf("they say of ours: %v, %v", theirs, err)
		}
		canon := []judge.Canonicalization{judge.CanonicalizationRelaxed, judge.CanonicalizationSimple}
		var signed bytes.Buffer
		err = judge.Sign(&signed, strings.NewReader(mail), &judge.SignOptions{Domain: "example.org", Selector: "s1", Signer: edKey, Hash: crypto.SHA256,
			HeaderCanonicalization: rapid.SampledFrom(canon).Draw(t, "header"), BodyCanonicalization: rapid.SampledFrom(canon).Draw(t, "body"),
			HeaderKeys: []string{"From", "Subject", "X-A", "X-B"}})
		if err != nil {
			t.Fatal(err)
		}
		if ours := read(z, signed.String()).Verify(context.Background()); len(ours) != 1 || ours[0].Result != Pass {
			t.Fatalf("we say of theirs: %+v\n%q", ours, signed.String())
		}
	})
}

func TestAChainOfSeals(t *testing.T) {
	z, mail := zone{}, sign(t, signer(edKey), plain)
	for i := range 3 {
		s := &Signer{Domain: fmt.Sprintf("relay%d.example", i), Selector: "arc", Key: []crypto.Signer{rsaKey, edKey}[i%2]}
		z["arc._domainkey."+s.Domain] = []string{record(t, s)}
		v := NewVerifier(z.lookup, at)
		v.RelaxedBody = true
		_, _ = io.WriteString(v, mail)
		_ = v.Close()
		chain := v.VerifyARC(t.Context())
		if want := []Result{None, Pass, Pass}[i]; chain.Result != want || len(chain.Seals) != i {
			t.Fatalf("before seal %d: %+v", i+1, chain)
		}
		set, err := s.SealARC(v.Header(), v.BodyHash(Relaxed), chain, fmt.Sprintf("mx%d.example; dkim=pass", i), at)
		if err != nil {
			t.Fatal(err)
		}
		mail = set + "Received: by relay\r\n" + mail
	}
	chain := read(z, mail).VerifyARC(t.Context())
	if chain.Result != Pass || len(chain.Seals) != 3 || chain.Seals[1] != (Seal{"relay1.example", "mx1.example; dkim=pass"}) {
		t.Errorf("%+v", chain)
	}
	without := func(prefix string) string {
		var kept []string
		skip := false
		for _, line := range strings.SplitAfter(mail, "\r\n") {
			if !strings.HasPrefix(line, "\t") {
				skip = strings.HasPrefix(line, prefix)
			}
			if !skip {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
	for name, c := range map[string]string{
		"another body":          mail + "more\r\n",
		"another subject":       strings.Replace(mail, "hello", "hallo", 1),
		"another result":        strings.Replace(mail, "mx0.example; dkim=pass", "mx0.example; dkim=fail", 1),
		"a seal is gone":        without("ARC-Seal: i=2"),
		"the first set is":      strings.Replace(strings.Replace(mail, "i=1", "i=4", -1), "cv=none", "cv=pass", 1),
		"a seal says fail":      strings.Replace(mail, "cv=pass", "cv=fail", 1),
		"a seal is there twice": mail[strings.Index(mail, "ARC-Seal"):strings.Index(mail, "ARC-Message")] + mail,
		"no instance":           strings.Replace(mail, "i=3", "i=x", 1),
		"too many":              strings.Replace(mail, "i=3", "i=51", -1),
	} {
		if got := read(z, c).VerifyARC(t.Context()); got.Result != Fail {
			t.Errorf("%s: %+v", name, got)
		}
	}
	z["arc._domainkey.relay1.example"] = nil
	if got := read(z, mail).VerifyARC(t.Context()); got.Result != TempError {
		t.Errorf("a key that can't be looked up: %+v", got)
	}
}

func FuzzVerify(f *testing.F) {
	for _, name := range []string{"rfc6376-a.eml", "rfc8463-a.eml"} {
		mail, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(mail))
	}
	f.Add("ARC-Seal: i=1; cv=none; d=a.b; s=c; a=rsa-sha256; b=QQ==\r\nARC-Message-Signature: i=1\r\nARC-Authentication-Results: i=1; x\r\n\r\n")
	f.Fuzz(func(t *testing.T, mail string) {
		v := NewVerifier(rfcKeys.lookup, at)
		_, _ = io.WriteString(v, mail)
		_ = v.Close()
		for _, s := range v.Verify(t.Context()) {
			if s.Result == "" || s.Result != Pass && s.Reason == "" {
				t.Errorf("no result: %+v", s)
			}
		}
		if c := v.VerifyARC(t.Context()); c.Result == "" {
			t.Errorf("no result: %+v", c)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := signer(rsaKey)
	z := zone{"s1._domainkey.example.org": {record(b, s)}}
	mail := []byte(sign(b, s, strings.TrimSuffix(plain, "\r\n\r\n")+strings.Repeat("Some words of a line that is seventy characters long, more or less so.\r\n", 350)))
	b.SetBytes(int64(len(mail)))
	for b.Loop() {
		v := NewVerifier(z.lookup, at)
		_, _ = v.Write(mail)
		_ = v.Close()
		if got := v.Verify(b.Context()); got[0].Result != Pass {
			b.Fatal(got)
		}
	}
}
