package imap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/gateways/internal/listen"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/directory"
)

// commandTime is for what a command asks of the account.
const commandTime = 2 * time.Minute

// session answers the commands of one connection.
type session struct {
	gateway *Gateway
	conn    *conn
	ctx     context.Context // of the connection
	name    string          // correlation id
	log     *slog.Logger
	signal  chan struct{}           // has room for one: watch is to look again. One channel for all is memory saved
	guarded atomic.Pointer[guarded] // nil: nobody is logged in
	stirred atomic.Bool             // another account changed of which NOTIFY tells
	pushing atomic.Bool             // push is at work
	idle    atomic.Bool             // updates are told as they come
	secure  bool
	// wantsTLS is set when the client has said STARTTLS and was told OK.
	wantsTLS bool
	// startCompress is set when the client has said COMPRESS and was told OK.
	startCompress bool
	endCompress   bool // after the answer

	// Used by the reading goroutine only.
	line    []byte // the command at hand
	at      int    // where its arguments begin
	command string // its name
	blanks  int    // empty lines before it

	inflated bool // compression has ended: how it did may come before the next command

	mu        sync.Mutex // held while a command is answered and while updates are written
	identity  *directory.Identity
	account   *account.Account
	view      *view    // of the selected mailbox, nil if there is none
	rev2      bool     // the client has enabled IMAP4rev2
	utf8      bool     // it takes and gives names and texts in UTF-8
	condstore bool     // it knows of mod-sequences
	qresync   bool     // and wants VANISHED instead of EXPUNGE
	uidOnly   bool     // it has given up sequence numbers
	notices   *notices // what it wants to be told of; nil: of the selected mailbox
	waiting   bool     // no command is at work
}

func (g *Gateway) newSession(ctx context.Context, c *conn, secure bool) *session {
	name := "imap-" + strconv.FormatUint(g.sessions.Add(1), 36)
	c.in.pool = &g.in
	return &session{gateway: g, conn: c, ctx: ctx, name: name, secure: secure, signal: make(chan struct{}, 1),
		log: g.cfg.Log.With("session", name)}
}

// w is where responses go.
func (s *session) w() *wire.Writer { return &s.conn.w }

// context is for what the command at hand asks for.
func (s *session) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, commandTime)
}

// by tells an account's history who acts; owner is whose account it is.
func (s *session) by(owner *directory.Identity) account.By {
	return account.By{Actor: string(s.identity.Account.ID), Protocol: directory.IMAP, Session: s.name, Domain: owner.Domain}
}

// serve answers commands until the session ends. A defect ends this session only.
func (s *session) serve(greeted bool) {
	defer func() {
		if p := recover(); p != nil {
			s.panicked(s.command, p)
		}
	}()
	if !greeted {
		s.w().Raw("* OK [CAPABILITY ").Raw(s.capabilities()).Raw("] IMAP server ready\r\n")
	}
	for {
		cmd, err := s.next()
		if err == nil {
			err = s.answer(cmd)
		}
		if err != nil {
			if !errors.Is(err, errOver) {
				s.log.Debug("session ended", "error", err)
			}
			return
		}
	}
}

// answer answers one command. An error ends the session.
func (s *session) answer(cmd *command) error {
	if err := s.conn.rest(false); err != nil {
		return err
	}
	h, ok := s.gateway.commands[cmd.name]
	s.command = "other"
	if !ok || cmd.uid && !h.uid {
		limit := maxMistakes
		if s.account == nil {
			limit = maxStrikes
		}
		return s.mistake(cmd, "BAD Unknown command", limit)
	}
	s.command = cmd.name
	if h.tooLong != "" {
		cmd.tooLong = h.tooLong
	}
	if cmd.open && !h.streams && cmd.literal > maxLiteral {
		s.conn.say(cmd.tag, cmd.tooLong)
		return s.skip(cmd)
	}
	if why := s.unfit(cmd, h); why != nil {
		s.reply(cmd, why)
		return s.skip(cmd)
	}
	if !h.streams {
		why, err := s.gather(cmd)
		if err != nil {
			return err
		}
		if why != "" {
			s.conn.say(cmd.tag, why)
			return s.skip(cmd)
		}
	}
	cmd.Parser.UTF8 = s.utf8
	if err := s.do(cmd, h); err != nil {
		return err
	}
	if cmd.open {
		return s.skip(cmd)
	}
	if cap(s.line) > 4<<10 {
		s.line = nil
	}
	return s.conn.rest(true)
}

// do runs the handler, and answers.
func (s *session) do(cmd *command, h handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var began *account.State
	if s.notices != nil {
		began = s.account.State()
	}
	err := s.run(cmd, h)
	var syntax wire.SyntaxError
	var told *imap.Error
	switch {
	case err == nil:
	case errors.As(err, &syntax):
		err = &imap.Error{Type: imap.StatusResponseTypeBad, Text: string(syntax)}
	case errors.As(err, &told):
	default: // the session ends
		return err
	}
	if told == nil || told.Type == imap.StatusResponseTypeNo {
		if err := s.answered(began, cmd.uid || !h.numbers); err != nil {
			return err
		}
	}
	s.reply(cmd, err)
	if s.wantsTLS {
		if err := s.w().Flush(); err != nil {
			return err
		}
		return errOver
	}
	if s.startCompress {
		s.startCompress = false
		if err := s.w().Flush(); err != nil {
			return err
		}
		s.conn.z = newSqueeze(s.conn, &s.gateway.buffers)
	}
	if s.endCompress {
		s.endCompress = false
		if err := s.w().Flush(); err != nil {
			return err
		}
		s.conn.z, s.inflated = nil, true
	}
	if cmd.name == "LOGOUT" && err == nil {
		return errors.Join(s.w().Flush(), errOver)
	}
	return s.w().Err()
}

// run runs the handler, where who has another one's mailbox selected still may see it.
func (s *session) run(cmd *command, h handler) error {
	if h.state == inMailbox && s.view != nil && s.view.foreign {
		if err := s.stay(); err != nil {
			return err
		}
	}
	return h.run(s, cmd)
}

// reply writes the tagged response.
func (s *session) reply(cmd *command, err error) {
	w := s.w().Raw(cmd.tag)
	var told *imap.Error
	switch {
	case err == nil:
		w.Raw(" OK ")
		if cmd.code != "" {
			w.Raw("[").Raw(cmd.code).Raw("] ")
		}
		if cmd.text == "" {
			cmd.text = cmd.name + " completed"
		}
		w.Raw(cmd.text)
	case errors.As(err, &told):
		w.Raw(" ").Raw(string(told.Type)).Raw(" ")
		if told.Code != "" {
			w.Raw("[").Raw(string(told.Code)).Raw("] ")
		}
		w.Raw(told.Text)
	}
	w.CRLF()
}

// watch ends the session when the gateway shuts down, or when its account no longer lets
// it in; and while the client idles it has what happens told.
func (s *session) watch() {
	var changed, theirs <-chan struct{}
	behind := false
	var again <-chan time.Time
	for {
		select {
		case <-s.conn.closed:
			return
		case <-listen.Draining(s.ctx):
			s.conn.bye(shuttingDown, goodbyeTime)
			return
		case <-s.signal:
			behind = s.stirred.Swap(false) || behind
		case <-again:
		case <-changed:
			behind = true
		case <-theirs:
			behind = true
		}
		changed, theirs, again = nil, nil, nil
		g := s.guarded.Load()
		if g == nil {
			behind = false
			continue
		}
		changed = g.account.Changed()
		if g.theirs != nil {
			theirs = g.theirs.account.Changed()
			again = time.After(againEvery)
			s.enterAgain(g.who, g.theirs.account)
		}
		if why := g.shutOut(); why != "" {
			s.log.Info("session ended by its account", "reason", why)
			s.conn.bye(why, goodbyeTime)
			return
		}
		if behind && s.idle.Load() && !s.pushing.Swap(true) {
			behind = false
			go func() {
				s.push()
				s.pushing.Store(false)
				s.lookAgain()
			}()
		}
	}
}

// guarded is what watch looks after.
type guarded struct {
	who     *directory.Identity // who is logged in
	account *account.Account
	theirs  *view // of another account's mailbox; nil: none is selected
}

// guard has watch look after who is logged in now, and after theirs.
func (s *session) guard(theirs *view) {
	var g *guarded
	if s.account != nil {
		g = &guarded{s.identity, s.account, theirs}
	}
	s.guarded.Store(g)
	s.lookAgain()
}

// lookAgain has watch look again.
func (s *session) lookAgain() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

// shutOut says why the account doesn't let the session in any more.
func (g *guarded) shutOut() (why string) {
	g.account.View(func(st *account.State) {
		switch standing := st.Standing(); {
		case standing.Renewed():
			why = "[UNAVAILABLE] The mailboxes have new numbers, log in again"
		case standing.Closed != "":
			why = "[UNAVAILABLE] The account is closed"
		case standing.Suspended:
			why = "[CONTACTADMIN] The account is suspended"
		case standing.Generation > g.who.Generation:
			why = "[AUTHENTICATIONFAILED] The password has changed, log in again"
		}
	})
	if why == "" && g.theirs != nil {
		why = g.theirs.lost()
	}
	return why
}

// end lets all accounts go. Nothing of the session runs any more but watch.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
}

// leave lets go who is logged in, and all that was theirs.
func (s *session) leave() {
	s.turn(nil)
	s.told(nil)
	if s.account != nil {
		a := s.account
		s.identity, s.account = nil, nil
		s.guard(nil)
		a.Close()
	}
}

// turn selects a mailbox, nil: none. The account of the one before is let go, if it is not
// the client's own.
func (s *session) turn(v *view) {
	if old := s.view; old != nil {
		old.release()
	}
	s.view = v
	var theirs *view
	if v != nil && v.foreign {
		theirs = v
	}
	if g := s.guarded.Load(); g != nil && g.theirs != theirs {
		s.guard(theirs)
	}
}

func (s *session) panicked(command string, p any) {
	s.gateway.panics.WithLabelValues(command).Inc()
	story := fmt.Sprintf("%v\n%s", p, debug.Stack())
	s.log.Error("session panicked", "command", command, "panic", story[:min(len(story), 4<<10)])
}
