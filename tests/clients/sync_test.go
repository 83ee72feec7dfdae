//go:build clients && !localstack

package clients_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/godwit-mail/godwit/tests/process"
	"github.com/godwit-mail/godwit/tests/world"
)

// distinct are the messages of which the others are copies.
const distinct = 100

// station is where a client program works: an account of its own, a folder, and a way to
// the server on which octets are counted.
type station struct {
	t              *testing.T
	s              *process.Service
	user, password string
	count          int // of messages, each way
	dir, cert      string
	host, port     string       // by which the program reaches the server
	down           atomic.Int64 // octets that came from the server
}

// stations gives each client program its own, all at one service.
func stations(t *testing.T) func(t *testing.T, name string, count int) *station {
	t.Helper()
	binary, err := process.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := world.Program(t, binary)
	return func(t *testing.T, name string, count int) *station {
		t.Helper()
		st := &station{t: t, s: s, user: name + "@demo.test", password: "correct-horse-" + name, count: count, dir: t.TempDir(), host: "localhost",
			cert: filepath.Join(s.Data, "tls", "cert.pem")}
		if _, err := s.API(t.Context(), "POST", "/v1/accounts", map[string]any{"address": st.user, "password": st.password}); err != nil {
			t.Fatal(err)
		}
		st.proxy()
		return st
	}
}

// proxy passes connections on and counts what the server says.
func (st *station) proxy() {
	st.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { l.Close() })
	_, st.port, _ = net.SplitHostPort(l.Addr().String())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go st.pass(c)
		}
	}()
}

func (st *station) pass(c net.Conn) {
	defer c.Close()
	server, err := net.Dial("tcp", st.s.Address["imaps"])
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, c)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		st.down.Add(int64(n))
		if _, failed := c.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// run runs a program to its end.
func (st *station) run(name string, args ...string) string {
	st.t.Helper()
	out, err := st.try(name, args...)
	if err != nil {
		st.t.Fatalf("%s: %v\n%.3000s", name, err, out)
	}
	return out
}

// try is run of a program that may fail.
func (st *station) try(name string, args ...string) (string, error) {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(st.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = st.dir
	cmd.Env = append(os.Environ(), "HOME="+st.dir, "LC_ALL=C.UTF-8", "SSL_CERT_FILE="+st.cert, "NODE_EXTRA_CA_CERTS="+st.cert)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// install gets a program from its registry, as whoever runs the tests is set up for that.
func (st *station) install(name string, args ...string) {
	st.t.Helper()
	cmd := exec.CommandContext(st.t.Context(), name, args...)
	cmd.Dir = st.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		st.t.Fatalf("%s %s: %v\n%.3000s", name, strings.Join(args, " "), err, out)
	}
}

// again runs a program that has nothing to bring, and fails if bodies come all the same.
func (st *station) again(name string, args ...string) {
	st.t.Helper()
	before := st.down.Load()
	st.run(name, args...)
	if got := st.down.Load() - before; got > int64(st.count)*200 {
		st.t.Errorf("the second run brought %d octets", got)
	}
}

// write writes a file in the station's folder.
func (st *station) write(name, text string) string {
	st.t.Helper()
	path := filepath.Join(st.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		st.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		st.t.Fatal(err)
	}
	return path
}

// letter is message n of the distinct ones, with LF.
func letter(n int) string {
	return fmt.Sprintf("From: <sender@elsewhere.test>\nTo: <you@demo.test>\nSubject: letter %d\nMessage-ID: <%d@elsewhere.test>\n"+
		"Date: Tue, 3 Mar 2026 10:00:00 +0100\n\n%s\n", n, n, strings.Repeat("a line of the letter with some words in it\n", 40))
}

// client is another session, by which a test sees and changes what there is.
func (st *station) client() *imapclient.Client {
	st.t.Helper()
	pem, err := os.ReadFile(st.cert)
	if err != nil {
		st.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	c, err := imapclient.DialTLS(st.s.Address["imaps"], &imapclient.Options{TLSConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}})
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { c.Close() })
	if err := c.Login(st.user, st.password).Wait(); err != nil {
		st.t.Fatal(err)
	}
	return c
}

// fill puts the messages into INBOX, and selects it.
func (st *station) fill(c *imapclient.Client) {
	st.t.Helper()
	for n := range distinct {
		text := strings.ReplaceAll(letter(n), "\n", "\r\n")
		cmd := c.Append("INBOX", int64(len(text)), nil)
		_, _ = io.WriteString(cmd, text)
		_ = cmd.Close()
		if _, err := cmd.Wait(); err != nil {
			st.t.Fatal(err)
		}
	}
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		st.t.Fatal(err)
	}
	for have := distinct; have < st.count; {
		n := min(have, st.count-have)
		if _, err := c.Copy(imap.SeqSet{{Start: 1, Stop: uint32(n)}}, "INBOX").Wait(); err != nil {
			st.t.Fatal(err)
		}
		have += n
	}
}

// messages counts what is in a mailbox, with a flag if one is given.
func (st *station) messages(c *imapclient.Client, mailbox string, flags ...imap.Flag) int {
	st.t.Helper()
	if _, err := c.Select(mailbox, nil).Wait(); err != nil {
		st.t.Fatal(err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{Flag: flags}, nil).Wait()
	if err != nil {
		st.t.Fatal(err)
	}
	return len(found.AllUIDs())
}

// change adds a flag to the first n messages of INBOX and expunges the n after them.
func (st *station) change(c *imapclient.Client, n uint32) {
	st.t.Helper()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		st.t.Fatal(err)
	}
	for flag, set := range map[imap.Flag]imap.SeqSet{imap.FlagFlagged: {{Start: 1, Stop: n}}, imap.FlagDeleted: {{Start: n + 1, Stop: 2 * n}}} {
		if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close(); err != nil {
			st.t.Fatal(err)
		}
	}
	if _, err := c.Expunge().Collect(); err != nil {
		st.t.Fatal(err)
	}
}

// maildir gives the messages of a Maildir: path by name without flags.
func (st *station) maildir(folder string) (paths []string) {
	st.t.Helper()
	for _, sub := range []string{"cur", "new"} {
		list, err := os.ReadDir(filepath.Join(folder, sub))
		if err != nil {
			st.t.Fatal(err)
		}
		for _, e := range list {
			paths = append(paths, filepath.Join(folder, sub, e.Name()))
		}
	}
	return paths
}

// fillMaildir makes a Maildir with the messages.
func (st *station) fillMaildir(folder string) {
	st.t.Helper()
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(folder, sub), 0o700); err != nil {
			st.t.Fatal(err)
		}
	}
	for n := range st.count {
		name := filepath.Join(folder, "cur", fmt.Sprintf("%d.own:2,S", 1_700_000_000+n))
		if err := os.WriteFile(name, []byte(letter(n)), 0o600); err != nil {
			st.t.Fatal(err)
		}
	}
}

// flagged counts the files of a Maildir that have a flag.
func flagged(paths []string, flag string) (n int) {
	for _, p := range paths {
		if _, flags, ok := strings.Cut(filepath.Base(p), ":2,"); ok && strings.Contains(flags, flag) {
			n++
		}
	}
	return n
}

// twoWay is what a program must do that keeps a Maildir in step with a mailbox.
func (st *station) twoWay(inbox, archive string, run func(do func(name string, args ...string))) {
	t := st.t
	c := st.client()
	st.fill(c)
	st.fillMaildir(archive)
	run(func(name string, args ...string) { st.run(name, args...) })
	local := st.maildir(inbox)
	if far := st.messages(c, "Archive"); len(local) != st.count || far != st.count {
		t.Fatalf("after the first run there are %d messages here and %d there", len(local), far)
	}
	run(st.again)
	if near, far := len(st.maildir(inbox)), st.messages(c, "Archive"); near != st.count || far != st.count {
		t.Fatalf("after the second run there are %d messages here and %d there", near, far)
	}
	// Flags and deletions, both ways.
	const n = 10
	st.change(c, n)
	local = st.maildir(inbox)
	for _, path := range local[len(local)-n:] {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	pushed := st.maildir(archive)
	for _, path := range pushed[:n] {
		to, _, _ := strings.Cut(path, ":2,")
		if err := os.Rename(path, to+":2,RS"); err != nil {
			t.Fatal(err)
		}
	}
	run(st.again)
	local = st.maildir(inbox)
	gone := st.messages(c, "INBOX", imap.FlagDeleted)
	if near, far := len(local), st.messages(c, "INBOX")-gone; near != st.count-2*n || far != st.count-2*n {
		t.Errorf("after deletions both ways there are %d messages here and %d there", near, far)
	}
	if here, there := flagged(local, "F"), st.messages(c, "Archive", imap.FlagAnswered); here != n || there != n {
		t.Errorf("of %d flags each way %d came here and %d there", n, here, there)
	}
	run(st.again)
	if near, far := len(st.maildir(inbox)), st.messages(c, "INBOX"); near != st.count-2*n || far > st.count-n {
		t.Errorf("after one run more there are %d messages here and %d there", near, far)
	}
}

func TestClientsKeepInStep(t *testing.T) {
	at := stations(t)
	for name, c := range map[string]struct {
		count int
		test  func(*station)
	}{
		"mbsync": {5000, mbsyncKeepsInStep}, "mutt": {5000, muttReadsAndWrites},
		"imapflow": {5000, imapflowReadsAndWrites},
		// These bring one message after the other, and wait for each, and so for the disk.
		"getmail":     {200, getmailTakesMailOnce}, // a process for each message
		"offlineimap": {1000, offlineimapKeepsInStep}, "imaplib": {500, imaplibReadsAndWrites}, "imapclient": {1000, imapclientReadsAndWrites},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			c.test(at(t, name, c.count))
			t.Logf("%s took %.1f s", name, time.Since(start).Seconds())
		})
	}
}
