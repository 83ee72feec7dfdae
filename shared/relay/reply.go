package relay

import (
	"bufio"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Limits of what a peer may say.
const (
	maxLine  = 2 << 10 // octets of a line; RFC 5321, section 4.5.3.1.5: 512
	maxLines = 128     // of one reply
	maxText  = 1000    // octets of a reply that are kept
)

// Reply is what a peer answered.
type Reply struct {
	Code     int
	Enhanced string // RFC 3463: "5.1.1", "" if it said none
	Text     string // one line; of several lines they are joined by blanks
}

// Temporary tells whether the same may succeed later.
//
// RFC 5321, section 4.2.1: 4yz Transient Negative Completion reply
func (r Reply) Temporary() bool { return r.Code/100 == 4 }

// Permanent tells whether the same will not succeed.
func (r Reply) Permanent() bool { return r.Code/100 == 5 }

func (r Reply) ok() bool { return r.Code/100 == 2 }

// Error is the reply as text, fit for logs and reports.
func (r Reply) Error() string {
	if r.Enhanced != "" {
		return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)
	}
	return fmt.Sprintf("%d %s", r.Code, r.Text)
}

// Kind is Unavailable for what may succeed later, else Denied.
func (r Reply) Kind() kinds.Kind {
	if r.Permanent() {
		return kinds.Denied
	}
	return kinds.Unavailable
}

var enhanced = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3} ?`)

// readReply reads one reply, and the lines of it. What isn't one, or is too long, is
// kinds.Unavailable: the peer is out of his mind, perhaps not for long.
func readReply(r *bufio.Reader) (reply Reply, lines []string, err error) {
	var text []string
	for len(lines) < maxLines {
		line, err := r.ReadSlice('\n')
		switch {
		case err == bufio.ErrBufferFull:
			return reply, nil, kinds.Errorf(kinds.Unavailable, "relay: a line of the peer is too long")
		case err != nil:
			return reply, nil, kinds.Wrap(kinds.Unavailable, err, "relay: the peer's reply")
		}
		s := strings.TrimRight(string(line), "\r\n")
		code, err := strconv.Atoi(s[:min(3, len(s))])
		if err != nil || len(s) < 3 || code < 200 || code > 599 || len(s) > 3 && s[3] != ' ' && s[3] != '-' || reply.Code != 0 && code != reply.Code {
			return reply, nil, kinds.Errorf(kinds.Unavailable, "relay: %.80q is no reply", s)
		}
		rest := clean(s[min(4, len(s)):])
		lines = append(lines, rest)
		if e := enhanced.FindString(rest); e != "" && e[0] == s[0] {
			reply.Enhanced, rest = strings.TrimSpace(e), rest[len(e):]
		}
		text = append(text, rest)
		reply.Code = code
		if len(s) == 3 || s[3] == ' ' {
			reply.Text = strings.Join(text, " ")
			reply.Text = strings.ToValidUTF8(reply.Text[:min(len(reply.Text), maxText)], "")
			return reply, lines, nil
		}
	}
	return reply, nil, kinds.Errorf(kinds.Unavailable, "relay: a reply of the peer has too many lines")
}

// clean leaves what may stand in a log or a report.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
