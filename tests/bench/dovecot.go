package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The paths are those of Debian's packages.
const (
	dovecotBinary = "/usr/sbin/dovecot"
	dovecotLMTP   = "/usr/lib/dovecot/lmtp"
)

// config is Dovecot's defaults (mail_fsync = optimized syncs each delivery), but for
// where things are and who the users are: there is no look-up that costs anything.
const config = `
protocols = lmtp
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = no
first_valid_uid = 1
mail_uid = %[2]d
mail_gid = %[2]d
mail_location = %[3]s:~/mail
userdb {
  driver = static
  args = uid=%[2]d gid=%[2]d home=%[1]s/mail/%%Ln allow_all_users=yes
}
passdb {
  driver = static
  args = nopassword=y
}
service lmtp {
  process_min_avail = %[4]d
  inet_listener lmtp {
    address = 127.0.0.1
    port = %[5]d
  }
}
`

// nobody is who owns the mail: Dovecot takes none for root.
const nobody = 65534

// dovecot measures Dovecot's LMTP with the same load, nil when it is not installed.
func dovecot(ctx context.Context, l load, dir, format string) (*result, error) {
	for _, name := range []string{dovecotBinary, dovecotLMTP} {
		if _, err := os.Stat(name); err != nil {
			return nil, nil
		}
	}
	if os.Getuid() != 0 {
		fmt.Println("dovecot    can only be started by root, with its users as Debian made them")
		return nil, nil
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"", "run", "state", "mail"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Chown(filepath.Join(dir, "mail"), nobody, nobody); err != nil {
		return nil, err
	}
	// Folders above are this program's own temporary one, for its user only.
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, config, dir, nobody, format, l.conns, port), 0o600); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, dovecotBinary, "-F", "-c", file)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	if err := up(addr); err != nil {
		return nil, fmt.Errorf("dovecot: %w: %s", err, out.String())
	}
	r, err := l.send(ctx, addr, "LHLO")
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return nil, fmt.Errorf("dovecot: %w\n%s", err, log[max(0, len(log)-2000):])
	}
	r.delivered = r.accepted // LMTP answers when the mail is in the mailbox
	fmt.Printf("dovecot    %-7s  delivered/s %.0f  p50 %s  p99 %s\n", format, r.rate(), r.quantile(.50), r.quantile(.99))
	return r, nil
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
