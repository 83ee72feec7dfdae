package serve

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"syscall"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/settings"
)

// bind opens all listeners that aren't off, before anything else is begun: a port that
// is taken leaves nothing half made.
func bind(ctx context.Context, listeners []listenerAddress) (open map[string]net.Listener, err error) {
	open = map[string]net.Listener{}
	defer func() {
		if err != nil {
			for _, l := range open {
				l.Close()
			}
		}
	}()
	for _, l := range listeners {
		if l.addr == "" {
			continue
		}
		var config net.ListenConfig
		opened, err := config.Listen(ctx, "tcp", l.addr)
		if err != nil {
			return open, cannotBind(l.name, l.addr, err)
		}
		open[l.name] = opened
	}
	if len(open) == 0 {
		return open, kinds.Errorf(kinds.Invalid, "all listeners are off; give one an address, such as --smtp-address=127.0.0.1:2525")
	}
	return open, nil
}

type listenerAddress struct{ name, addr string }

// addresses are those of a process that has everything, protocol by protocol.
func addresses(s *settings.Settings) (all []listenerAddress) {
	for _, p := range Protocols {
		all = append(all, protocolAddresses(s, p)...)
	}
	return append(all, listenerAddress{"api", s.APIAddress})
}

// Protocols are those that gateways speak.
var Protocols = []string{"smtp", "imap", "pop3"}

func protocolAddresses(s *settings.Settings, protocol string) []listenerAddress {
	switch protocol {
	case "smtp":
		return []listenerAddress{{"smtp", s.SMTPAddress}, {"submission", s.SubmissionAddress}, {"submissions", s.SubmissionsAddress}}
	case "imap":
		return []listenerAddress{{"imap", s.IMAPAddress}, {"imaps", s.IMAPSAddress}}
	case "pop3":
		return []listenerAddress{{"pop3", s.POP3Address}, {"pop3s", s.POP3SAddress}}
	}
	return nil
}

// windowsInUse is WSAEADDRINUSE, which syscall.EADDRINUSE is not on Windows.
const windowsInUse = syscall.Errno(10048)

func cannotBind(name, addr string, err error) error {
	_, port, _ := net.SplitHostPort(addr)
	flag := "--" + name + "-address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, windowsInUse):
		return kinds.Errorf(kinds.Exists, "port %s (%s, %s) is taken by another program; choose another address with %s, or switch this listener off with %s=''",
			port, name, addr, flag, flag)
	case errors.Is(err, fs.ErrPermission):
		return kinds.Errorf(kinds.Denied, "port %s (%s, %s) may not be opened by this user (ports below 1024 need a privilege); choose another address with %s",
			port, name, addr, flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return kinds.Errorf(kinds.Invalid, "%s (%s) is no address of this machine; choose another with %s", addr, name, flag)
	}
	return kinds.Errorf(kinds.Invalid, "listener %s can't listen on %s: %w; choose another address with %s", name, addr, err, flag)
}
