//go:build clients

// Package clients_test drives the real binary with programs that people use: swaks and
// curl send, curl and mbsync read.
package clients_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
	"github.com/godwit-mail/godwit/tests/world"
)

const (
	mails  = 300
	sender = "sender@elsewhere.test"
	alice  = "alice@demo.test"
	bob    = "bob@demo.test"
)

// sizes are mostly small, with a few large ones: 300 mails, 20 MB the largest.
func size(n int, rnd *rand.Rand) int {
	switch {
	case n == 0:
		return 20 << 20
	case n < 5:
		return 5 << 20
	case n < 25:
		return 200<<10 + rnd.IntN(1<<20)
	}
	return 1<<10 + rnd.IntN(40<<10)
}

// mail makes message n: lines that need care among others, with CRLF.
func mail(n int, rnd *rand.Rand) []byte {
	var b bytes.Buffer
	// With Date and Message-ID, as submission would put them in.
	from := sender
	if n%10 == 2 || n%10 == 3 { // sent with Bob's login, as send has it
		from = bob
	}
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: mail %d\r\nX-Number: %d\r\nDate: Sat, 28 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%d@clients.test>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", from, alice, n, n, n)
	odd := []string{".", "..", ".leading", "From the start", "Grüße, 你好", "tab\there", " trailing ", "", "=20=", "%FROM_ADDRESS_"}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	for total := size(n, rnd); b.Len() < total; {
		if rnd.IntN(20) == 0 {
			b.WriteString(odd[rnd.IntN(len(odd))])
		} else {
			for range 20 + rnd.IntN(56) {
				b.WriteByte(letters[rnd.IntN(len(letters))])
			}
		}
		b.WriteString("\r\n")
	}
	b.WriteString("the end\r\n")
	return b.Bytes()
}

var (
	number = regexp.MustCompile(`(?m)^X-Number: (\d+)\r?$`)
	// Only these stand before the message as it was sent.
	trace = regexp.MustCompile(`^(?:(?:Return-Path|Delivered-To|Received|Authentication-Results):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+$`)
)

// same compares what was read with what was sent, and gives the number.
func same(t *testing.T, sent map[string][]byte, got []byte) string {
	t.Helper()
	m := number.FindSubmatch(got)
	if m == nil {
		t.Fatalf("a mail without a number: %.300q", got)
	}
	want := sent[string(m[1])]
	before, ok := bytes.CutSuffix(got, want)
	if !ok || want == nil {
		t.Fatalf("mail %s came back with other bytes %s", m[1], differ(got[max(0, bytes.Index(got, []byte("From: "))):], want))
	}
	if !trace.Match(before) {
		t.Fatalf("mail %s has before it: %q", m[1], before)
	}
	return string(m[1])
}

func TestMain(m *testing.M) { world.Main(m) }

func TestMailGoesInAndComesOutUnchanged(t *testing.T) {
	dir := t.TempDir()
	binary, err := process.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := world.Program(t, binary)
	c := &client{t: t, s: s, dir: dir, cert: filepath.Join(s.Data, "tls", "cert.pem")}
	rnd := rand.New(rand.NewPCG(1, 2))
	sent := map[string][]byte{}
	names := make([]string, mails)
	for n := range mails {
		m := mail(n, rnd)
		sent[fmt.Sprint(n)] = m
		names[n] = filepath.Join(dir, fmt.Sprintf("%03d.eml", n))
		if n%10 == 1 || n%10 == 2 { // swaks ends the last line by itself
			m = bytes.TrimSuffix(m, []byte("\r\n"))
		}
		if err := os.WriteFile(names[n], m, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("send", func(t *testing.T) {
		var all sync.WaitGroup
		next := make(chan int)
		for range 4 {
			all.Go(func() {
				for n := range next {
					c.send(n, names[n])
				}
			})
		}
		for n := range mails {
			next <- n
		}
		close(next)
		all.Wait()
	})
	c.delivered(mails)
	t.Run("curl reads by IMAP", func(t *testing.T) { c.curlReads(t, sent, "imaps", "/INBOX;UID=[1-300]") })
	t.Run("curl reads by POP3", func(t *testing.T) { c.curlReads(t, sent, "pop3s", "/[1-300]") })
	t.Run("mbsync reads and writes by IMAP", func(t *testing.T) { c.mbsync(t, sent) })
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

type client struct {
	t         *testing.T
	s         *process.Service
	dir, cert string
}

func (c *client) run(name string, args ...string) string {
	ctx, cancel := context.WithTimeout(c.t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		c.t.Errorf("%s %s: %v\n%.3000s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// send takes turns: swaks with STARTTLS, swaks and curl on the MX, curl with a login.
func (c *client) send(n int, file string) {
	host, port, _ := net.SplitHostPort(c.s.Address["smtp"])
	switch {
	case n%10 == 1:
		c.run("swaks", "--server", host, "--port", port, "--from", sender, "--to", alice, "--data", "@"+file, "--silent", "3", "--tls")
	case n%10 == 2:
		_, port, _ := net.SplitHostPort(c.s.Address["submission"])
		c.run("swaks", "--server", host, "--port", port, "--from", bob, "--to", alice, "--data", "@"+file, "--silent", "3", "--tls",
			"--auth", "PLAIN", "--auth-user", bob, "--auth-password", c.s.Password[bob])
	case n%10 == 3:
		c.run("curl", "-sS", "--cacert", c.cert, "smtps://"+c.s.Address["submissions"], "-u", bob+":"+c.s.Password[bob],
			"--mail-from", bob, "--mail-rcpt", alice, "-T", file)
	case n%10 == 4:
		c.run("curl", "-sS", "--ssl-reqd", "--cacert", c.cert, "smtp://"+c.s.Address["smtp"], "--mail-from", sender, "--mail-rcpt", alice, "-T", file)
	default:
		c.run("curl", "-sS", "smtp://"+c.s.Address["smtp"], "--mail-from", sender, "--mail-rcpt", alice, "-T", file)
	}
}

// delivered waits until so many mails are in alice's mailbox.
func (c *client) delivered(want int) {
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got := c.run("curl", "-sS", "--cacert", c.cert, "-u", alice+":"+c.s.Password[alice], "imaps://"+c.s.Address["imaps"]+"/",
			"-X", "STATUS INBOX (MESSAGES)")
		if strings.Contains(got, fmt.Sprintf("(MESSAGES %d)", want)) {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("of %d mails there are %s", want, got)
		}
		<-tick.C
	}
}

// curlReads fetches all mails over one connection.
func (c *client) curlReads(t *testing.T, sent map[string][]byte, listener, path string) {
	out := filepath.Join(c.dir, listener)
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	c.run("curl", "-sS", "--fail-early", "--cacert", c.cert, "-u", alice+":"+c.s.Password[alice],
		listener+"://"+c.s.Address[listener]+path, "-o", filepath.Join(out, "#1"))
	seen := map[string]bool{}
	for n := range mails {
		got, err := os.ReadFile(filepath.Join(out, fmt.Sprint(n+1)))
		if err != nil {
			t.Fatal(err)
		}
		seen[same(t, sent, got)] = true
	}
	if len(seen) != mails {
		t.Errorf("%d different mails came back, want %d", len(seen), mails)
	}
}

// mbsync pulls INBOX to a Maildir, and pushes a mail of its own into Archive.
func (c *client) mbsync(t *testing.T, sent map[string][]byte) {
	_, port, _ := net.SplitHostPort(c.s.Address["imaps"])
	root := filepath.Join(c.dir, "maildir")
	for _, sub := range []string{"", "Archive", "Archive/cur", "Archive/new", "Archive/tmp"} {
		if err := os.Mkdir(filepath.Join(root, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	own := "From: <alice@demo.test>\nSubject: kept\nX-Own: yes\n\nbody\n"
	if err := os.WriteFile(filepath.Join(root, "Archive", "cur", "1.own:2,S"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(c.dir, "mbsyncrc")
	text := fmt.Sprintf("IMAPAccount a\nHost localhost\nPort %s\nUser %s\nPass \"%s\"\nSSLType IMAPS\nCertificateFile %s\n\nIMAPStore far\nAccount a\n\n"+
		"MaildirStore near\nPath %s/\nInbox %s/INBOX\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX Archive\nSync All\nCreate Near\nSyncState *\n",
		port, alice, c.s.Password[alice], c.cert, root, root)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run("mbsync", "-c", config, "all")
	files, err := filepath.Glob(filepath.Join(root, "INBOX", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// A Maildir has LF; mbsync puts a line of its own into the header.
		got = regexp.MustCompile(`(?m)^X-TUID: .*\n`).ReplaceAll(got, nil)
		seen[same(t, sent, bytes.ReplaceAll(got, []byte("\n"), []byte("\r\n")))] = true
	}
	if len(seen) != mails {
		t.Errorf("mbsync has %d different mails, want %d", len(seen), mails)
	}
	c.run("mbsync", "-c", config, "all") // once more: nothing is there twice
	if again, _ := filepath.Glob(filepath.Join(root, "INBOX", "*", "*")); len(again) != len(files) {
		t.Errorf("a second mbsync made %d mails of %d", len(again), len(files))
	}
	got := c.run("curl", "-sS", "--cacert", c.cert, "-u", alice+":"+c.s.Password[alice], "imaps://"+c.s.Address["imaps"]+"/Archive;UID=1")
	if !strings.Contains(got, "X-Own: yes") || !strings.HasSuffix(got, "\r\n\r\nbody\r\n") {
		t.Errorf("what mbsync pushed is %q", got)
	}
}

// differ shows where two texts part.
func differ(a, b []byte) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return fmt.Sprintf("at byte %d: %q, want %q", n, a[max(0, n-40):min(len(a), n+60)], b[max(0, n-40):min(len(b), n+60)])
}
