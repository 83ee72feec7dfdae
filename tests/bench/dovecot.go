package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/crypto/argon2"
)

// The paths are those of Debian's packages.
const (
	dovecotBinary    = "/usr/sbin/dovecot"
	dovecotProtocols = "/usr/lib/dovecot"
)

// config is Dovecot's defaults (mail_fsync = optimized syncs each delivery), but for
// where things are, who the users are (no look-up costs anything, and passwords cost what they
// cost godwit), that any number of connections may be one user's, and that processes for
// logging in are there before and used again, as its manual has it for speed.
const config = `
protocols = %[6]s
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = yes
ssl_cert = <%[1]s/cert.pem
ssl_key = <%[1]s/key.pem
first_valid_uid = 1
mail_uid = %[2]d
mail_gid = %[2]d
mail_location = %[3]s:~/mail
mail_max_userip_connections = 100000
userdb {
  driver = static
  args = uid=%[2]d gid=%[2]d home=%[1]s/mail/%%Ln allow_all_users=yes
}
passdb {
  driver = passwd-file
  args = username_format=%%Lu %[1]s/users
}
service lmtp {
  process_min_avail = %[4]d
  inet_listener lmtp {
    address = 127.0.0.1
    port = %[5]d
  }
}
service imap-login {
  service_count = 0
  process_min_avail = 2
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    address = 127.0.0.1
    port = %[5]d
    ssl = yes
  }
}
namespace inbox {
  inbox = yes
  separator = /
}
`

// nobody is who owns the mail: Dovecot takes none for root.
const nobody = 65534

// dovecot is Dovecot with a folder of its own, for one protocol.
type dovecot struct {
	b    *bench
	dir  string
	addr string
	cmd  *exec.Cmd
	out  bytes.Buffer
}

// dovecot makes a Dovecot that speaks lmtp, or imap with TLS from the start; nil where it
// is not installed.
func (b *bench) dovecot(name, protocol, format string) (*dovecot, error) {
	for _, path := range []string{dovecotBinary, filepath.Join(dovecotProtocols, protocol)} {
		if _, err := os.Stat(path); err != nil {
			fmt.Printf("dovecot    is not installed (dovecot-%sd), so there is no ratio\n", protocol)
			return nil, nil
		}
	}
	if os.Getuid() != 0 {
		fmt.Println("dovecot    can only be started by root, with its users as Debian made them")
		return nil, nil
	}
	d := &dovecot{b: b, dir: filepath.Join(b.dir, "dovecot-"+name)}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	d.addr = fmt.Sprintf("127.0.0.1:%d", port)
	for _, sub := range []string{"", "run", "state", "mail"} {
		if err := os.MkdirAll(filepath.Join(d.dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Chown(filepath.Join(d.dir, "mail"), nobody, nobody); err != nil {
		return nil, err
	}
	// Folders above are this program's own temporary one, for its user only.
	if err := os.Chmod(b.dir, 0o711); err != nil {
		return nil, err
	}
	if err := d.secrets(); err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, config, d.dir, nobody, format, b.load.conns, port, protocol)
	return d, os.WriteFile(filepath.Join(d.dir, "dovecot.conf"), text, 0o600)
}

// secrets writes the certificate, and what checks passwords: a hash of the kind and cost that
// godwit has.
func (d *dovecot) secrets() error {
	cert, key, err := certificate()
	if err != nil {
		return err
	}
	salt := []byte("salt of a bench.")
	raw := base64.RawStdEncoding
	hash := fmt.Sprintf("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$%s$%s", raw.EncodeToString(salt),
		raw.EncodeToString(argon2.IDKey([]byte(password), salt, 2, 19<<10, 1, 32)))
	var users bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&users, "%s:%s\n", address(i), hash)
	}
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(d.dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(d.dir, "users"), users.Bytes(), 0o644)
}

func (d *dovecot) start() error {
	d.cmd = exec.CommandContext(d.b.ctx, dovecotBinary, "-F", "-c", filepath.Join(d.dir, "dovecot.conf"))
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	if err := d.cmd.Start(); err != nil {
		return err
	}
	if err := up(d.addr); err != nil {
		return fmt.Errorf("dovecot: %w: %s", err, d.out.String())
	}
	return nil
}

func (d *dovecot) stop() error {
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait() // by a signal, which is no success
	return nil
}

func (d *dovecot) restart() error {
	if err := d.stop(); err != nil {
		return err
	}
	return d.start()
}

func (d *dovecot) imaps() string { return d.addr }

// failed adds what Dovecot says about it.
func (d *dovecot) failed(err error) error {
	log, _ := os.ReadFile(filepath.Join(d.dir, "log"))
	return fmt.Errorf("dovecot: %w\n%s", err, log[max(0, len(log)-2000):])
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// up waits until the port is open.
func up(addr string) error {
	var err error
	for range 100 {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", addr, time.Second); err == nil {
			return c.Close()
		}
		wait(100 * time.Millisecond)
	}
	return err
}
