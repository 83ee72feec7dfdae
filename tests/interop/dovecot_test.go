//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/tests/dialog"
	"github.com/godwit-mail/godwit/tests/world"
)

// nobody is who owns the mail: Dovecot takes none for root.
const nobody = 65534

// config is Dovecot's defaults, but for where things are, who the users are (any, with one
// password), the mailboxes that an account of ours has, and its quota.
const config = `
protocols = imap lmtp
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
listen = 127.0.0.1
ssl = yes
ssl_cert = <%[3]s/cert.pem
ssl_key = <%[3]s/key.pem
auth_mechanisms = plain login
auth_failure_delay = 0
first_valid_uid = 1
mail_uid = %[2]d
mail_gid = %[2]d
mail_location = mdbox:~/mail
mail_plugins = quota
mailbox_list_index = yes
userdb {
  driver = static
  args = uid=%[2]d gid=%[2]d home=%[1]s/mail/%%Ln allow_all_users=yes
}
passdb {
  driver = static
  args = password=%[6]s
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1G
  quota_max_mail_size = 100M
}
protocol imap {
  mail_plugins = quota imap_quota
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Archive {
    special_use = \Archive
    auto = create
  }
  mailbox Drafts {
    special_use = \Drafts
    auto = create
  }
  mailbox Junk {
    special_use = \Junk
    auto = create
  }
  mailbox Sent {
    special_use = \Sent
    auto = create
  }
  mailbox Trash {
    special_use = \Trash
    auto = create
  }
}
service imap-login {
  inet_listener imap {
    port = %[4]d
  }
  inet_listener imaps {
    port = %[5]d
    ssl = yes
  }
}
service lmtp {
  inet_listener lmtp {
    port = %[7]d
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

const password = "correct-horse-battery"

// startDovecot runs Debian's Dovecot as root, with the service's certificate, and gives it
// as a world for scripts.
func startDovecot(t *testing.T, w *world.World) dialog.World {
	t.Helper()
	dir := t.TempDir()
	// Its processes run as several users.
	for at := dir; strings.HasPrefix(at, os.TempDir()+"/"); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, sub := range []string{"run", "state", "mail"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "mail"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	ports := map[string]int{"imap": freePort(t), "imaps": freePort(t), "smtp": freePort(t)}
	text := fmt.Sprintf(config, dir, nobody, filepath.Join(w.Data, "tls"), ports["imap"], ports["imaps"], password, ports["smtp"])
	file := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command("/usr/sbin/dovecot", "-F", "-c", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("dovecot says %s\n%s", out.String(), log[max(0, len(log)-3000):])
		}
	})
	d := w.Dialog()
	// To Dovecot a client of its own address is as safe as one with TLS.
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	d.Dial = func(ctx context.Context, listener string) (net.Conn, error) {
		c, err := from.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", ports[listener]))
		if listener == "smtp" && err == nil {
			c = &lmtp{Conn: c}
		}
		return c, err
	}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		c, err := d.Dial(t.Context(), "imaps")
		if err == nil {
			c.Close()
			return d
		}
		if time.Now().After(end) {
			t.Fatalf("dovecot does not come up: %v\n%s", err, out.String())
		}
	}
}

// lmtp lets a script speak SMTP to LMTP.
type lmtp struct{ net.Conn }

func (c *lmtp) Write(p []byte) (int, error) {
	if rest, ok := bytes.CutPrefix(p, []byte("EHLO ")); ok {
		_, err := c.Conn.Write(append([]byte("LHLO "), rest...))
		return len(p), err
	}
	return c.Conn.Write(p)
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
