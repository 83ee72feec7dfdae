//go:build clients && !localstack

package clients_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mbsync 1.4 uses UIDPLUS, LITERAL-, NAMESPACE and COMPRESS, not QRESYNC.
func mbsyncKeepsInStep(st *station) {
	root := filepath.Join(st.dir, "mail")
	if err := os.MkdirAll(root, 0o700); err != nil {
		st.t.Fatal(err)
	}
	config := st.write("mbsyncrc", fmt.Sprintf("IMAPAccount a\nHost %s\nPort %s\nUser %s\nPass \"%s\"\nSSLType IMAPS\nCertificateFile %s\n\nIMAPStore far\nAccount a\n\n"+
		"MaildirStore near\nPath %s/\nInbox %s/INBOX\n\nChannel all\nFar :far:\nNear :near:\nPatterns INBOX Archive\nSync All\nCreate Both\nExpunge Both\nSyncState *\n",
		st.host, st.port, st.user, st.password, st.cert, root, root))
	st.twoWay(filepath.Join(root, "INBOX"), filepath.Join(root, "Archive"), func(do func(string, ...string)) {
		do("mbsync", "-c", config, "all")
	})
}

func offlineimapKeepsInStep(st *station) {
	root := filepath.Join(st.dir, "mail")
	config := st.write("offlineimaprc", fmt.Sprintf("[general]\naccounts = a\nmetadata = %s/meta\n[Account a]\nlocalrepository = near\nremoterepository = far\n"+
		"[Repository near]\ntype = Maildir\nlocalfolders = %s\nsep = /\n[Repository far]\ntype = IMAP\nremotehost = %s\nremoteport = %s\nremoteuser = %s\nremotepass = %s\n"+
		"ssl = yes\nsslcacertfile = %s\nfolderfilter = lambda f: f in ['INBOX', 'Archive']\nmaxconnections = 2\n",
		st.dir, root, st.host, st.port, st.user, st.password, st.cert))
	st.twoWay(filepath.Join(root, "INBOX"), filepath.Join(root, "Archive"), func(do func(string, ...string)) {
		do("offlineimap", "-c", config, "-o", "-u", "quiet")
	})
}

// getmail takes mail one way, by UID.
func getmailTakesMailOnce(st *station) {
	c := st.client()
	st.fill(c)
	root := filepath.Join(st.dir, "mail")
	for _, sub := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o700); err != nil {
			st.t.Fatal(err)
		}
	}
	pem, err := os.ReadFile(st.cert)
	if err != nil {
		st.t.Fatal(err)
	}
	cert := st.write("cert.pem", string(pem))
	rc := func(deletes bool) string {
		return st.write("getmailrc", fmt.Sprintf("[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = %s\nport = %s\nusername = %s\npassword = %s\nca_certs = %s\n"+
			"mailboxes = (\"INBOX\",)\n[destination]\ntype = Maildir\npath = %s/\n[options]\nread_all = false\ndelete = %t\nverbose = 0\n",
			st.host, st.port, st.user, st.password, cert, root, deletes))
	}
	program, args := "getmail", []string{"--getmaildir", st.dir, "--rcfile", rc(false)}
	if os.Getuid() == 0 { // for whom getmail delivers nothing
		program, args = "setpriv", append([]string{"--reuid=65534", "--regid=65534", "--clear-groups", "getmail"}, args...)
		if err := os.Chmod(filepath.Dir(st.dir), 0o755); err != nil {
			st.t.Fatal(err)
		}
		st.run("chown", "-R", "65534:65534", st.dir)
	}
	// QUIRK: getmail6 asks to be told of the end of the process that writes a message after it
	// has started it. When that is over before, it gives up after a minute, and forgets what it
	// has taken: it begins anew.
	for try := 1; ; try++ {
		out, err := st.try(program, args...)
		if err == nil {
			break
		}
		if try == 5 || !strings.Contains(out, "waiting child pid") {
			st.t.Fatalf("getmail: %v\n%.3000s", err, out)
		}
		for _, name := range st.maildir(root) {
			if err := os.Remove(name); err != nil {
				st.t.Fatal(err)
			}
		}
	}
	if n := len(st.maildir(root)); n != st.count {
		st.t.Errorf("getmail took %d messages", n)
	}
	st.again(program, args...)
	if n := len(st.maildir(root)); n != st.count {
		st.t.Errorf("after the second run there are %d messages", n)
	}
	rc(true)
	st.again(program, args...)
	if n := st.messages(c, "INBOX"); n != 0 {
		st.t.Errorf("getmail was to delete what it has, and left %d", n)
	}
}
