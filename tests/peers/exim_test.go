//go:build peers

package peers_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const eximConf = `
exim_path = %[1]s
spool_directory = %[2]s/spool
log_file_path = %[2]s/%%slog
pid_file_path = %[2]s/pid
primary_hostname = mx.exim.test
domainlist local_domains = exim.test
local_interfaces = 127.0.0.4.%[3]d
daemon_smtp_ports = %[3]d
tls_advertise_hosts = *
tls_certificate = %[2]s/cert.pem
tls_privatekey = %[2]s/key.pem
acl_smtp_rcpt = rcpt
acl_smtp_data = data
dkim_verify_signers =
host_lookup =
rfc1413_query_timeout = 0s
never_users =
deliver_drop_privilege
begin acl
rcpt:
  deny    local_parts = no
          message     = 5.1.1 nobody of that name
  drop    local_parts = drop
          message     = 5.7.1 go away
  defer   local_parts = later
          message     = 4.7.1 come again
  warn    local_parts = slow
          delay       = 2s
  accept  domains     = exim.test
  deny
data:
  deny    condition   = ${if match{$h_subject:}{virus}}
          message     = 5.7.1 we do not like this
  accept
begin routers
all:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = %[2]s/mail
  maildir_format
  delivery_date_add
  envelope_to_add
begin retry
* * F,1h,10s
`

// startExim has Exim be the host of exim.test.
func (to *town) startExim() (mail string) {
	t := to.t
	t.Helper()
	path, err := exec.LookPath("exim4")
	ok(t, err)
	dir := filepath.Join(to.dir, "exim")
	for _, sub := range []string{"spool", "mail"} {
		ok(t, os.MkdirAll(filepath.Join(dir, sub), 0o777))
	}
	run(t, dir, nil, "chown", "-R", "Debian-exim", dir)
	certificate(t, dir, "mx.exim.test")
	run(t, dir, nil, "chown", "Debian-exim", "key.pem", "cert.pem")
	conf := write(t, filepath.Join(dir, "exim.conf"), fmt.Sprintf(eximConf, path, dir, to.port))
	cmd := exec.Command(path, "-C", conf, "-bdf", "-q1m")
	cmd.Stderr = os.Stderr
	ok(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	to.up(fmt.Sprintf("%s:%d", eximHost, to.port))
	to.dns.Add(t, "exim.test. 300 IN MX 10 mx.exim.test.")
	to.dns.Add(t, "mx.exim.test. 300 IN A "+eximHost)
	return filepath.Join(dir, "mail")
}

// Exim offers CHUNKING and pipelining, and drops connections in the middle.
func TestEximTakesOurMail(t *testing.T) {
	to := newTown(t)
	mail := to.startExim()
	to.submit(hello, "ok@exim.test", "slow@exim.test", "no@exim.test", "later@exim.test")
	to.submit(strings.Replace(hello, "Subject: hello", "Subject: a virus", 1), "ok@exim.test")
	to.until("the mail", func() bool { return len(maildir(t, mail)) == 2 })
	for _, m := range maildir(t, mail) {
		if !strings.HasSuffix(m, "\n\n.a line\nFrom the start\nend\n") || !strings.Contains(m, "DKIM-Signature") || !strings.Contains(m, "esmtps") {
			t.Errorf("what came is %q", m)
		}
	}
	to.came("INBOX", "Content-Type: multipart/report", "no@exim.test", "nobody of that name")
	to.came("INBOX", "Content-Type: multipart/report", "ok@exim.test", "we do not like this")
	// One whose name makes the host go away keeps nobody else from getting the mail.
	to.submit(hello, "other@exim.test", "drop@exim.test")
	to.came("INBOX", "Content-Type: multipart/report", "drop@exim.test", "go away")
	to.until("the mail to the other", func() bool {
		to.retry()
		return len(maildir(t, mail)) == 3
	})
	to.until("one who is put off", func() bool {
		list := to.outgoing()
		return len(list) == 1 && len(list[0].Recipients) == 4 && strings.Contains(list[0].Recipients[3].Said, "come again")
	})
}
