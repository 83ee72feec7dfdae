package imap

import (
	"bytes"
	"strings"
)

// fresh reads the first line of a command.
func (g *guard) fresh() error {
	for {
		g.length, g.literals, g.open = 0, 0, false
		line, whole, err := g.readLine()
		if err != nil {
			return g.lost(err)
		}
		text := string(bytes.TrimRight(line, "\r\n"))
		tag, rest, _ := strings.Cut(text, " ")
		verb := verbOf(rest)
		switch {
		case !isTag(tag):
			err = g.mistake("*", "BAD A command begins with a tag")
		case verb == "":
			err = g.mistake(tag, "BAD No command")
		case !whole:
			err = g.mistake(tag, "BAD [LIMIT] Command line too long")
		default:
			err = g.take(line, tag, verb)
		}
		switch {
		case err == errMistake: // and what belongs to the line goes with it
			if n, nonSync, ok := literalAt(line); ok && nonSync {
				g.literal, g.open = n, true
				if err := g.skip(); err != nil {
					return err
				}
			}
		case err != nil:
			return err
		default:
			return nil
		}
	}
}

// take passes a first line on, or does what it says.
func (g *guard) take(line []byte, tag, verb string) error {
	if why := malformed(line); why != "" {
		return g.mistake(tag, "BAD "+why)
	}
	if verb == "STARTTLS" && g.offersTLS && len(strings.Fields(string(line))) == 2 {
		return g.startTLS(tag)
	}
	g.mu.Lock()
	g.verb = verb
	g.mu.Unlock()
	if g.tooLarge(line) {
		return g.mistake(tag, tooLarge)
	}
	g.mu.Lock()
	g.tag, g.answered, g.rest = tag, false, make(chan struct{})
	g.mu.Unlock()
	g.pass(line)
	return nil
}

const tooLarge = "NO [LIMIT] Literals are limited to 4096 octets in this command"

// tooLarge tells whether a line announces a literal that is refused; imapserver has a
// limit for each, but no word for it, and none for all of a command.
func (g *guard) tooLarge(line []byte) bool {
	n, _, ok := literalAt(line)
	if ok && n <= maxLiteral {
		g.literals += n
	}
	return ok && g.verb != "APPEND" && (n > maxLiteral || g.literals > maxLiterals)
}

// pass gives imapserver a line and prepares for the literal that it may announce.
func (g *guard) pass(line []byte) {
	g.in, g.open = g.mend(line), false
	switch n, nonSync, ok := literalAt(line); {
	case !ok:
	case nonSync:
		g.literal, g.open = n, true
	default:
		g.sync = n
	}
}

// unparsable is BAD for imapserver wherever it comes within a command.
var unparsable = []byte("\x00\r\n")

// goOn reads what follows a literal within a command.
func (g *guard) goOn() error {
	line, whole, err := g.readLine()
	if err != nil {
		return err
	}
	large := g.tooLarge(line)
	if whole && malformed(line) == "" && !large {
		g.pass(line)
		return nil
	}
	n, nonSync, ok := literalAt(line)
	if g.open = ok && nonSync; g.open {
		g.literal = n
	}
	g.in = unparsable
	if large {
		g.say(g.tag, tooLarge)
		g.answer()
	}
	return nil
}

// tail reads what follows the message in an APPEND, before anything is stored, and tells
// whether the command ends there. imapserver would drop a second message, or rubbish,
// without a word.
func (g *guard) tail() (bool, error) {
	line, whole, err := g.readLine()
	if err != nil {
		return false, err
	}
	g.open = false
	switch text := strings.TrimRight(string(line), "\r\n"); {
	case whole && (text == "" || text == ")"):
		g.in = line
		return true, nil
	}
	n, nonSync, ok := literalAt(line)
	if g.open = ok && nonSync; g.open {
		g.literal = n
	}
	g.in = []byte("\r\n")
	return false, nil
}
