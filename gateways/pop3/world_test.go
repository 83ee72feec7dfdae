package pop3

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/blob/files"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/notify/inprocess"
	"github.com/godwit-mail/godwit/tests/dialog"
)

// world is the gateway over a real store, with one account.
type world struct {
	t      *testing.T
	config account.Config
	store  *account.Store
	id     directory.Identity
	tls    *tls.Config
	roots  *x509.CertPool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	b, err := files.New(filepath.Join(t.TempDir(), "blobs"), files.OS{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, config: account.Config{Journal: directorytest.New(t).Journal, Notify: inprocess.New(), Blobs: blob.Store{Driver: b}}}
	w.store = account.New(w.config)
	w.id = directory.Identity{Account: account.NewRef("demo"), Address: "user@demo.test"}
	if err := w.store.Create(t.Context(), w.id.Account, account.By{}); err != nil {
		t.Fatal(err)
	}
	w.tls, w.roots = certificate(t)
	return w
}

// gateway is a server over the world's store or another store on the same data.
func (w *world) gateway(store *account.Store) *Server {
	return New(Config{Accounts: store, Login: newLogin(w.id), TLS: w.tls, Log: slog.New(slog.DiscardHandler)})
}

// deliver puts a message into INBOX.
func (w *world) deliver(head, body string) {
	w.t.Helper()
	a := w.open()
	defer a.Close()
	if _, _, err := a.Append(w.t.Context(), account.By{}, "INBOX", []account.NewMessage{{Content: w.content(head, body)}}, 0); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open() *account.Account {
	w.t.Helper()
	a, err := w.store.Open(w.t.Context(), w.id.Account)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *world) content(head, body string) account.Content {
	w.t.Helper()
	ref, err := w.config.Blobs.Put(w.t.Context(), blob.NewName("demo", time.Now()), blob.Header{}, strings.NewReader(body), int64(len(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	s := message.NewScanner()
	if _, err := s.Write([]byte(body)); err != nil {
		w.t.Fatal(err)
	}
	sum := s.Finish()
	return account.Content{Head: []byte(head), Blob: ref, Summary: sum.Encode()}
}

// dialog opens the world's ports for a script.
func (w *world) dialog() dialog.World {
	gateway := w.gateway(w.store)
	addr := map[string]string{}
	for name, s := range map[string]*listen.Server{
		"pop3":  {Handler: gateway.Handle},
		"pop3s": {Handler: gateway.Handle, TLS: w.tls, Implicit: true},
		"smtp":  {Handler: w.takeMail},
	} {
		s.Name, s.Addr, s.Log = name, "127.0.0.1:0", slog.New(slog.DiscardHandler)
		if err := s.Listen(context.Background()); err != nil {
			w.t.Fatal(err)
		}
		addr[name] = s.Address().String()
		done := make(chan error, 1)
		go func() { done <- s.Serve() }()
		w.t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				w.t.Error(err)
			}
			<-done
		})
	}
	return dialog.World{
		TLS:  &tls.Config{RootCAs: w.roots, ServerName: "localhost"},
		Vars: map[string]string{"user": w.id.Address, "password": "open sesame"},
		Dial: func(ctx context.Context, name string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr[name])
		},
	}
}

// takeMail is as much of SMTP as scripts need to send themselves mail.
func (w *world) takeMail(_ context.Context, c net.Conn) {
	r := bufio.NewReader(c)
	fmt.Fprint(c, "220 ready\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.TrimSpace(line[:min(4, len(line))])); verb {
		case "DATA":
			fmt.Fprint(c, "354 go on\r\n")
			var b bytes.Buffer
			for {
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(line, "."))
			}
			w.deliver("Return-Path: <sender@example.net>\r\n", b.String())
			fmt.Fprint(c, "250 taken\r\n")
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 ok\r\n")
		}
	}
}

func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
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
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func TestDialogues(t *testing.T) {
	dialog.RunAll(t, "../../tests/scripts/pop3/*.txt", func(t *testing.T) dialog.World { return newWorld(t).dialog() })
}
