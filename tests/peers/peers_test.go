//go:build peers

// Package peers_test puts the real binary among other hosts: Debian's Postfix and Exim take
// its mail and send it theirs, and other programs judge what it signs and sign what it
// judges. All is on loopback, with a name server of its own.
package peers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	gosasl "github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/tests/process"
)

const (
	alice = "alice@demo.test"
	// The hosts. All listen on the same port.
	usHost      = "127.0.0.1"
	postfixHost = "127.0.0.2"
	brokenHost  = "127.0.0.3" // Postfix, whose TLS is too old for anybody
	eximHost    = "127.0.0.4"
)

// town is a service, and what is around it.
type town struct {
	t    *testing.T
	dir  string
	port int // of the other hosts
	dns  *resolvertest.Server
	us   *process.Service
	zone map[string][]string // TXT records, as programs that ask no name server read them
}

// binary is made once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "godwit-peers")
	if err != nil {
		return "", err
	}
	return process.Build(dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func newTown(t *testing.T) *town {
	t.Helper()
	path, err := binary()
	ok(t, err)
	to := &town{t: t, dir: folder(t), port: freePort(t), zone: map[string][]string{}}
	to.dns = resolvertest.Start(t)
	start := func() {
		to.us, err = process.Start(path, filepath.Join(to.dir, "data"), nil, "--hostname=mx.demo.test", "--dns-servers="+to.dns.Addr.String(),
			"--outbound-way=direct", fmt.Sprintf("--outbound-port=%d", to.port), "--outbound-allow=127.0.0.0/8", "--senders-trusted=192.0.2.1/32")
		ok(t, err)
		t.Cleanup(to.us.Kill)
	}
	start()
	// What the service says that the domain needs is put into the DNS.
	var view struct {
		Records []struct{ Type, Name, Value string }
	}
	ok(t, json.Unmarshal(to.api("GET", "/v1/domains/demo.test/dns", nil), &view))
	for _, r := range view.Records {
		if r.Type == "TXT" {
			to.txt(r.Name, r.Value)
		}
	}
	// It has asked for them, and remembers that they were not there.
	passwords := to.us.Password
	ok(t, to.us.Stop())
	start()
	to.us.Password = passwords
	to.dns.Add(t, "demo.test. 300 IN MX 10 mx.demo.test.")
	to.dns.Add(t, "mx.demo.test. 300 IN A "+usHost)
	return to
}

// folder is one that others than root may enter.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "peers")
	ok(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ok(t, os.Chmod(dir, 0o755))
	return dir
}

// txt adds a TXT record.
func (to *town) txt(name, value string) {
	to.t.Helper()
	var parts []string
	for rest := value; rest != ""; {
		n := min(len(rest), 250)
		parts = append(parts, fmt.Sprintf("%q", rest[:n]))
		rest = rest[n:]
	}
	name = strings.TrimSuffix(name, ".")
	to.dns.Add(to.t, name+". 300 IN TXT "+strings.Join(parts, " "))
	to.zone[name] = append(to.zone[name], value)
}

func (to *town) api(method, path string, body any) []byte {
	to.t.Helper()
	b, err := to.us.API(to.t.Context(), method, path, body)
	ok(to.t, err)
	return b
}

// submit hands over a mail of Alice's.
func (to *town) submit(text string, recipients ...string) {
	to.t.Helper()
	c, err := smtp.DialTLS(to.us.Address["submissions"], insecure())
	ok(to.t, err)
	defer c.Close()
	ok(to.t, c.Auth(gosasl.NewPlainClient("", alice, to.us.Password[alice])))
	ok(to.t, c.SendMail(alice, recipients, strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))))
}

// send brings a mail to Alice as another host does.
func (to *town) send(from, text string) error {
	to.t.Helper()
	c, err := smtp.Dial(to.us.Address["smtp"])
	ok(to.t, err)
	defer c.Close()
	return c.SendMail(from, []string{alice}, strings.NewReader(text))
}

// outgoing is a mail on its way, as the API shows it.
type outgoing struct {
	ID         string
	Recipients []struct {
		Address, State, Said, Host string
		Tries                      int
	}
}

func (to *town) outgoing() (list []outgoing) {
	to.t.Helper()
	var page struct{ Items []outgoing }
	ok(to.t, json.Unmarshal(to.api(http.MethodGet, "/v1/outgoing", nil), &page))
	return page.Items
}

// retry has all mail that is on its way tried now.
func (to *town) retry() {
	to.t.Helper()
	for _, m := range to.outgoing() {
		// It may be being sent, or be gone by now.
		_, _ = to.us.API(to.t.Context(), http.MethodPost, "/v1/outgoing/"+url.PathEscape(m.ID)+"/retry", nil)
	}
}

// inbox gives the messages in Alice's INBOX.
func (to *town) inbox(mailbox string) (texts []string) {
	to.t.Helper()
	path := "/v1/accounts/" + alice + "/mailboxes"
	var boxes struct{ Items []struct{ ID, Name string } }
	ok(to.t, json.Unmarshal(to.api(http.MethodGet, path, nil), &boxes))
	for _, b := range boxes.Items {
		if b.Name != mailbox {
			continue
		}
		var list struct{ Items []struct{ UID int } }
		ok(to.t, json.Unmarshal(to.api(http.MethodGet, path+"/"+b.ID+"/messages?limit=500", nil), &list))
		for _, m := range list.Items {
			texts = append(texts, string(to.api(http.MethodGet, fmt.Sprintf("%s/%s/messages/%d", path, b.ID, m.UID), nil)))
		}
	}
	return texts
}

// came waits until a mail is in a mailbox that has all the words, and gives it.
func (to *town) came(mailbox string, words ...string) (text string) {
	to.t.Helper()
	to.until("a mail with "+strings.Join(words, ", "), func() bool {
		for _, m := range to.inbox(mailbox) {
			if hasAll(m, words) {
				text = m
				return true
			}
		}
		return false
	})
	return text
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// until waits for something, a minute at most.
func (to *town) until(what string, done func() bool) {
	to.t.Helper()
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-end.C:
			var b bytes.Buffer
			for _, m := range to.outgoing() {
				fmt.Fprintf(&b, "%+v\n", m)
			}
			to.t.Fatalf("after a minute there is still not: %s\n%s", what, b.String())
		}
	}
}

// maildir gives the mails in a Maildir of another host.
func maildir(t *testing.T, dir string) (texts []string) {
	t.Helper()
	for _, sub := range []string{"new", "cur"} {
		names, _ := filepath.Glob(filepath.Join(dir, sub, "*"))
		for _, name := range names {
			b, err := os.ReadFile(name)
			ok(t, err)
			texts = append(texts, strings.ReplaceAll(string(b), "\r\n", "\n"))
		}
	}
	return texts
}

// run runs a program in a folder and gives what it writes.
func run(t *testing.T, dir string, stdin []byte, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	ok(t, os.WriteFile(name, []byte(text), 0o644))
	return name
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	ok(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// up waits until a port is open.
func (to *town) up(addr string) {
	to.t.Helper()
	to.until(addr, func() bool {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
