package service_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	gosasl "github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/tests/world"
)

// elsewhere is another host, which has a user x, and nobody else.
type elsewhere struct {
	addr string
	mu   sync.Mutex
	got  []string // "FROM TO,TO\nMESSAGE"
}

func startElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &elsewhere{addr: l.Addr().String()}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &guest{host: h}, nil }))
	server.Domain, server.AllowInsecureAuth = "mx.far.test", true
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return h
}

func (h *elsewhere) mails() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.got...)
}

type guest struct {
	host *elsewhere
	user string
	from string
	to   []string
}

func (g *guest) AuthMechanisms() []string { return []string{gosasl.Plain} }

func (g *guest) Auth(string) (gosasl.Server, error) {
	return gosasl.NewPlainServer(func(_, user, password string) error {
		if user != "us" || password != "secret" {
			return errors.New("no")
		}
		g.user = user
		return nil
	}), nil
}

func (g *guest) Mail(from string, _ *smtp.MailOptions) error {
	g.from, g.to = from, nil
	return nil
}

func (g *guest) Rcpt(to string, _ *smtp.RcptOptions) error {
	if !strings.HasPrefix(to, "x@") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody of that name"}
	}
	g.to = append(g.to, to)
	return nil
}

func (g *guest) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	g.host.mu.Lock()
	defer g.host.mu.Unlock()
	g.host.got = append(g.host.got, g.user+"<"+g.from+"> "+strings.Join(g.to, ",")+"\n"+string(b))
	return nil
}

func (g *guest) Reset()        {}
func (g *guest) Logout() error { return nil }

// submit hands a message over as the user's mail program does.
func submit(t *testing.T, w *world.World, from string, to []string, mail string) error {
	t.Helper()
	c, err := smtp.DialTLS(w.Address("submissions"), w.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(gosasl.NewPlainClient("", world.Alice, world.Password)); err != nil {
		t.Fatal(err)
	}
	return c.SendMail(from, to, strings.NewReader(mail))
}

const outgoing = "From: alice@demo.test\r\nBcc: secret@far.test\r\nSubject: to all\r\n\r\n.a line\r\nend\r\n"

// A mail goes to a colleague, and to another host, by the way that was chosen. Of those
// who can't get it the sender is told.
func TestMailGoesToOtherHosts(t *testing.T) {
	for _, way := range []string{"direct", "smarthost"} {
		t.Run(way, func(t *testing.T) {
			far := startElsewhere(t)
			_, port, _ := net.SplitHostPort(far.addr)
			zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.1", "null.test. 300 IN MX 0 .", "inside.test. 300 IN A 169.254.169.254")
			password := writeFile(t, "secret\n")
			w := world.Sending(t, map[string]string{"hostname": "localhost", "dns-servers": zone.Addr.String(), "outbound-way": way,
				"outbound-port": port, "outbound-allow": "127.0.0.0/8", "outbound-smarthost": "mx.far.test:" + port, "outbound-smarthost-tls": "opportunistic",
				"outbound-username": "us", "outbound-password-file": password})
			to := []string{world.Bob, "x@far.test", "nobody@far.test", "y@null.test", "z@inside.test", "x@nowhere.test"}
			if err := submit(t, w, world.Alice, to, outgoing); err != nil {
				t.Fatal(err)
			}
			failed := []string{"nobody@far.test", "550 5.1.1 nobody of that name", "y@null.test", "z@inside.test"}
			if way == "direct" {
				failed = append(failed, "x@nowhere.test", "The domain takes no mail", "no public address")
			}
			until(t, "the sender is told of all who did not get it", func() bool {
				told := strings.Join(mailbox(t, w, world.Alice), "\n")
				for _, word := range failed {
					if !strings.Contains(told, word) {
						return false
					}
				}
				return true
			})
			told := strings.Join(mailbox(t, w, world.Alice), "\n")
			if strings.Contains(told, "Final-Recipient: rfc822; x@far.test") || !strings.Contains(told, "Return-Path: <>") || !strings.Contains(told, "\nSubject: to all") {
				t.Error(told)
			}
			until(t, "the mail is there", func() bool { return len(far.mails()) >= 1 })
			for _, got := range far.mails() {
				if (way == "smarthost") != strings.HasPrefix(got, "us<") || !strings.Contains(got, "<alice@demo.test> x@") || !strings.HasSuffix(got, ">\r\n\r\n.a line\r\nend\r\n") ||
					!strings.Contains(got, "\nReceived: from ") || !strings.Contains(got, "\nDate: ") || !strings.Contains(got, "\nMessage-ID: <") || strings.Contains(got, "secret") {
					t.Errorf("the other host got %q", got)
				}
			}
			until(t, "the colleague has it", func() bool { return len(mailbox(t, w, world.Bob)) == 1 })
			if err := bringTo(t, w, "x@far.test"); err == nil || !strings.Contains(err.Error(), "550") {
				t.Errorf("a stranger may send through us: %v", err)
			}
			if log := w.Log.String(); strings.Contains(log, "x@far.test") {
				t.Error("the log names a recipient")
			}
		})
	}
}

// bringTo says RCPT as a stranger.
func bringTo(t *testing.T, w *world.World, to string) error {
	t.Helper()
	c, err := smtp.Dial(w.Address("smtp"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("a@elsewhere.test", nil); err != nil {
		t.Fatal(err)
	}
	return c.Rcpt(to, nil)
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// What a domain needs is told; when it is there, its mail is signed, so that others see
// that it is from it.
func TestMailIsSignedWhenItsKeysArePublished(t *testing.T) {
	far := startElsewhere(t)
	_, port, _ := net.SplitHostPort(far.addr)
	zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.1")
	w := world.Sending(t, map[string]string{"hostname": "mail.demo.test", "dns-servers": zone.Addr.String(), "outbound-way": "direct",
		"outbound-port": port, "outbound-allow": "127.0.0.0/8", "tls-certificate": "", "dns-cache": "1"})
	told := w.Godwit("domain", "dns", "demo.test")
	keys := 0
	for line := range strings.SplitSeq(told, "\n") {
		field := strings.Fields(line)
		if len(field) < 4 || field[0] == "FOUND" {
			continue
		}
		if field[0] != "no" && field[0] != "false" && field[0] != "-" {
			t.Errorf("found, but not there: %s", line)
		}
		value := strings.Join(field[3:], " ")
		if field[1] == "TXT" {
			var parts []string
			for len(value) > 0 {
				n := min(200, len(value))
				parts, value = append(parts, `"`+value[:n]+`"`), value[n:]
			}
			value = strings.Join(parts, " ")
		}
		if strings.Contains(field[2], "_domainkey") {
			keys++
		}
		zone.Add(t, field[2]+". 1 IN "+field[1]+" "+value)
	}
	if keys != 2 {
		t.Fatalf("%d keys in\n%s", keys, told)
	}
	until(t, "all records are found", func() bool {
		told := w.Godwit("domain", "dns", "demo.test")
		return strings.Count(told, "\n") == 12 && !strings.Contains(told, "\n-") && !strings.Contains(told, "\nfalse") && !strings.Contains(told, "\nno")
	})
	c, err := smtp.DialTLS(w.Address("submissions"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Auth(gosasl.NewPlainClient("", world.Alice, world.Password)); err != nil {
		t.Fatal(err)
	}
	if err := c.SendMail(world.Alice, []string{"x@far.test"}, strings.NewReader(outgoing)); err != nil {
		t.Fatal(err)
	}
	until(t, "the mail is there", func() bool { return len(far.mails()) == 1 })
	_, mail, _ := strings.Cut(far.mails()[0], "\n")
	found, err := dkim.VerifyWithOptions(strings.NewReader(mail), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		texts, _, err := zone.Resolver(t).TXT(t.Context(), name)
		return texts, err
	}})
	if err != nil || len(found) != 2 {
		t.Fatalf("%d signatures, %v in\n%s", len(found), err, mail)
	}
	for _, s := range found {
		if s.Err != nil || s.Domain != "demo.test" {
			t.Errorf("another implementation says of the signature of %s: %v", s.Domain, s.Err)
		}
	}
}

// Mail that waits is seen; it is tried again at once when somebody asks for it, or given up,
// and then its sender is told.
func TestMailThatWaitsIsLookedAfter(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port at which nobody listens
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.1")
	w := world.Sending(t, map[string]string{"hostname": "localhost", "dns-servers": zone.Addr.String(), "outbound-way": "direct",
		"outbound-port": port, "outbound-allow": "127.0.0.0/8"})
	if err := submit(t, w, world.Alice, []string{"x@far.test"}, outgoing); err != nil {
		t.Fatal(err)
	}
	waits := func(tries string) {
		t.Helper()
		until(t, "the mail waits after "+tries+" tries", func() bool {
			lines := strings.Split(strings.TrimSpace(w.Godwit("outgoing", "list")), "\n")
			if len(lines) != 2 || !strings.Contains(lines[1], "alice@demo.test") || !strings.Contains(lines[1], "connection refused") {
				return false
			}
			shown := strings.Split(strings.TrimSpace(w.Godwit("outgoing", "show", strings.Fields(lines[1])[0])), "\n")
			to := strings.Fields(shown[len(shown)-1])
			return to[0] == "x@far.test" && to[1] == "open" && to[2] == tries
		})
	}
	waits("1")
	id := strings.Fields(strings.Split(w.Godwit("outgoing", "list"), "\n")[1])[0]
	until(t, "it is tried again", func() bool { return strings.Contains(w.Godwit("outgoing", "retry", id), "tried again") })
	waits("2")
	until(t, "it is given up", func() bool { return strings.Contains(w.Godwit("outgoing", "drop", id), "given up") })
	until(t, "the sender is told", func() bool {
		return strings.Contains(strings.Join(mailbox(t, w, world.Alice), ""), "The mail was given up by an administrator")
	})
	until(t, "nothing waits", func() bool { return len(strings.Split(strings.TrimSpace(w.Godwit("outgoing", "list")), "\n")) == 1 })
}

// Who wants it has a copy of what he sends, and nobody else learns of his Bcc. What he may
// not send is refused, and what is held goes when somebody lets it.
func TestACopyIsKeptAndSendingIsHeldAndLetGo(t *testing.T) {
	far := startElsewhere(t)
	_, port, _ := net.SplitHostPort(far.addr)
	zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.1")
	w := world.Start(t, world.Config{Settings: map[string]string{"hostname": "localhost", "dns-servers": zone.Addr.String(), "outbound-way": "direct",
		"outbound-port": port, "outbound-allow": "127.0.0.0/8"}})
	w.Godwit("settings", "set", "--account", world.Alice, "sent-copy=on", "sending=messages-day:2")
	if told := w.Godwit("account", "sending", world.Alice, "--hold"); !strings.Contains(told, "held by an administrator") {
		t.Error(told)
	}
	if err := submit(t, w, world.Alice, []string{"x@far.test", world.Bob}, outgoing); err != nil {
		t.Fatal(err)
	}
	until(t, "the copy is there", func() bool {
		kept := strings.Join(mailboxOf(t, w, world.Alice, "Sent"), "")
		return strings.HasPrefix(kept, "Bcc: secret@far.test\r\n") && strings.Contains(kept, "\r\nSubject: to all\r\n")
	})
	until(t, "the mail is held", func() bool {
		list := w.Godwit("outgoing", "list")
		return strings.Contains(list, world.Alice) && len(far.mails()) == 0
	})
	w.Godwit("account", "sending", world.Alice, "--release")
	until(t, "the mail is there", func() bool { return len(far.mails()) == 1 })
	if strings.Contains(far.mails()[0], "secret@") || strings.Contains(strings.Join(mailbox(t, w, world.Bob), ""), "secret@") {
		t.Error("others learn of a Bcc")
	}
	if err := submit(t, w, world.Alice, []string{world.Bob}, outgoing); err != nil {
		t.Fatal(err)
	}
	if err := submit(t, w, world.Alice, []string{world.Bob}, outgoing); err == nil || !strings.Contains(err.Error(), "may send 2 messages in a day") {
		t.Errorf("the third of a day: %v", err)
	}
	if err := submit(t, w, world.Alice, []string{world.Bob}, strings.Replace(outgoing, "From: alice", "From: bob", 1)); err == nil || !strings.Contains(err.Error(), "neither yours nor given") {
		t.Errorf("as another: %v", err)
	}
	w.Godwit("account", "identities", "add", world.Alice, world.Bob)
	if list := w.Godwit("account", "identities", "list", world.Alice); !strings.Contains(list, world.Bob) {
		t.Error(list)
	}
}
