package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The paths are those of Debian's package.
const (
	sinkBinary    = "/usr/sbin/smtp-sink"
	postfixBinary = "/usr/sbin/postfix"
)

func installed(binary string) bool {
	_, err := os.Stat(binary)
	return err == nil
}

// sink is Postfix's smtp-sink, which takes all mail and ends when it has enough.
type sink struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func startSink(ctx context.Context, addr string, mails int) (*sink, error) {
	s := &sink{cmd: exec.CommandContext(ctx, sinkBinary, "-u", "root", "-m", "900", "-M", fmt.Sprint(mails), addr, "1000"), ended: make(chan struct{})}
	if os.Getuid() != 0 {
		s.cmd.Args = append(s.cmd.Args[:1], s.cmd.Args[3:]...)
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	return s, up(addr)
}

// full waits until the sink has all, for ten minutes at most.
func (s *sink) full(ctx context.Context) error {
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Minute):
		return errors.New("the other hosts have not got all mail after ten minutes")
	}
}

func (s *sink) end() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// mainCF is Postfix's defaults, but for where things are, that it listens here only, sends
// all to one host, on as many connections as the other server, and that mail waits until
// it is told otherwise.
const mainCF = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.bench.test
mydestination =
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
relayhost = [%[2]s]:%[3]d
smtp_host_lookup = native
default_destination_concurrency_limit = %[4]d
initial_destination_concurrency = %[4]d
default_process_limit = 100
in_flow_delay = 0
smtpd_client_connection_count_limit = 0
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
alias_maps =
alias_database =
maillog_file = %[1]s/log
maillog_file_prefixes = /
defer_transports = smtp
`

const masterCF = `
127.0.0.1:%[1]d inet n - n - - smtpd
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
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
`

// postfix has Postfix send the same from its queue; 0 where it can't be had.
func (b *bench) postfix(l load) (time.Duration, error) {
	if !installed(postfixBinary) || os.Getuid() != 0 {
		fmt.Println("postfix    is not installed, or this is not root, so there is no ratio")
		return 0, nil
	}
	dir := filepath.Join(b.dir, "postfix")
	for _, sub := range []string{"", "queue", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return 0, err
		}
	}
	if err := os.Chmod(b.dir, 0o711); err != nil {
		return 0, err
	}
	in, err := freePort()
	if err != nil {
		return 0, err
	}
	out, err := freePort()
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(dir, "main.cf"), fmt.Appendf(nil, mainCF, dir, sinkHost, out, l.conns), 0o644); err != nil {
		return 0, err
	}
	if err := os.WriteFile(filepath.Join(dir, "master.cf"), fmt.Appendf(nil, masterCF, in), 0o644); err != nil {
		return 0, err
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(dir, "data")).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("chown: %w: %s", err, out)
	}
	run := func(name string, args ...string) error {
		if out, err := exec.CommandContext(b.ctx, name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := run(postfixBinary, "-c", dir, "start"); err != nil {
		return 0, err
	}
	defer func() { _ = exec.Command(postfixBinary, "-c", dir, "stop").Run() }()
	if err := up(fmt.Sprintf("127.0.0.1:%d", in)); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := l.submit(func(int) (*session, error) { return dial(b.ctx, fmt.Sprintf("127.0.0.1:%d", in), "EHLO") }, farDomain); err != nil {
		return 0, fmt.Errorf("postfix: %w", err)
	}
	fmt.Printf("postfix    %d mails queued in %s (%.0f msg/s)\n", l.mails, short(time.Since(began)), float64(l.mails)/time.Since(began).Seconds())
	sink, err := startSink(b.ctx, fmt.Sprintf("%s:%d", sinkHost, out), l.mails)
	if err != nil {
		return 0, err
	}
	defer sink.end()
	if err := run("/usr/sbin/postconf", "-c", dir, "-e", "defer_transports="); err != nil {
		return 0, err
	}
	began = time.Now()
	if err := errors.Join(run(postfixBinary, "-c", dir, "reload"), run("/usr/sbin/postqueue", "-c", dir, "-f")); err != nil {
		return 0, err
	}
	if err := sink.full(b.ctx); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}
