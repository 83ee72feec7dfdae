package dialog

import (
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Exchange is what a client said in one line of a script, and the responses up to the next.
type Exchange struct {
	Line      int
	Said      string // as the script has it
	Responses []string
}

// shortly is how long a response that may not come is waited for in a recording.
const shortly = 2 * time.Second

// Record plays the client's side of an IMAP script against a server that need not answer
// as the script has it, and gives the answers. What is expected only tells how far to read:
// up to a response with that tag, to a continuation request, to the end of the connection,
// or for a while. A response holds its literals.
func Record(name, text string, w World) ([]Exchange, error) {
	lines, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", name, err)
	}
	r := &recorder{player: player{world: w, vars: map[string]string{}, conns: map[string]*conn{}}, at: map[string]*recorded{}}
	for k, v := range w.Vars {
		r.vars[k] = v
	}
	defer r.closeAll(nil)
	for i, l := range lines {
		if err := r.step(l, lines[i+1:]); err != nil {
			return r.all(), fmt.Errorf("%s:%d: %s: %w", name, l.number, l.source, err)
		}
	}
	return r.all(), nil
}

type recorder struct {
	player
	said []*Exchange
	at   map[string]*recorded // by connection
}

// recorded is how far a connection is.
type recorded struct {
	*Exchange          // what was said last
	answered  []string // tags of commands that have their answer
	tags      []string // of all that was sent
	asked     bool     // by a continuation request that is not answered yet
	over      bool     // it has ended
	refused   string   // tag of the command whose next lines must not be sent, as it has its answer
}

func (r *recorder) all() []Exchange {
	list := make([]Exchange, len(r.said))
	for i, e := range r.said {
		list[i] = *e
	}
	return list
}

func (r *recorder) step(l line, next []line) error {
	switch l.verb {
	case "eventually":
		return errors.New("a recording cannot try again")
	case "connect", "tls_connect":
		r.at[l.conn] = &recorded{Exchange: r.begin(l)}
		return r.connect(l)
	}
	at, c := r.at[l.conn], r.conns[l.conn]
	if at == nil {
		return fmt.Errorf("%s is not connected", l.conn)
	}
	if at.over || c == nil {
		return nil
	}
	switch l.verb {
	case "starttls":
		_ = c.SetDeadline(time.Now().Add(patience))
		if err := r.startTLS(l.conn, c); err != nil {
			at.end("(no TLS)")
		}
		return nil
	case "close":
		delete(r.conns, l.conn)
		return c.Close()
	case "->", "->-":
		return r.send(at, c, l)
	}
	return r.await(at, c, l, next)
}

func (r *recorder) begin(l line) *Exchange {
	e := &Exchange{Line: l.number, Said: l.source}
	r.said = append(r.said, e)
	return e
}

// firstWord is what a line begins with, if that can be a tag.
var firstWord = regexp.MustCompile(`^\^?([A-Za-z0-9]+)(?: |$|\()`)

func (r *recorder) send(at *recorded, c *conn, l line) error {
	if at.refused != "" {
		return nil
	}
	s, err := r.text(l.text)
	if err != nil {
		return err
	}
	if l.verb == "->" {
		s += "\r\n"
	}
	for part := range strings.SplitSeq(s, "\r\n") {
		if m := firstWord.FindStringSubmatch(part); m != nil && !at.asked {
			at.tags = append(at.tags, m[1])
		}
	}
	if !at.asked {
		at.Exchange = r.begin(l)
	}
	at.asked = false
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, s); err != nil {
		at.end("(the connection has ended)")
	}
	return nil
}

func (at *recorded) end(why string) {
	at.over = true
	at.Responses = append(at.Responses, why)
}

// await reads as far as the line and those behind it demand.
func (r *recorder) await(at *recorded, c *conn, l line, next []line) error {
	tag := ""
	if m := firstWord.FindStringSubmatch(l.text); m != nil && slices.Contains(at.tags, m[1]) {
		tag = m[1]
	}
	switch {
	case l.verb == "<eof>":
		return r.read(at, c, shortly, func(string) bool { return false })
	case tag != "" && slices.Contains(at.answered, tag):
		if at.refused == tag {
			at.refused = ""
		}
		return r.capture(at, l)
	case tag != "":
		if err := r.read(at, c, patience, func(string) bool { return slices.Contains(at.answered, tag) || at.asked }); err != nil {
			return err
		}
		if at.asked && !slices.Contains(at.answered, tag) {
			if err := r.fill(at, c, tag); err != nil {
				return err
			}
		}
		return r.capture(at, l)
	case strings.HasPrefix(l.text, "+"):
		before := len(at.answered)
		if err := r.read(at, c, patience, func(string) bool { return at.asked || len(at.answered) > before }); err != nil {
			return err
		}
		if !at.asked && len(at.answered) > before {
			at.refused = at.answered[len(at.answered)-1]
		}
		return nil
	}
	if later := at.later(l.conn, next); later != "" { // it is read with what comes before that
		if !strings.Contains(l.text, "(?P<") || slices.Contains(at.answered, later) {
			return r.capture(at, l)
		}
		if err := r.read(at, c, patience, func(string) bool { return slices.Contains(at.answered, later) || at.asked }); err != nil {
			return err
		}
		return r.capture(at, l)
	}
	want, err := r.text(strings.TrimPrefix(l.text, "^"))
	if err != nil {
		want = ""
	}
	return r.read(at, c, shortly, func(got string) bool {
		return strings.HasPrefix(got, want) || strings.HasPrefix(got, "* BAD") || strings.HasPrefix(got, "* BYE")
	})
}

// later gives the tag for which a line behind this one, but before the next that is sent,
// waits.
func (at *recorded) later(conn string, next []line) string {
	for _, n := range next {
		if n.conn != conn {
			continue
		}
		if !strings.HasPrefix(n.verb, "<") {
			break
		}
		if m := firstWord.FindStringSubmatch(n.text); m != nil && slices.Contains(at.tags, m[1]) {
			return m[1]
		}
	}
	return ""
}

// read reads responses until it is enough, or nothing comes.
func (r *recorder) read(at *recorded, c *conn, wait time.Duration, enough func(string) bool) error {
	_ = c.SetDeadline(time.Now().Add(wait))
	for {
		got, err := c.response()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			at.Responses = append(at.Responses, "(nothing comes)")
			return nil
		case err != nil:
			at.end("(the connection has ended)")
			return nil
		}
		at.Responses = append(at.Responses, got)
		if m := firstWord.FindStringSubmatch(got); m != nil && slices.Contains(at.tags, m[1]) {
			at.answered = append(at.answered, m[1])
		}
		at.asked = at.asked || strings.HasPrefix(got, "+")
		if enough(got) {
			return nil
		}
	}
}

var announced = regexp.MustCompile(`\{(\d+)\}$`)

// fill gives a server what it asks for although the script expects it not to: a literal of
// the announced size, or the end of a SASL exchange.
func (r *recorder) fill(at *recorded, c *conn, tag string) error {
	answer := "*"
	if m := announced.FindStringSubmatch(at.Said); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 200<<20 {
			at.end("(it asks for so much)")
			return c.Close()
		}
		answer = strings.Repeat("x", n)
	}
	at.asked = false
	_, _ = io.WriteString(c, answer+"\r\n")
	return r.read(at, c, patience, func(string) bool { return slices.Contains(at.answered, tag) })
}

// capture sets the variables that the line takes from a response.
func (r *recorder) capture(at *recorded, l line) error {
	if l.verb != "<~" && l.verb != "<*" || !strings.Contains(l.text, "(?P<") {
		return nil
	}
	want, err := r.replace(l.text, regexp.QuoteMeta)
	if err != nil {
		return err
	}
	re, err := regexp.Compile(want)
	if err != nil {
		return err
	}
	for _, got := range at.Responses {
		if m := re.FindStringSubmatch(got); m != nil {
			for i, name := range re.SubexpNames() {
				if name != "" {
					r.vars[name] = m[i]
				}
			}
		}
	}
	return nil
}

// response reads a line and the literals in it.
func (c *conn) response() (string, error) {
	var all strings.Builder
	for {
		s, err := c.line()
		all.WriteString(s)
		m := announced.FindStringSubmatch(s)
		if err != nil || m == nil {
			return all.String(), err
		}
		n, _ := strconv.ParseInt(m[1], 10, 32)
		all.WriteString("\r\n")
		if _, err := io.CopyN(&all, c.r, n); err != nil {
			return all.String(), err
		}
	}
}
