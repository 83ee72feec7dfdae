// Package gatewaytest is what the tests of all gateways need: a certificate, listeners on
// ports of their own, and as much of SMTP as a script needs to send itself mail.
package gatewaytest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
)

// Certificate makes a certificate for localhost: the server's side, and that of clients
// who trust it.
func Certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "localhost"}
}

// Serve runs the server on a free port of loopback until the test ends.
func Serve(t testing.TB, name string, s *listen.Server) {
	t.Helper()
	s.Name, s.Addr, s.Log = name, "127.0.0.1:0", slog.New(slog.DiscardHandler)
	if err := s.Listen(context.Background()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		if err := Shutdown(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		<-done
	})
}

// Shutdown drains the server, which has ten seconds for it.
func Shutdown(s *listen.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

// Dial connects to a server that runs.
func Dial(ctx context.Context, s *listen.Server) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", s.Address().String())
}

// TakeMail is a session that takes whatever mail comes and hands it to deliver.
func TakeMail(c net.Conn, deliver func(head, body string)) {
	r := bufio.NewReader(c)
	fmt.Fprint(c, "220 ready\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch strings.ToUpper(strings.TrimSpace(line[:min(4, len(line))])) {
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			body, err := data(r)
			if err != nil {
				return
			}
			deliver("Return-Path: <sender@example.net>\r\n", body)
			fmt.Fprint(c, "250 taken\r\n")
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func data(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return "", err
		case line == ".\r\n":
			return b.String(), nil
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
}
