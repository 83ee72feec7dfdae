// Package login lets people in: SASL over the directory, and the throttle that all
// protocols share. Failures are counted per account and per peer address in records,
// so that all gateways count together; what this process has seen of the counts is kept
// in memory, so that a login that succeeds costs no call.
package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/gateways/internal/oidc"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/records"
)

// Longest user name and password, in bytes.
const (
	MaxUsername = 512
	MaxPassword = 1024
)

// Directory judges logins; *directory.Directory does.
type Directory interface {
	Authenticate(ctx context.Context, username, password, protocol string) (*directory.Identity, error)
	Scram(ctx context.Context, username string) (*directory.Scram, error)
	Token(ctx context.Context, username string) (*directory.Token, error)
}

// Config is what a Login needs.
type Config struct {
	Directory Directory
	Records   records.Driver
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   prometheus.Registerer                            // may be nil
	Private   bool                                             // OpenID providers may be http, and have private addresses
	Wait      func(ctx context.Context, d time.Duration) error // nil: by a timer
}

// Login is shared by the gateways of a process. Safe for concurrent use.
type Login struct {
	cfg      Config
	throttle throttle
	tokens   *oidc.Verifier
	logins   *prometheus.CounterVec
}

// New makes a Login.
func New(cfg Config) *Login {
	if cfg.Wait == nil {
		cfg.Wait = wait
	}
	l := &Login{cfg: cfg, tokens: oidc.New(cfg.Now, cfg.Private), logins: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_logins_total",
		Help: "Logins by protocol and outcome (ok or the error's kind)."}, []string{"protocol", "outcome"})}
	l.throttle.init(cfg.Now)
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(l.logins)
	}
	return l
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return kinds.Wrap(kinds.Unavailable, ctx.Err(), "login: waiting")
	}
}

// Authenticate judges a login from remote over a protocol (directory.IMAP and its like).
// It may wait, at most maxDelay, where too many have failed.
//
// Errors: kinds.Unauthenticated; kinds.Throttled, without a look at the password, when far
// too many have failed; kinds.Suspended and kinds.Denied, after the right password only;
// kinds.Unavailable.
func (l *Login) Authenticate(ctx context.Context, username, password string, remote net.Addr, protocol string) (*directory.Identity, error) {
	return l.attempt(ctx, username, remote, protocol, func() (*directory.Identity, error) {
		if len(password) > MaxPassword {
			return nil, kinds.Errorf(kinds.Unauthenticated, "login: a password of %d bytes", len(password))
		}
		return l.cfg.Directory.Authenticate(ctx, username, password, protocol)
	})
}

// attempt throttles, counts and logs one attempt to log in, which judge judges.
func (l *Login) attempt(ctx context.Context, username string, remote net.Addr, protocol string, judge func() (*directory.Identity, error)) (*directory.Identity, error) {
	id, err := l.throttled(ctx, username, remote, protocol, judge)
	outcome := "ok"
	if err != nil {
		outcome = kinds.Of(err).String()
	}
	l.logins.WithLabelValues(protocol, outcome).Inc()
	return id, err
}

func (l *Login) throttled(ctx context.Context, username string, remote net.Addr, protocol string, judge func() (*directory.Identity, error)) (*directory.Identity, error) {
	if username == "" || len(username) > MaxUsername {
		return nil, kinds.Errorf(kinds.Unauthenticated, "login: a user name of %d bytes", len(username))
	}
	k := keysOf(username, remote)
	delay, ok := l.throttle.begin(k)
	defer l.throttle.end(k)
	if !ok {
		l.cfg.Log.Warn("login refused, too many failures", "protocol", protocol, "peer", remote)
		return nil, errThrottled()
	}
	if delay > 0 {
		if err := l.cfg.Wait(ctx, delay); err != nil {
			return nil, err
		}
	}
	id, err := judge()
	switch {
	case err == nil:
		l.throttle.succeeded(k)
		l.cfg.Log.Info("login", "protocol", protocol, "account", id.Account.ID, "peer", remote)
	case kinds.Is(err, kinds.Unauthenticated):
		l.failed(ctx, k)
		l.cfg.Log.Info("login failed", "protocol", protocol, "peer", remote)
	case kinds.Is(err, kinds.Suspended) || kinds.Is(err, kinds.Denied): // the right password, but no entry
		l.cfg.Log.Info("login not allowed", "protocol", protocol, "peer", remote, "error", err)
	default:
		l.cfg.Log.Warn("login failed", "protocol", protocol, "peer", remote, "error", err)
		err = notThrottled(err)
	}
	return id, err
}

func errThrottled() error { return kinds.Errorf(kinds.Throttled, "login: too many failures") }

// notThrottled says of a store that is throttled what is true of it: we are told to slow
// down, not who logs in.
func notThrottled(err error) error {
	if kinds.Is(err, kinds.Throttled) {
		return kinds.Wrap(kinds.Unavailable, err, "login")
	}
	return err
}

// admits refuses, with kinds.Throttled, the beginning of an attempt that would be refused at
// its end; and, with kinds.Unauthenticated, what can be no name.
func (l *Login) admits(username string, remote net.Addr) error {
	if len(username) > MaxUsername {
		return kinds.Errorf(kinds.Unauthenticated, "login: a user name of %d bytes", len(username))
	}
	k := keysOf(username, remote)
	_, ok := l.throttle.begin(k)
	l.throttle.end(k)
	if !ok {
		return errThrottled()
	}
	return nil
}

func keysOf(username string, remote net.Addr) keys {
	return keys{account: accountKey(username), peer: "peer/" + listen.PeerPrefix(remote).String()}
}

// failed counts a failure for all gateways. Where that can't be done it counts for this
// one only.
func (l *Login) failed(ctx context.Context, k keys) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // hanging up is no way out
	defer cancel()
	for _, key := range []string{k.account, k.peer} {
		n, err := l.cfg.Records.Add(ctx, records.Key{Space: "login-failures", ID: key}, 1, window)
		if err != nil {
			l.cfg.Log.Error("counting a failed login", "error", err)
			n = 0
		}
		l.throttle.failed(key, n)
	}
}

// accountKey names an account that may not exist, without saying who it is. Whichever
// way an address is written (in quotes, in another case), it is the same account.
func accountKey(username string) string {
	name := strings.ToLower(username)
	if a, err := address.Parse(username); err == nil {
		name = a.Key()
	}
	h := sha256.Sum256([]byte(name))
	return "account/" + hex.EncodeToString(h[:16])
}
