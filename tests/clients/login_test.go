//go:build clients && !localstack

package clients_test

import (
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
	"github.com/godwit-mail/godwit/tests/provider"
)

//go:embed testdata/xoauth2.py
var xoauth2Script string

// startFor starts a service that takes tokens of a provider on this machine.
func startFor(t *testing.T) *client {
	t.Helper()
	dir := t.TempDir()
	binary, err := process.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := process.Start(binary, filepath.Join(dir, "data"), nil, "--openid-private=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return &client{t: t, s: s, dir: dir, cert: filepath.Join(s.Data, "tls", "cert.pem")}
}

// settings sets some, as an administrator does it.
func (c *client) settings(args ...string) {
	c.t.Helper()
	c.run(filepath.Join(c.dir, "godwit"), append([]string{"settings", "set", "--data", c.s.Data, "--url", "http://" + c.s.Address["api"]}, args...)...)
}

// TestClientsSignInByToken sends a mail, and reads it, with tokens for passwords.
func TestClientsSignInByToken(t *testing.T) {
	c := startFor(t)
	p := provider.New(t)
	c.settings("--tenant=demo", "openid-issuer="+p.URL, "openid-audience="+provider.Audience)
	at := func(listener string) string {
		_, port, _ := net.SplitHostPort(c.s.Address[listener])
		return net.JoinHostPort("localhost", port)
	}
	letter := filepath.Join(c.dir, "letter")
	if err := os.WriteFile(letter, []byte("From: <"+alice+">\r\nTo: <"+alice+">\r\nSubject: by token\r\n\r\nbody\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := p.Token("ec", p.Claims(alice, time.Now(), nil))
	ways := map[string][]string{
		"submissions": {"smtps://" + at("submissions"), "--mail-from", alice, "--mail-rcpt", alice, "-T", letter},
		"submission":  {"--ssl-reqd", "smtp://" + at("submission"), "--mail-from", alice, "--mail-rcpt", alice, "-T", letter},
		"imaps":       {"imaps://" + at("imaps") + "/INBOX;UID=1"},
		"imap":        {"--ssl-reqd", "imap://" + at("imap") + "/INBOX;UID=1"},
		"pop3s":       {"pop3s://" + at("pop3s") + "/1"},
		"pop3":        {"--ssl-reqd", "pop3://" + at("pop3") + "/1"},
	}
	curl := func(listener, token string) []string {
		return append([]string{"-sS", "-v", "--cacert", c.cert, "-u", alice + ":", "--oauth2-bearer", token}, ways[listener]...)
	}
	// Of the two mechanisms curl takes OAUTHBEARER, whatever its options say.
	for _, listener := range []string{"submission", "submissions"} {
		if got := c.run("curl", curl(listener, good)...); !strings.Contains(got, "> AUTH OAUTHBEARER") {
			t.Errorf("by %s curl says %s", listener, got)
		}
	}
	c.delivered(2)
	for _, listener := range []string{"imap", "imaps", "pop3", "pop3s"} {
		got := c.run("curl", curl(listener, good)...)
		if !strings.Contains(got, "Subject: by token") || !regexp.MustCompile(`(?m)^> .*AUTH\S* OAUTHBEARER`).MatchString(got) {
			t.Errorf("by %s curl reads %s", listener, got)
		}
	}
	old := func(token string) (args []string) {
		_, imaps, _ := net.SplitHostPort(at("imaps"))
		_, submissions, _ := net.SplitHostPort(at("submissions"))
		return []string{"-c", xoauth2Script, "localhost", imaps, submissions, alice, token, c.cert}
	}
	if got := c.run("python3", old(good)...); got != "signed in\n" {
		t.Errorf("Python says %s", got)
	}
	// One each: who fails often is slowed down.
	for listener, token := range map[string]string{
		"submissions": "x",
		"imaps":       p.Token("ec", p.Claims(alice, time.Now(), map[string]any{"exp": 1})),
		"pop3s":       p.Token("ec", p.Claims(bob, time.Now(), nil)),
	} {
		// 67 is what curl ends with when a login was denied.
		if code := c.code("curl", curl(listener, token)...); code != 67 {
			t.Errorf("by %s with a bad token curl ends with %d", listener, code)
		}
	}
	if code := c.code("python3", old(p.Token("ec", p.Claims(bob, time.Now(), nil)))...); code == 0 {
		t.Error("Python signs in with another's token")
	}
}

// TestMbsyncSignsInByScram has mbsync prove its password by libsasl2's SCRAM.
func TestMbsyncSignsInByScram(t *testing.T) {
	c := startFor(t)
	c.settings("scram=on")
	const user, password = "carol@demo.test", "correct-horse-Gr\u00fc\u00dfe"
	if _, err := c.s.API(t.Context(), "POST", "/v1/accounts", map[string]any{"address": user, "password": password}); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(c.s.Address["imaps"])
	if err := os.Mkdir(filepath.Join(c.dir, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	config := func(password string) string {
		name := filepath.Join(c.dir, "mbsyncrc")
		text := fmt.Sprintf("IMAPAccount a\nHost localhost\nPort %s\nUser %s\nPass \"%s\"\nSSLType IMAPS\nCertificateFile %s\nAuthMechs SCRAM-SHA-256\n\n"+
			"IMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/mail/\nInbox %s/mail/INBOX\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n", port, user, password, c.cert, c.dir, c.dir)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	got := c.run("mbsync", "-c", config(password), "-D", "-l", "all")
	if !strings.Contains(got, "AUTHENTICATE SCRAM-SHA-256 ") || !strings.Contains(got, "INBOX") {
		t.Errorf("mbsync says %s", got)
	}
	if code := c.code("mbsync", "-c", config("another"), "-l", "all"); code == 0 {
		t.Error("mbsync signs in with another password")
	}
}

// code runs a program that may fail, and gives what it ends with.
func (c *client) code(name string, args ...string) int {
	cmd := exec.CommandContext(c.t.Context(), name, args...)
	_ = cmd.Run() // its code says it
	return cmd.ProcessState.ExitCode()
}
