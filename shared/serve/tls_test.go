package serve

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// handedOut is the certificate that a client would be shown.
func handedOut(t *testing.T, c *certificate) *x509.Certificate {
	t.Helper()
	cert, err := c.config().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func TestASelfSignedCertificateIsReusedAndRenewed(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	now := time.Now()
	clock := func() time.Time { return now }
	open := func(hostname string) *certificate {
		t.Helper()
		c, err := openCertificate(certFile, keyFile, hostname, clock, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open("mail.example.org")
	first := handedOut(t, c)
	for _, name := range []string{"mail.example.org", "localhost", "127.0.0.1", "::1"} {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{certFile, keyFile} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if !bytes.Equal(handedOut(t, open("mail.example.org")).Raw, first.Raw) {
		t.Error("a restart made another certificate")
	}
	if bytes.Equal(handedOut(t, open("other.example.org")).Raw, first.Raw) {
		t.Error("the certificate is for another name")
	}
	// A service that runs for a year renews it without a restart.
	c = open("mail.example.org")
	now = now.Add(selfSignedFor - renewBefore + time.Hour)
	if last := handedOut(t, c); !last.NotAfter.After(now.Add(renewBefore)) {
		t.Errorf("at %v the certificate until %v is still in use", now, last.NotAfter)
	}
}

func TestACertificateThatIsReplacedIsTaken(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	now := time.Now()
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	if _, err := openCertificate(certFile, keyFile, "one.example.org", clock, log); err != nil {
		t.Fatal(err)
	}
	c, err := openCertificate(certFile, keyFile, "", clock, log) // somebody's own: never made by us
	if err != nil {
		t.Fatal(err)
	}
	// A half-written one changes nothing.
	whole, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * lookAgain)
	write(t, certFile, whole[:100], now)
	if handedOut(t, c).VerifyHostname("one.example.org") != nil {
		t.Error("the old certificate is gone")
	}
	if _, err := openCertificate(certFile, keyFile, "two.example.org", clock, log); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * lookAgain)
	if err := os.Chtimes(certFile, now, now); err != nil {
		t.Fatal(err)
	}
	if err := handedOut(t, c).VerifyHostname("two.example.org"); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, name string, b []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}
