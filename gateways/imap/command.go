package imap

import (
	"bytes"
	"strings"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
)

// Limits of what a client may send as one command.
const (
	maxCommand  = 48 << 10 // bytes of a command, without its literals
	maxLiteral  = 4 << 10  // bytes of a literal that is no message
	maxLiterals = 64 << 10 // of all of them in one command
	maxRaw      = 13 << 10 // bytes of a line that answers a continuation request
	maxMistakes = 20       // lines that are no command, until the connection ends
	maxStrikes  = 2        // unknown commands before login that are let pass
)

const tooLarge = "NO [LIMIT] Literals are limited to 4096 octets in this command"

// command is one command of the client's.
type command struct {
	tag  string
	name string // in upper case, without UID
	uid  bool   // it began with UID
	*wire.Parser

	open     bool  // a literal of literal octets is next in the input, and then more lines
	literal  int64 // for APPEND, which takes it by itself
	wait     bool  // the client waits to be asked for it
	lines    int   // octets of its lines so far
	literals int64 // and of its literals

	tooLong string // what is said of a literal beyond maxLiteral
	code    string // of the OK
	text    string // of the OK, if it isn't the usual one
}

// flushed are the octets by which compressors end what they have written; no tag begins with one.
const flushed = "\x00\x01\x03\xff"

// next reads a command. Lines that are none are answered here.
func (s *session) next() (*command, error) {
	for {
		if len(s.conn.in.buf) == 0 {
			s.conn.each(strangerPatience)
			if s.account != nil {
				s.conn.each(idlePatience)
			}
			if err := s.between(); err != nil {
				return nil, s.conn.lost(err)
			}
		}
		s.conn.all(linePatience)
		line, n, whole, err := s.conn.in.line(s.line[:0], maxCommand)
		if s.inflated {
			line, s.inflated = bytes.TrimLeft(line, flushed), false
		}
		s.line = line
		if err != nil {
			return nil, s.conn.lost(err)
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			// QUIRK: Apple Mail on iOS says an empty line before some commands. It is no mistake, but many are.
			if s.blanks++; s.blanks <= maxMistakes {
				continue
			}
		}
		s.blanks = 0
		cmd, why := s.begin(line, whole)
		cmd.lines = n
		if why == "" {
			return cmd, nil
		}
		if err := s.mistake(cmd, why, maxMistakes); err != nil {
			return nil, err
		}
	}
}

// begin reads the first line of a command, or says what is wrong with it.
func (s *session) begin(line []byte, whole bool) (cmd *command, why string) {
	cmd = &command{tag: "*", tooLong: tooLarge, Parser: wire.NewParser(nil)}
	cmd.note(line)
	tag, rest, _ := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(" "))
	if !wire.IsTag(string(tag)) {
		return cmd, "BAD A command begins with a tag"
	}
	cmd.tag = string(tag)
	name, more, _ := bytes.Cut(rest, []byte(" "))
	cmd.name = strings.ToUpper(string(name))
	at := len(tag) + 1 + len(name)
	if cmd.name == "UID" {
		sub, _, _ := bytes.Cut(more, []byte(" "))
		cmd.name, cmd.uid = strings.ToUpper(string(sub)), true
		at += 1 + len(sub)
	}
	switch {
	case !wire.IsAtom(cmd.name):
		return cmd, "BAD No command"
	case !whole:
		return cmd, "BAD [LIMIT] Command line too long"
	}
	if why := wire.Malformed(line); why != "" {
		return cmd, "BAD " + why
	}
	if s.conn.mistakes == 0 && s.account == nil && bytes.Contains(line, []byte(" HTTP/")) {
		s.conn.mistakes = maxMistakes
		return cmd, "BAD This is IMAP"
	}
	s.at = at
	cmd.Parser = wire.NewParser(line[at:])
	return cmd, ""
}

// note notes the literal that a line announces.
func (c *command) note(line []byte) {
	n, nonSync, ok := wire.LiteralAt(line)
	c.open, c.literal, c.wait = ok, n, ok && !nonSync
}

// gather reads the rest of a command whose literals are short; it says in why what the
// client is to be told at once.
func (s *session) gather(cmd *command) (why string, err error) {
	for cmd.open {
		if why, err := s.more(cmd); why != "" || err != nil {
			return why, err
		}
	}
	return "", nil
}

// more reads one literal, and the line behind it.
func (s *session) more(cmd *command) (why string, err error) {
	if cmd.literals += cmd.literal; cmd.literal > maxLiteral || cmd.literals > maxLiterals {
		return cmd.tooLong, nil
	}
	s.consent(cmd)
	if s.line, err = s.conn.in.full(s.line, cmd.literal); err != nil {
		return "", err
	}
	from := len(s.line)
	var n int
	var whole bool
	if s.line, n, whole, err = s.conn.in.line(s.line, maxCommand-cmd.lines); err != nil {
		return "", err
	}
	cmd.lines += n
	line := s.line[from:]
	cmd.note(line)
	if !whole {
		return "BAD [LIMIT] Command line too long", nil
	}
	if why := wire.Malformed(line); why != "" {
		return "BAD " + why, nil
	}
	cmd.Parser = wire.NewParser(s.line[s.at:])
	return "", nil
}

// consent asks for a literal that waits for that.
func (s *session) consent(cmd *command) {
	if cmd.wait {
		s.conn.w.Raw("+ Ready for literal data\r\n")
		cmd.wait = false
	}
}

// skip throws away the rest of a command that has its answer. What was announced and waits
// for consent will not come.
func (s *session) skip(cmd *command) error {
	if err := s.conn.rest(true); err != nil {
		return err
	}
	for cmd.open && !cmd.wait {
		s.conn.each(literalPatience)
		if err := s.conn.in.discard(cmd.literal); err != nil {
			return err
		}
		var err error
		if s.line, _, _, err = s.conn.in.line(s.line[:0], maxCommand); err != nil {
			return err
		}
		cmd.note(s.line)
	}
	cmd.open = false
	return nil
}

// mistake answers what is no command, and ends the session if there were too many.
func (s *session) mistake(cmd *command, text string, limit int) error {
	s.conn.say(cmd.tag, text)
	if s.conn.mistakes++; s.conn.mistakes > limit {
		s.conn.say("*", "BYE Too many mistakes")
		if err := s.conn.w.Flush(); err != nil {
			return err
		}
		return s.conn.linger()
	}
	return s.skip(cmd)
}

// raw reads a line that is no command: a SASL response, or the end of IDLE. It is "" if it
// is too long.
func (s *session) raw() (string, error) {
	line, _, whole, err := s.conn.in.line(s.line[:0], maxRaw)
	s.line = line
	if err != nil {
		return "", s.conn.lost(err)
	}
	if !whole {
		return "", nil
	}
	return string(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))), nil
}
