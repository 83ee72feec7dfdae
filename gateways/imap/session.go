package imap

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
)

const (
	commandTime = 2 * time.Minute // for what a command asks of the account
	goodbyeTime = 5 * time.Second // for the command at work when the session has to end
)

// session answers the commands of one connection. imapserver calls it from one goroutine,
// but for Idle, which has its own.
type session struct {
	gateway *Gateway
	guard   *guard
	conn    *imapserver.Conn
	ctx     context.Context // of the connection
	name    string          // correlation id
	log     *slog.Logger
	entered chan struct{} // closed at login
	idling  sync.WaitGroup

	mu       sync.Mutex // held while a command is answered and while updates are written
	identity *directory.Identity
	account  *account.Account
	view     *view // of the selected mailbox, nil if there is none
	over     bool  // Close was called
}

var (
	_ imapserver.SessionIMAP4rev2   = (*session)(nil)
	_ imapserver.SessionSASL        = (*session)(nil)
	_ imapserver.SessionAppendLimit = (*session)(nil)
)

func (g *Gateway) newSession(ctx context.Context, w *guard) *session {
	name := "imap-" + strconv.FormatUint(g.sessions.Add(1), 36)
	return &session{gateway: g, guard: w, ctx: ctx, name: name, entered: make(chan struct{}),
		log: g.cfg.Log.With("session", name)}
}

// begin starts a command: the session is locked, and what the command asks for has limited
// time. end must be called.
func (s *session) begin() (ctx context.Context, end func()) {
	s.mu.Lock()
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	return ctx, func() {
		cancel()
		s.mu.Unlock()
	}
}

// by tells the account's history who acts.
func (s *session) by() account.By {
	return account.By{Actor: string(s.identity.Account.ID), Protocol: directory.IMAP, Session: s.name, Domain: s.identity.Domain}
}

// watch ends the session when the gateway shuts down, or when its account no longer lets
// it in.
func (s *session) watch() {
	var changed <-chan struct{}
	entered := s.entered
	for {
		select {
		case <-s.guard.closed:
			return
		case <-listen.Draining(s.ctx):
			s.guard.bye(shuttingDown, goodbyeTime)
			return
		case <-entered:
			entered = nil
		case <-changed:
		}
		changed = s.account.Changed()
		if why := s.shutOut(); why != "" {
			s.log.Info("session ended by its account", "reason", why)
			s.guard.bye(why, goodbyeTime)
			return
		}
	}
}

// shutOut says why the account doesn't let the session in any more.
func (s *session) shutOut() (why string) {
	s.account.View(func(st *account.State) {
		switch standing := st.Standing(); {
		case standing.Closed != "":
			why = "[UNAVAILABLE] The account is closed"
		case standing.Suspended:
			why = "[CONTACTADMIN] The account is suspended"
		case standing.Generation > s.identity.Generation:
			why = "[AUTHENTICATIONFAILED] The password has changed, log in again"
		}
	})
	return why
}

// Close is called when the connection has ended.
func (s *session) Close() error {
	s.mu.Lock()
	s.over, s.view = true, nil
	s.mu.Unlock()
	s.idling.Wait()
	return nil
}

// end lets the account go. Nothing of the session runs any more but watch.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.account != nil {
		s.account.Close()
	}
}

// Printf takes what imapserver logs: panics, and errors of the network.
func (s *session) Printf(format string, args ...any) {
	if !strings.HasPrefix(format, "panic") {
		s.log.Debug("imap", "event", fmt.Sprintf(format, args...))
		return
	}
	s.panicked(s.guard.command(), fmt.Sprintf(format, args...))
}

func (s *session) panicked(command, story string) {
	s.gateway.panics.WithLabelValues(known(command)).Inc()
	s.log.Error("session panicked", "command", known(command), "panic", story[:min(len(story), 4<<10)])
}

// known keeps what clients make up out of metrics.
func known(command string) string {
	switch name := strings.TrimPrefix(command, "UID "); name {
	case "APPEND", "AUTHENTICATE", "CLOSE", "COPY", "CREATE", "DELETE", "EXAMINE", "EXPUNGE", "FETCH", "IDLE", "LIST",
		"LOGIN", "LSUB", "MOVE", "NOOP", "RENAME", "SEARCH", "SELECT", "STATUS", "STORE", "SUBSCRIBE", "UNSUBSCRIBE":
		return name
	}
	return "other"
}

// Namespace tells that there is one, the user's own.
func (s *session) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: '/'}}}, nil
}

// AppendLimit is announced as APPENDLIMIT.
func (s *session) AppendLimit() uint32 { return MaxAppend }
