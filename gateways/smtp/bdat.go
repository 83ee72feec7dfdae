package smtp

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// bdat is BDAT (RFC 3030): so many octets follow, whatever they are. They are read off
// whether or not the command is in order, else they would run as commands.
func (s *session) bdat(args string) {
	number, last, ok := parseBDAT(args)
	if !ok {
		// Nobody knows how many octets come, so nothing after this can be trusted.
		s.refuse(syntax)
		s.over = true
		return
	}
	t := s.mail
	var bad *reply
	switch {
	case t == nil:
		bad = &noSender
	case !t.wanted():
		bad = &noRecipients
	}
	if number > uint64(s.cfg.MaxSize) {
		s.reset()
		s.refuse(tooLarge)
		s.over = true
		return
	}
	if bad == nil && !t.bdat {
		t.bdat = true
		s.open(t)
	}
	failed, err := s.chunk(t, int64(number), bad == nil)
	switch {
	case err != nil:
		s.lost(err)
	case bad != nil:
		s.reset()
		s.refuse(*bad)
	case failed != nil:
		s.refuseMessage(forMessage(failed), failed)
	case !last:
		s.reply(reply{250, "2.0.0", fmt.Sprintf("%d octets received", number)})
	case t.lines.bare || t.lines.state == afterCR:
		s.refuseMessage(bareLineEnd, nil)
	default:
		s.accept()
	}
}

// parseBDAT reads the arguments: RFC 3030, section 2: bdat-cmd ::= "BDAT" SP chunk-size [ SP end-marker ] CR LF
func parseBDAT(args string) (n uint64, last, ok bool) {
	size, marker, has := strings.Cut(args, " ")
	if !isDigits(size) || len(size) > 20 || has && !strings.EqualFold(strings.TrimSpace(marker), "LAST") {
		return 0, false, false
	}
	n, err := strconv.ParseUint(size, 10, 64)
	if err != nil {
		n = 1<<64 - 1
	}
	return n, has, true
}

// chunk reads n octets, into the message if they are wanted. failed says why the message
// can't be taken, err that the connection broke.
func (s *session) chunk(t *transaction, n int64, wanted bool) (failed, err error) {
	if !wanted {
		t = &transaction{begun: time.Now()}
	}
	for read := int64(0); read < n; {
		if err := s.readMore(t, t.octets+read); err != nil {
			return nil, err
		}
		p := s.wire.buffered()
		p = p[:min(int64(len(p)), n-read)]
		if wanted && failed == nil {
			t.lines.check(p)
			if !t.lines.bare {
				_, failed = t.in.Write(p)
			}
		}
		s.wire.take(len(p))
		read += int64(len(p))
	}
	t.octets += n
	return failed, nil
}
