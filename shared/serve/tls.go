package serve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

const (
	selfSignedFor = 397 * 24 * time.Hour // the longest that common clients take
	renewBefore   = 30 * 24 * time.Hour
	lookAgain     = time.Minute // how often a change of the certificate's files is looked for
)

// certificate hands out the service's certificate, and takes a new one when its files
// change: whoever renews it needs no restart.
type certificate struct {
	certFile, keyFile string
	hostname          string // set: the certificate is ours to make
	now               func() time.Time
	log               *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	from    [2]time.Time // when the files had changed last
	looked  time.Time
}

// openCertificate loads the certificate of the two files. When hostname is set, they
// are made if they aren't there, if they end soon or are for another name.
func openCertificate(certFile, keyFile, hostname string, now func() time.Time, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, hostname: hostname, now: now, log: log}
	return c, c.look()
}

// config is for servers. TLS 1.2 or later.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.now().Sub(c.looked) >= lookAgain {
				if err := c.look(); err != nil {
					c.log.Error("the certificate could not be read again; the old one stays", "error", err)
				}
			}
			return c.current, nil
		},
	}
}

// look loads the files if they have changed.
func (c *certificate) look() error {
	c.looked = c.now()
	if c.hostname != "" && !c.fit() {
		if err := c.make(); err != nil {
			return kinds.Wrap(kinds.Unavailable, err, "self-signed certificate")
		}
	}
	var from [2]time.Time
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return kinds.Wrap(kinds.Invalid, err, "certificate")
		}
		from[i] = info.ModTime()
	}
	if c.current != nil && from == c.from {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return kinds.Errorf(kinds.Invalid, "certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	if until := cert.Leaf.NotAfter; c.now().After(until) {
		c.log.Warn("the certificate has expired", "file", c.certFile, "not-after", until)
	}
	c.current, c.from = &cert, from
	return nil
}

// fit tells whether the certificate that was made earlier will do.
func (c *certificate) fit() bool {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	return err == nil && c.now().Add(renewBefore).Before(cert.Leaf.NotAfter) && cert.Leaf.VerifyHostname(c.hostname) == nil
}

// make writes a new key and a certificate for it.
func (c *certificate) make() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	names := []string{c.hostname}
	if c.hostname != "localhost" {
		names = append(names, "localhost")
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: c.hostname, Organization: []string{"Godwit self-signed"}},
		NotBefore: c.now().Add(-time.Hour), NotAfter: c.now().Add(selfSignedFor),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, // so that it can be trusted by itself
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeSecret(c.keyFile, pemOf("PRIVATE KEY", secret)); err != nil {
		return err
	}
	return writeSecret(c.certFile, pemOf("CERTIFICATE", cert))
}

func pemOf(kind string, b []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
}

// writeSecret puts a file that only its owner may read in the place of name, whole or
// not at all.
func writeSecret(name string, b []byte) error {
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, b) {
		return nil
	}
	temp := name + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer d.Close()
	_ = d.Sync() // not every system can
	return nil
}
