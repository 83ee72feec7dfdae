package pop3

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/gateways/internal/gatewaytest"
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
	client *tls.Config
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
	w.tls, w.client = gatewaytest.Certificate(t)
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
	if _, _, err := a.Append(w.t.Context(), account.By{}, "INBOX", []account.NewMessage{{Content: w.content(head, body)}}, account.Room{}); err != nil {
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
	servers := map[string]*listen.Server{
		"pop3":  {Handler: gateway.Handle},
		"pop3s": {Handler: gateway.Handle, TLS: w.tls, Implicit: true},
		"smtp":  {Handler: func(_ context.Context, c net.Conn) { gatewaytest.TakeMail(c, w.deliver) }},
	}
	for name, s := range servers {
		gatewaytest.Serve(w.t, name, s)
	}
	return dialog.World{
		TLS:  w.client,
		Vars: map[string]string{"user": w.id.Address, "password": "open sesame"},
		Dial: func(ctx context.Context, name string) (net.Conn, error) { return gatewaytest.Dial(ctx, servers[name]) },
	}
}

func TestDialogues(t *testing.T) {
	dialog.RunAll(t, "../../tests/scripts/pop3/*.txt", func(t *testing.T) dialog.World { return newWorld(t).dialog() })
}
