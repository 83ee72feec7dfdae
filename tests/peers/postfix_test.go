//go:build peers

package peers_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// insecure takes the service's own certificate.
func insecure() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }

// Files for the whole of Postfix: one host that is well, and one whose TLS is broken.
const postfixMain = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = all
inet_protocols = ipv4
myhostname = mx.postfix.test
mydestination =
mynetworks = 127.0.0.5/32
local_header_rewrite_clients =
virtual_mailbox_domains = postfix.test broken.test
virtual_mailbox_base = %[1]s/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_recipient_restrictions = reject_unauth_destination, check_recipient_access texthash:%[1]s/recipients
smtpd_restriction_classes = slowly, greylisted
slowly = sleep 2
greylisted = check_policy_service inet:127.0.0.1:%[3]d
smtpd_tls_security_level = may
smtpd_tls_cert_file = %[1]s/cert.pem
smtpd_tls_key_file = %[1]s/key.pem
smtp_bind_address = 127.0.0.2
smtp_helo_name = mx.postfix.test
smtp_tls_security_level = may
relayhost = [127.0.0.1]:%[4]d
smtp_host_lookup = native
smtpd_milters = inet:127.0.0.1:%[5]d
non_smtpd_milters = $smtpd_milters
milter_default_action = tempfail
alias_maps =
alias_database =
maillog_file = %[1]s/log
maillog_file_prefixes = /
`

const postfixMaster = `
127.0.0.2:%[1]d inet n - n - - smtpd
127.0.0.3:%[1]d inet n - n - - smtpd -o smtpd_tls_protocols=TLSv1 -o smtpd_milters=
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`

// recipients are what Postfix has for some of them.
const postfixRecipients = `
no@postfix.test 550 5.1.1 no such user here
later@postfix.test 451 4.7.1 come again
drop@postfix.test 421 4.3.2 going away
slow@postfix.test slowly
grey@postfix.test greylisted
`

type postfix struct {
	to  *town
	dir string
}

// startPostfix has Postfix be the hosts of postfix.test and broken.test, with OpenDKIM,
// which verifies what comes and signs what goes.
func (to *town) startPostfix() *postfix {
	t := to.t
	t.Helper()
	p := &postfix{to, filepath.Join(to.dir, "postfix")}
	for _, sub := range []string{"", "queue", "data", "mail/all"} {
		ok(t, os.MkdirAll(filepath.Join(p.dir, sub), 0o755))
	}
	ok(t, os.Chown(filepath.Join(p.dir, "mail/all"), 65534, 65534))
	run(t, p.dir, nil, "chown", "postfix", "data")
	certificate(t, p.dir, "mx.postfix.test")
	_, in, err := net.SplitHostPort(to.us.Address["smtp"])
	ok(t, err)
	milter := p.opendkim()
	write(t, filepath.Join(p.dir, "main.cf"), fmt.Sprintf(strings.ReplaceAll(postfixMain, "%[4]d", in), p.dir, nil, greylist(t), nil, milter))
	write(t, filepath.Join(p.dir, "master.cf"), fmt.Sprintf(postfixMaster, to.port))
	write(t, filepath.Join(p.dir, "recipients"), postfixRecipients)
	run(t, p.dir, nil, "postfix", "-c", p.dir, "start")
	t.Cleanup(func() { _ = exec.Command("postfix", "-c", p.dir, "stop").Run() })
	to.up(fmt.Sprintf("%s:%d", postfixHost, to.port))
	for name, host := range map[string]string{"postfix": postfixHost, "broken": brokenHost} {
		to.dns.Add(t, name+".test. 300 IN MX 10 mx."+name+".test.")
		to.dns.Add(t, "mx."+name+".test. 300 IN A "+host)
	}
	to.txt("postfix.test", "v=spf1 ip4:127.0.0.2 -all")
	to.txt("_dmarc.postfix.test", "v=DMARC1; p=reject")
	return p
}

// opendkim starts OpenDKIM as a milter, and gives its port. It reads keys from a file.
func (p *postfix) opendkim() int {
	t := p.to.t
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	ok(t, err)
	p.to.txt("odkim._domainkey.postfix.test", "v=DKIM1; k=rsa; p="+base64.StdEncoding.EncodeToString(public))
	secret := filepath.Join(p.dir, "odkim.pem")
	ok(t, os.WriteFile(secret, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600))
	var keys strings.Builder
	for name, values := range p.to.zone {
		if strings.Contains(name, "._domainkey.") {
			fmt.Fprintf(&keys, "%s %s\n", name, values[0])
		}
	}
	port := freePort(t)
	conf := write(t, filepath.Join(p.dir, "opendkim.conf"), fmt.Sprintf("Mode sv\nDomain postfix.test\nSelector odkim\nKeyFile %s\nSocket inet:%d@127.0.0.1\n"+
		"TestPublicKeys %s\nInternalHosts %s\nAlwaysAddARHeader yes\nAuthservID mx.postfix.test\nSyslog no\nRequireSafeKeys no\nCanonicalization relaxed/relaxed\nDNSTimeout 5\n",
		secret, port, write(t, filepath.Join(p.dir, "keys"), keys.String()), write(t, filepath.Join(p.dir, "internal"), "127.0.0.1\nlocalhost\n")))
	cmd := exec.Command("/usr/sbin/opendkim", "-f", "-x", conf)
	cmd.Stderr, cmd.Stdout = os.Stderr, os.Stderr
	ok(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p.to.up(fmt.Sprintf("127.0.0.1:%d", port))
	return port
}

func (p *postfix) mails() []string { return maildir(p.to.t, filepath.Join(p.dir, "mail/all")) }

// got waits for the mail to a recipient.
func (p *postfix) got(recipient string) (text string) {
	p.to.t.Helper()
	p.to.until("mail to "+recipient, func() bool {
		p.to.retry()
		for _, m := range p.mails() {
			if strings.Contains(m, "Delivered-To: "+recipient+"\n") {
				text = m
				return true
			}
		}
		return false
	})
	return text
}

// greylist is a policy service: it says no once to who has not come before.
func greylist(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	var mu sync.Mutex
	seen := map[string]bool{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				asked := map[string]string{}
				for in := bufio.NewScanner(c); in.Scan(); {
					if name, value, found := strings.Cut(in.Text(), "="); found {
						asked[name] = value
						continue
					}
					mu.Lock()
					who, action := asked["client_address"]+asked["sender"]+asked["recipient"], "450 4.7.1 greylisted, come again"
					if seen[who] {
						action = "dunno"
					}
					seen[who] = true
					mu.Unlock()
					fmt.Fprintf(c, "action=%s\n\n", action)
				}
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().(*net.TCPAddr).Port
}

// certificate writes a certificate that nobody has signed, and its key.
func certificate(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ok(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ok(t, err)
	write(t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

const hello = "From: Alice <alice@demo.test>\nTo: <all@demo.test>\nSubject: hello\nDate: Sat, 28 Nov 2026 10:00:00 +0000\nMessage-ID: <1@demo.test>\n\n.a line\nFrom the start\nend\n"

// Postfix takes our mail: at once, after greylisting, slowly, or over clear text where its
// TLS is broken; and what it refuses or puts off is told, and tried again.
func TestPostfixTakesOurMail(t *testing.T) {
	to := newTown(t)
	p := to.startPostfix()
	to.submit(hello, "ok@postfix.test", "grey@postfix.test", "slow@postfix.test", "no@postfix.test", "later@postfix.test", "drop@postfix.test", "ok@broken.test")
	for _, who := range []string{"ok@postfix.test", "slow@postfix.test", "grey@postfix.test", "ok@broken.test"} {
		m := p.got(who)
		if !strings.HasSuffix(m, "\n\n.a line\nFrom the start\nend\n") {
			t.Errorf("to %s came %q", who, m)
		}
		if tls := strings.Contains(m, "with ESMTPS id"); tls != (who != "ok@broken.test") {
			t.Errorf("to %s by TLS: %v\n%s", who, tls, m)
		}
		if who != "ok@broken.test" && strings.Count(m, "dkim=pass") == 0 {
			t.Errorf("OpenDKIM does not say that the signature is good:\n%s", m)
		}
	}
	if n := len(p.mails()); n != 4 {
		t.Errorf("%d mails came, each of 4 is to come once", n)
	}
	to.came("INBOX", "Content-Type: multipart/report", "no@postfix.test", "550 5.1.1", "no such user here", "Status: 5.1.1")
	open := to.outgoing()
	if len(open) != 1 {
		t.Fatalf("%d mails are open", len(open))
	}
	for _, r := range open[0].Recipients {
		want := map[string]string{"no@postfix.test": "failed", "later@postfix.test": "open", "drop@postfix.test": "open"}[r.Address]
		if want == "" {
			want = "sent"
		}
		if r.State != want {
			t.Errorf("%s is %s, want %s: %s", r.Address, r.State, want, r.Said)
		}
		if r.Address == "later@postfix.test" && !strings.Contains(r.Said, "come again") {
			t.Errorf("%s: %q", r.Address, r.Said)
		}
	}
}

// What Postfix sends for its own domain is believed, and what it sends in another's name,
// who has asked for that, refused.
func TestPostfixIsJudged(t *testing.T) {
	to := newTown(t)
	p := to.startPostfix()
	to.txt("bank.test", "v=spf1 -all")
	to.txt("_dmarc.bank.test", "v=DMARC1; p=reject")
	text := func(from, subject string) []byte {
		return []byte("From: " + from + "\nTo: alice@demo.test\nSubject: " + subject + "\nDate: Sat, 28 Nov 2026 10:00:00 +0000\n\nhello\n")
	}
	run(t, p.dir, text("x@postfix.test", "signed"), "sendmail", "-C", p.dir, "-f", "x@postfix.test", alice)
	m := to.came("INBOX", "Subject: signed")
	for _, word := range []string{"spf=pass", "dkim=pass", "dmarc=pass", "header.d=postfix.test"} {
		if !strings.Contains(m, word) {
			t.Errorf("%s is not in\n%s", word, m)
		}
	}
	run(t, p.dir, text("boss@bank.test", "forged"), "sendmail", "-C", p.dir, "-f", "x@postfix.test", alice)
	to.until("the refusal in Postfix's log", func() bool {
		b, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		return strings.Contains(string(b), "550 5.7.1")
	})
}
