//go:build clients && !localstack

package clients_test

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/process"
)

// subjects gives the subjects of all messages below a Maildir.
func subjects(t *testing.T, root string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, "/cur/") && !strings.Contains(path, "/new/") {
			return err
		}
		b, err := os.ReadFile(path)
		if m := regexp.MustCompile(`(?m)^Subject: (.*?)\r?$`).FindSubmatch(b); m != nil {
			list = append(list, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// restarted is a service whose journals are put back to an earlier time.
type restarted struct {
	*client
	binary string
}

func (r *restarted) start() {
	s, err := process.Start(r.binary, r.s.Data, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	s.Password = r.s.Password
	r.s = s
	r.t.Cleanup(s.Kill)
}

// journals copies the files with the journals and the directory from one folder to another.
func (r *restarted) journals(from, to string) {
	old, err := filepath.Glob(filepath.Join(to, "godwit.db*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			r.t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(from, "godwit.db*"))
	if err != nil || len(files) == 0 {
		r.t.Fatalf("there are no journals in %s: %v", from, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, filepath.Base(name)), b, 0o600)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *restarted) stop() {
	if err := r.s.Stop(); err != nil {
		r.t.Fatal(err)
	}
}

// mails delivers messages with these subjects.
func (r *restarted) mails(names ...string) {
	for _, name := range names {
		file := filepath.Join(r.dir, name)
		text := fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%s@elsewhere.test>\r\n\r\nabout %[3]s\r\n", sender, alice, name, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
		r.run("curl", "-sS", "smtp://"+r.s.Address["smtp"], "--mail-from", sender, "--mail-rcpt", alice, "-T", file)
	}
}

func TestClientsFollowANewEpoch(t *testing.T) {
	dir := t.TempDir()
	binary, err := process.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	s, err := process.Start(binary, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &restarted{&client{t: t, s: s, dir: dir, cert: filepath.Join(data, "tls", "cert.pem")}, binary}
	t.Cleanup(s.Kill)
	// mbsync recovers when it knows twenty messages again, or four of five.
	var kept []string
	for n := range 24 {
		kept = append(kept, fmt.Sprintf("kept-%02d", n))
	}
	r.mails(kept...)
	r.delivered(24)
	sync := map[string]func() (refused bool){"mbsync": r.mbsyncs(), "offlineimap": r.offlineimaps()}
	has := func(when, name string, want ...string) {
		t.Helper()
		if got := subjects(t, filepath.Join(dir, name)); !slices.Equal(got, want) {
			t.Errorf("%s: %s has %q, want %q", when, name, got, want)
		}
	}
	for name, run := range sync {
		if run() {
			t.Errorf("%s refuses an account that it has never seen", name)
		}
		has("at first", name, kept...)
	}
	r.stop()
	back := filepath.Join(dir, "back")
	if err := os.Mkdir(back, 0o700); err != nil {
		t.Fatal(err)
	}
	r.journals(data, back)
	r.start()
	r.mails("lost-1", "lost-2")
	r.delivered(26)
	for name, run := range sync {
		run()
		has("before the journals are put back", name, append(slices.Clone(kept), "lost-1", "lost-2")...)
	}
	r.stop()
	r.journals(back, data)
	r.start()
	out := r.run(binary, "epoch", "begin", "--all", "--url", "http://"+r.s.Address["api"], "--data", data)
	if !regexp.MustCompile(`(?m)^alice@demo.test +2$`).MatchString(out) {
		t.Errorf("the command says %s", out)
	}
	r.mails("new-1")
	r.delivered(25)
	now := append(slices.Clone(kept), "new-1")
	// offlineimap 7 and 8 say that they skip a folder with another UIDVALIDITY, and sync it by
	// UIDs all the same: what is there has kept its UIDs, and new ones are far above.
	warns := map[string]bool{"offlineimap": true}
	for name, run := range sync {
		if run() != warns[name] {
			t.Errorf("%s takes the new epoch otherwise than is known of it", name)
		}
		has("in the new epoch", name, now...)
	}
	r.mails("new-2")
	r.delivered(26)
	for name, run := range sync {
		if run() != warns[name] {
			t.Errorf("%s takes what comes after that otherwise than is known of it", name)
		}
		has("after that", name, append(now, "new-2")...)
	}
	r.delivered(26)
}

// mbsyncs gives what syncs by mbsync, and tells whether it refused to.
func (r *restarted) mbsyncs() func() bool {
	root := filepath.Join(r.dir, "mbsync")
	if err := os.Mkdir(root, 0o700); err != nil {
		r.t.Fatal(err)
	}
	return func() bool {
		_, port, _ := net.SplitHostPort(r.s.Address["imaps"])
		config := r.config("mbsyncrc", fmt.Sprintf("IMAPAccount a\nHost localhost\nPort %s\nUser %s\nPass \"%s\"\nSSLType IMAPS\nCertificateFile %s\n\n"+
			"IMAPStore far\nAccount a\n\nMaildirStore near\nPath %s/\nInbox %s/INBOX\n\n"+
			"Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nSync All\nCreate Near\nExpunge Both\nSyncState *\n",
			port, alice, r.s.Password[alice], r.cert, root, root))
		return strings.Contains(r.run("mbsync", "-c", config, "all"), "UIDVALIDITY genuinely changed")
	}
}

// offlineimaps gives what syncs by offlineimap.
func (r *restarted) offlineimaps() func() bool {
	return func() bool {
		_, port, _ := net.SplitHostPort(r.s.Address["imaps"])
		config := r.config("offlineimaprc", fmt.Sprintf("[general]\naccounts = a\nmetadata = %s/offlineimap.meta\n\n[Account a]\nlocalrepository = near\nremoterepository = far\n\n"+
			"[Repository near]\ntype = Maildir\nlocalfolders = %[1]s/offlineimap\n\n"+
			"[Repository far]\ntype = IMAP\nremotehost = localhost\nremoteport = %s\nremoteuser = %s\nremotepass = %s\nssl = yes\nsslcacertfile = %s\n"+
			"folderfilter = lambda name: name == 'INBOX'\n", r.dir, port, alice, r.s.Password[alice], r.cert))
		return strings.Contains(strings.ToLower(r.tries("offlineimap", "-c", config, "-o", "-u", "basic")), "uid validity")
	}
}

// tries runs a program that may fail and gives what it says.
func (r *restarted) tries(name string, args ...string) string {
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	out, _ := exec.CommandContext(ctx, name, args...).CombinedOutput()
	return string(out)
}

func (r *restarted) config(name, text string) string {
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}
