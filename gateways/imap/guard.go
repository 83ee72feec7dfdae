package imap

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Limits of what a client may send as one command.
const (
	maxCommand  = 48 << 10 // bytes of a command, without its literals
	maxLiteral  = 4 << 10  // bytes of a literal that is no message
	maxLiterals = 64 << 10 // of all of them in one command
	maxTag      = 64
	maxRaw      = 4000 // bytes of a line that answers a continuation request
	maxMistakes = 20   // lines that are no command, until the connection ends
)

// How long one read of a long literal, and one write, may take.
const (
	literalPatience = time.Minute
	writePatience   = time.Minute
)

// guard is the connection as imapserver sees it. It frames commands: it knows where each
// ends, literals included, and gives imapserver no byte of the next one before this one is
// answered. So it can answer what imapserver would hang up on (empty and over-long lines, bad tags,
// NULs), throw away the rest of a command that was refused while a literal was on its way
// (imapserver takes those bytes for commands), and do STARTTLS (imapserver passes clear
// text that follows it to the TLS handshake).
//
// imapserver reads in one goroutine, and only when it has written all it had to say, so
// that what the guard writes by itself never falls into a response. While a client idles,
// the guard writes nothing.
type guard struct {
	net.Conn
	br        *bufio.Reader
	offersTLS bool
	wantsTLS  bool // set when the client has said STARTTLS and was told OK
	closed    chan struct{}
	once      sync.Once

	// Used by the reading goroutine only; so are tag and verb, but written under mu.
	in       []byte // what may be read now
	line     []byte // holds in
	literal  int64  // octets of a literal that pass as they come
	length   int    // of the command's lines so far
	literals int64  // octets of the command's literals so far
	open     bool   // the command goes on after the literal
	sync     int64  // a synchronising literal that awaits the server's consent; -1: none
	mistakes int

	writing sync.Mutex // held while something is written; mu is taken after it

	mu       sync.Mutex    // held for moments
	tag      string        // the command's
	verb     string        // its name
	answered bool          // its tagged response was written
	prompted bool          // a continuation request was written since the last line was read
	awaiting bool          // octets of the client's: nothing is being written
	parting  string        // why the command at work is not waited for any longer
	left     bool          // BYE was said, or can't be: nothing is heard or written any more
	silent   bool          // the next response is the greeting and not to be sent
	rest     chan struct{} // closed when the command is answered, or idles
}

func newGuard(c net.Conn, offersTLS, greeted bool) *guard {
	g := &guard{Conn: c, offersTLS: offersTLS, closed: make(chan struct{}),
		sync: -1, silent: greeted, answered: true, rest: make(chan struct{})}
	g.br = bufio.NewReaderSize(&incoming{g: g}, 8<<10)
	close(g.rest)
	return g
}

// Close ends imapserver's use of the connection. The connection itself stays open for
// TLS, if that comes next.
func (g *guard) Close() error {
	var err error
	g.once.Do(func() {
		if !g.wantsTLS {
			err = g.Conn.Close()
		}
		close(g.closed)
	})
	return err
}

// Read gives imapserver bytes of one line or of one literal.
func (g *guard) Read(p []byte) (int, error) {
	for {
		switch {
		case len(g.in) > 0:
			n := copy(p, g.in)
			g.in = g.in[n:]
			return n, nil
		case g.literal > 0 && !g.isAnswered():
			g.patience()
			n, err := g.br.Read(p[:min(int64(len(p)), g.literal)])
			g.literal -= int64(n)
			return n, err
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
}

// patience renews the read deadline while a long literal comes in.
func (g *guard) patience() {
	if g.literal > maxLiterals {
		_ = g.Conn.SetReadDeadline(time.Now().Add(literalPatience))
	}
}

// next reads one line, and leaves in in what of it imapserver may see.
func (g *guard) next() error {
	g.mu.Lock()
	answered, prompted := g.answered, g.prompted
	g.prompted = false
	g.mu.Unlock()
	if g.sync >= 0 { // the client was to wait for consent
		g.open = prompted && !answered
		if g.open {
			g.literal = g.sync
		}
		g.sync = -1
		if g.literal > 0 {
			return nil
		}
	}
	switch {
	case g.open && answered:
		if err := g.skip(); err != nil {
			return err
		}
		return g.fresh()
	case g.open:
		return g.goOn()
	case prompted && !answered && (g.verb == "AUTHENTICATE" || g.verb == "IDLE"):
		return g.raw()
	}
	return g.fresh()
}

// skip throws away the rest of a command that has its answer.
func (g *guard) skip() error {
	for g.open {
		for g.literal > 0 {
			g.patience()
			n, err := g.br.Discard(int(min(g.literal, 1<<20)))
			g.literal -= int64(n)
			if err != nil {
				return err
			}
		}
		g.length = 0
		line, _, err := g.readLine()
		if err != nil {
			return err
		}
		n, nonSync, ok := literalAt(line)
		g.literal, g.open = n, ok && nonSync
		if !g.open {
			g.literal = 0
		}
	}
	return nil
}

// raw passes a line that is no command: a SASL response, or the end of IDLE.
func (g *guard) raw() error {
	g.length = maxCommand - maxRaw
	line, whole, err := g.readLine()
	if err != nil {
		return err
	}
	text := strings.TrimRight(string(line), "\r\n")
	switch {
	case !whole:
		g.in = []byte("*\r\n") // imapserver runs what is left of a long line
	case g.verb == "IDLE" && strings.EqualFold(text, "DONE"):
		g.in = []byte("DONE\r\n")
	default:
		g.in = []byte(text + "\r\n")
	}
	return nil
}

// readLine reads up to a line feed. Of a line that makes the command too long only the
// beginning and the end are kept, and whole is false.
func (g *guard) readLine() (line []byte, whole bool, err error) {
	g.line, whole = g.line[:0], true
	for {
		part, err := g.br.ReadSlice('\n')
		g.line = append(g.line, part...)
		if g.length += len(part); g.length > maxCommand {
			whole = false
			if n := len(g.line); n > 512 {
				g.line = append(g.line[:256], g.line[n-64:]...)
			}
		}
		if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
			return g.line, whole, err
		}
	}
}

// lost says goodbye to a client that said nothing for too long.
func (g *guard) lost(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		g.say("*", "BYE Autologout, idle for too long")
	}
	return err
}

var errMistake = errors.New("imap: no command")

// mistake answers what is no command; imapserver never sees it.
func (g *guard) mistake(tag, text string) error {
	if g.mistakes++; g.mistakes > maxMistakes {
		g.say("*", "BYE Too many mistakes")
		return io.EOF
	}
	g.say(tag, text)
	return errMistake
}

// startTLS tells the client to begin, and ends what was in clear. What the client has sent
// already is forgotten: it may be somebody else's.
func (g *guard) startTLS(tag string) error {
	g.wantsTLS = true
	g.say(tag, "OK Begin TLS negotiation now")
	return io.EOF
}
