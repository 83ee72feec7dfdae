//go:build peers

package peers_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

//go:embed testdata/dkimpy.py
var dkimpyScript string

//go:embed testdata/mailauth.mjs
var mailauthScript string

// keys are what others sign with; their public halves are in the zone.
type keys struct {
	RSA     string `json:"rsa"`     // PEM
	Ed25519 string `json:"ed25519"` // seed, base64
}

func (to *town) makeKeys(domain string) keys {
	t := to.t
	t.Helper()
	secret, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(t, err)
	public, err := x509.MarshalPKIXPublicKey(&secret.PublicKey)
	ok(t, err)
	to.txt("r._domainkey."+domain, "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(public))
	pub, edwards, err := ed25519.GenerateKey(rand.Reader)
	ok(t, err)
	to.txt("e._domainkey."+domain, "v=DKIM1; k=ed25519; p="+base64.StdEncoding.EncodeToString(pub))
	to.txt(domain, "v=spf1 -all")
	to.txt("_dmarc."+domain, "v=DMARC1; p=reject")
	return keys{string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(secret)})),
		base64.StdEncoding.EncodeToString(edwards.Seed())}
}

// outside is a program that judges and signs.
type outside func(what string, mail string) string

// judged has a program judge what the service signed, and the service what the program did.
func judged(t *testing.T, domain string, install func(to *town, files map[string]string) outside) {
	to := newTown(t)
	p := to.startPostfix()
	k := to.makeKeys(domain)
	zone, err := json.Marshal(to.zone)
	ok(t, err)
	secrets, err := json.Marshal(k)
	ok(t, err)
	program := install(to, map[string]string{
		"zone": write(t, filepath.Join(to.dir, "zone.json"), string(zone)), "keys": write(t, filepath.Join(to.dir, "keys.json"), string(secrets))})

	to.submit(hello, "ok@postfix.test")
	ours := p.got("ok@postfix.test")
	ours = ours[strings.Index(ours, "DKIM-Signature:"):]
	if got := program("verify", strings.ReplaceAll(ours, "\n", "\r\n")); got != "pass pass" {
		t.Errorf("of our two signatures it says %q", got)
	}
	if got := program("verify", strings.ReplaceAll(strings.Replace(ours, "a line", "another line", 1), "\n", "\r\n")); strings.Contains(got, "pass") {
		t.Errorf("of a body that was changed it says %q", got)
	}
	for _, what := range []string{"rsa", "ed25519", "arc"} {
		mail := "From: x@" + domain + "\r\nTo: alice@demo.test\r\nSubject: by " + what + "\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + what + "@" + domain + ">\r\n\r\nhello \r\n\r\n"
		signed := program(what, mail)
		err := to.send("x@"+domain, signed)
		if what == "arc" { // a seal of one whom nobody has said to believe saves no mail
			if !rejected(err) {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		ok(t, err)
		m := to.came("INBOX", "Subject: by "+what)
		for _, word := range []string{"spf=fail", "dkim=pass", "dmarc=pass"} {
			if !strings.Contains(m, word) {
				t.Errorf("%s: %s is not in\n%s", what, word, m)
			}
		}
		err = to.send("x@"+domain, strings.Replace(signed, "hello", "hallo", 1))
		if !rejected(err) {
			t.Errorf("%s, a body that was changed: %v", what, err)
		}
	}
	// The same seal is good in itself.
	to.txt("_dmarc.lax.test", "v=DMARC1; p=none")
	sealed := program("arc", "From: x@lax.test\r\nTo: alice@demo.test\r\nSubject: sealed\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <s@"+domain+">\r\n\r\nhello\r\n")
	ok(t, to.send("x@"+domain, sealed))
	if m := to.came("INBOX", "Subject: sealed"); !strings.Contains(m, "arc=pass") {
		t.Errorf("the seal is not believed to be one:\n%s", m)
	}
}

func rejected(err error) bool {
	var said *smtp.SMTPError
	return errors.As(err, &said) && said.Code == 550 && said.EnhancedCode == smtp.EnhancedCode{5, 7, 1}
}

func TestDKIMPyAgrees(t *testing.T) {
	judged(t, "python.test", func(to *town, files map[string]string) outside {
		python := filepath.Join(to.dir, "venv", "bin", "python")
		run(t, to.dir, nil, "python3", "-m", "venv", "venv")
		run(t, to.dir, nil, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "dkimpy==1.1.8", "PyNaCl==1.5.0", "authres==1.2.0")
		script := write(t, filepath.Join(to.dir, "dkimpy.py"), dkimpyScript)
		return func(what, mail string) string {
			return run(t, to.dir, []byte(mail), python, script, what, "python.test", files["zone"], files["keys"])
		}
	})
}

func TestMailauthAgrees(t *testing.T) {
	judged(t, "node.test", func(to *town, files map[string]string) outside {
		run(t, to.dir, nil, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", to.dir, "mailauth@4.13.3")
		script := write(t, filepath.Join(to.dir, "mailauth.mjs"), mailauthScript)
		return func(what, mail string) string {
			return run(t, to.dir, []byte(mail), "node", script, what, "node.test", files["zone"], files["keys"])
		}
	})
}
