package login

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/xdg-go/scram"

	"github.com/godwit-mail/godwit/gateways/internal/gatewaytest"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/directory/directorytest"
	"github.com/godwit-mail/godwit/shared/kinds"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, want kinds.Kind) {
	t.Helper()
	if !kinds.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
}

// RFC 7677, section 3: the example.
func TestTheExampleOfScram(t *testing.T) {
	const server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	first, err := parseClientFirst("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	must(t, err)
	final, err := parseClientFinal("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	must(t, err)
	if first.user != "user" || first.header != final.binding || !strings.HasPrefix(final.nonce, first.nonce) {
		t.Errorf("%+v, %+v", first, final)
	}
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	must(t, err)
	salted, err := pbkdf2.Key(sha256.New, "pencil", salt, 4096, sha256.Size)
	must(t, err)
	stored := sha256.Sum256(mac(salted, "Client Key"))
	other := directory.ScramKeys{Stored: make([]byte, 32), Server: make([]byte, 32)}
	n, signature := fits([]directory.ScramKeys{other, {Stored: stored[:], Server: mac(salted, "Server Key")}, other}, first.bare+","+server+","+final.without, final.proof)
	if got := base64.StdEncoding.EncodeToString(signature); n != 1 || got != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("it fits %d, signed %s", n, got)
	}
}

// town is a directory with alice, who has an app password, a login over it, and both ends of
// a TLS connection.
type town struct {
	*directorytest.World
	login  *Login
	app    string
	peer   Peer
	client tls.ConnectionState
}

const alice, password = "alice@demo.test", "correct horse battery"

func newTown(t *testing.T, version uint16) *town {
	t.Helper()
	w := &town{World: directorytest.New(t)}
	root := directory.ServiceScope("test")
	_, err := w.CreateTenant(t.Context(), root, "demo")
	must(t, err)
	_, err = w.CreateDomain(t.Context(), root, "demo", "demo.test")
	must(t, err)
	_, err = w.CreateAccount(t.Context(), root, directory.NewAccount{Address: alice, Password: password})
	must(t, err)
	_, w.app, err = w.AddAppPassword(t.Context(), root, alice, "phone", []string{directory.IMAP})
	must(t, err)
	w.login = New(Config{Directory: w.World, Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})

	server, trust := gatewaytest.Certificate(t)
	server = server.Clone()
	server.MaxVersion = version
	a, b := net.Pipe()
	here, there := tls.Server(a, server), tls.Client(b, trust)
	done := make(chan error, 1)
	go func() { done <- there.HandshakeContext(t.Context()) }()
	must(t, here.HandshakeContext(t.Context()))
	must(t, <-done)
	t.Cleanup(func() { a.Close(); b.Close() })
	w.peer, w.client = PeerOf(here), there.ConnectionState()
	w.peer.Addr = addr("192.0.2.1")
	return w
}

// speak runs a client against a mechanism, and gives the kind of the error, or "ok".
func (w *town) speak(t *testing.T, mechanism string, c *scram.ClientConversation, protocol string) (string, *directory.Identity) {
	t.Helper()
	e, err := w.login.Start(t.Context(), mechanism, w.peer, protocol)
	must(t, err)
	challenge := ""
	for {
		response, err := c.Step(challenge)
		must(t, err)
		b, done, err := e.Next([]byte(response))
		switch {
		case err != nil:
			return kinds.Of(err).String(), nil
		case done:
			if !c.Valid() {
				t.Error("the client doesn't believe that it was the server")
			}
			return "ok", e.Identity()
		}
		challenge = string(b)
	}
}

func client(t *testing.T, user, password string) *scram.Client {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, password, "")
	must(t, err)
	return c
}

func TestScramLetsIn(t *testing.T) {
	for name, version := range map[string]uint16{"TLS 1.3": tls.VersionTLS13, "TLS 1.2": tls.VersionTLS12} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, version)
			bound, err := scram.NewTLSExporterBinding(&w.client)
			must(t, err)
			if version == tls.VersionTLS12 { // the client leaves the context out, which differs before TLS 1.3
				bound.Data, err = w.client.ExportKeyingMaterial("EXPORTER-Channel-Binding", []byte{}, 32)
				must(t, err)
			}
			elsewhere := bound
			elsewhere.Data = make([]byte, len(bound.Data))
			for _, c := range []struct {
				what, mechanism string
				conversation    *scram.ClientConversation
				protocol, want  string
			}{
				{"the password", "SCRAM-SHA-256", client(t, alice, password).NewConversation(), directory.POP3, "ok"},
				{"in capitals", "SCRAM-SHA-256", client(t, "Alice@Demo.Test", password).NewConversation(), directory.POP3, "ok"},
				{"another", "SCRAM-SHA-256", client(t, alice, "wrong horse").NewConversation(), directory.POP3, "unauthenticated"},
				{"nobody", "SCRAM-SHA-256", client(t, "nobody@demo.test", password).NewConversation(), directory.POP3, "unauthenticated"},
				{"an app password", "SCRAM-SHA-256", client(t, alice, w.app).NewConversation(), directory.IMAP, "ok"},
				{"an app password for something else", "SCRAM-SHA-256", client(t, alice, w.app).NewConversation(), directory.POP3, "denied"},
				{"bound", "SCRAM-SHA-256-PLUS", client(t, alice, password).NewConversationWithChannelBinding(bound), directory.IMAP, "ok"},
				{"bound, by the app password", "SCRAM-SHA-256-PLUS", client(t, alice, w.app).NewConversationWithChannelBinding(bound), directory.IMAP, "ok"},
				{"bound to another connection", "SCRAM-SHA-256-PLUS", client(t, alice, password).NewConversationWithChannelBinding(elsewhere), directory.IMAP, "unauthenticated"},
				{"not bound at all", "SCRAM-SHA-256-PLUS", client(t, alice, password).NewConversation(), directory.IMAP, "unauthenticated"},
				{"somebody hid that it could be bound", "SCRAM-SHA-256", client(t, alice, password).NewConversationAdvertisingChannelBinding(), directory.IMAP, "unauthenticated"},
				{"bound where it was not asked for", "SCRAM-SHA-256", client(t, alice, password).NewConversationWithChannelBinding(bound), directory.IMAP, "unauthenticated"},
			} {
				got, id := w.speak(t, c.mechanism, c.conversation, c.protocol)
				if got != c.want || id != nil && id.Address != alice {
					t.Errorf("%s: %s, %+v", c.what, got, id)
				}
			}
		})
	}
}

func TestWithoutTLSThereIsNothingToBindTo(t *testing.T) {
	w := newTown(t, tls.VersionTLS13)
	w.peer.tls = nil
	_, err := w.login.Start(t.Context(), "SCRAM-SHA-256-PLUS", w.peer, directory.IMAP)
	wantKind(t, err, kinds.NotFound)
	if got, _ := w.speak(t, "SCRAM-SHA-256", client(t, alice, password).NewConversationAdvertisingChannelBinding(), directory.IMAP); got != "ok" {
		t.Error(got)
	}
	for _, m := range Mechanisms(w.peer) {
		if m == scramPlus {
			t.Error("it is announced")
		}
	}
}

// salt gives what a client is told of a name.
func (w *town) salt(t *testing.T, l *Login, user string) string {
	t.Helper()
	e, err := l.Start(t.Context(), "SCRAM-SHA-256", w.peer, directory.IMAP)
	must(t, err)
	b, _, err := e.Next([]byte("n,,n=" + user + ",r=abc"))
	must(t, err)
	_, told, ok := strings.Cut(string(b), ",s=")
	if !ok || !strings.HasPrefix(string(b), "r=abc") {
		t.Fatalf("%s", b)
	}
	return told
}

func TestWhoIsThereCantBeToldFromTheSalt(t *testing.T) {
	w := newTown(t, tls.VersionTLS13)
	directory2, _ := w.Process(nil)
	other := New(Config{Directory: directory2, Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler)})
	seen := map[string]string{}
	for _, user := range []string{alice, "nobody@demo.test", "nobody@elsewhere.test", "no address"} {
		told := w.salt(t, w.login, user)
		if again := w.salt(t, other, user); again != told || w.salt(t, w.login, strings.ToUpper(user)) != told {
			t.Errorf("%s has the salt %s at one time, %s at another", user, told, again)
		}
		if who, taken := seen[told]; taken || !strings.HasSuffix(told, ",i=65536") || len(told) != 24+len(",i=65536") {
			t.Errorf("%s and %s have %s", user, who, told)
		}
		seen[told] = user
	}
	before := w.Calls.Total("records")
	w.salt(t, w.login, alice)
	there := w.Calls.Total("records") - before
	w.salt(t, w.login, "nobody@demo.test")
	if not := w.Calls.Total("records") - before - there; not != there {
		t.Errorf("%d calls for who is there, %d for who isn't", there, not)
	}
}

func TestGuessersByScramAreThrottled(t *testing.T) {
	w := newWorld()
	try := func() error {
		e, err := w.Start(t.Context(), "SCRAM-SHA-256", Peer{Addr: addr("192.0.2.1")}, directory.IMAP)
		must(t, err)
		b, _, err := e.Next([]byte("n,,n=alice,r=abc"))
		if err != nil {
			return err
		}
		nonce, _, _ := strings.Cut(string(b), ",")
		_, _, err = e.Next([]byte("c=biws," + nonce + ",p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))))
		return err
	}
	n := 0
	for ; n < 2*peerRefused; n++ {
		err := try()
		if kinds.Is(err, kinds.Throttled) {
			break
		}
		wantKind(t, err, kinds.Unauthenticated)
	}
	if n > peerRefused || w.waited == 0 {
		t.Errorf("refused after %d, which waited %v", n, w.waited)
	}
}

func TestWhatIsNoScram(t *testing.T) {
	for _, s := range []string{"", "n", "n,,", "n,,n=a", "x,,n=a,r=b", "n,,n=,r=b", "n,,n=a,r=", "n,,n=a=2cb,r=c", "n,,n===2C3D,r=c", "n,b,n=a,r=c", "n,a=,n=a,r=c",
		"n,,m=x,n=a,r=c", "n,,n=a,r=b c", "n,,n=a,r=" + strings.Repeat("x", maxNonce+1), "n,,n=" + strings.Repeat("x", maxScram) + ",r=b"} {
		if m, err := parseClientFirst(s); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%.40q is %+v, %v", s, m, err)
		}
	}
	m, err := parseClientFirst("p=tls-exporter,a=a=3Db=2Cc,n=a=3Db=2Cc,r=x,ext=1")
	if err != nil || m.user != "a=b,c" || m.authz != m.user || m.nonce != "x" || m.bare != "n=a=3Db=2Cc,r=x,ext=1" {
		t.Errorf("%+v, %v", m, err)
	}
	for _, s := range []string{"", "c=biws", "c=biws,r=x", "c=biws,r=x,p=", "c=biws,r=x,p=YQ==", "c=!,r=x,p=" + strings.Repeat("A", 43) + "=", ",p=" + strings.Repeat("A", 43) + "="} {
		if m, err := parseClientFinal(s); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%q is %+v, %v", s, m, err)
		}
	}
}

func FuzzScram(f *testing.F) {
	for _, s := range []string{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "p=tls-exporter,a=x,n=a=2Cb,r=c,e=1",
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, err := parseClientFirst(s)
		if err == nil && (first.header+first.bare != s || first.user == "" || !isNonce(first.nonce) || len(s) > maxScram) || err != nil && !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%q: %+v, %v", s, first, err)
		}
		final, err := parseClientFinal(s)
		if err == nil && (!strings.HasPrefix(s, final.without+",p=") || len(final.proof) != sha256.Size) || err != nil && !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%q: %+v, %v", s, final, err)
		}
	})
}
