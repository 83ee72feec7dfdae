package imap

import (
	"fmt"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
)

// page is a part of a result, by PARTIAL (RFC 9394): the from-th to the to-th of its
// messages, from the end if last is set.
type page struct {
	from, to uint32
	last     bool
	text     string // as it was written
}

// parsePage reads 1:500, or -1:-500.
func parsePage(cmd *command) *page {
	p := &page{}
	p.last = cmd.Try('-')
	p.from = cmd.Number()
	cmd.Expect(':')
	if p.last {
		cmd.Expect('-')
	}
	p.to = cmd.Number()
	if p.from == 0 || p.to == 0 {
		cmd.Fail(wire.SyntaxError("Numbers begin with 1"))
	}
	sign := ""
	if p.last {
		sign = "-"
	}
	p.text = fmt.Sprintf("%s%d:%s%d", sign, p.from, sign, p.to)
	p.from, p.to = min(p.from, p.to), max(p.from, p.to)
	return p
}

// cut keeps the messages of the page.
func (p *page) cut(list []span) (out []span) {
	total := uint64(count(list))
	from, to := uint64(p.from)-1, min(uint64(p.to), total)
	if p.last {
		from, to = total-min(uint64(p.to), total), total-min(uint64(p.from)-1, total)
	}
	at := uint64(0)
	for _, s := range list {
		n := uint64(s.to - s.from)
		lo, hi := max(from, at), min(to, at+n)
		if lo < hi {
			out = append(out, span{s.from + int(lo-at), s.from + int(hi-at)})
		}
		at += n
	}
	return out
}
