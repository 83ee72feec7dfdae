package imap

import (
	"context"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// searchTime is for a whole search, which may read all bodies of a mailbox.
const searchTime = 30 * time.Minute

// result is what a SEARCH is to return.
type result struct {
	extended                  bool // by ESEARCH
	all, min, max, count, sav bool
	update                    bool // by CONTEXT
	page                      *page
}

// parseResult reads RETURN (...).
func parseResult(cmd *command) (r result) {
	if !cmd.TryWord("RETURN") {
		r.all = true
		return r
	}
	r.extended = true
	cmd.SP()
	cmd.List(func() {
		switch cmd.Keyword() {
		case "ALL":
			r.all = true
		case "MIN":
			r.min = true
		case "MAX":
			r.max = true
		case "COUNT":
			r.count = true
		case "SAVE":
			r.sav = true
		case "UPDATE":
			r.update = true
		case "CONTEXT": // a hint, RFC 5267, section 4.2
		case "PARTIAL":
			cmd.SP()
			r.page = parsePage(cmd)
		default:
			cmd.Fail(wire.SyntaxError("Unknown RETURN option"))
		}
	})
	if r.page != nil && r.all {
		cmd.Fail(wire.SyntaxError("PARTIAL and ALL exclude each other"))
	}
	r.all = r.all || !r.min && !r.max && !r.count && !r.sav && r.page == nil
	cmd.SP()
	return r
}

// search is SEARCH and UID SEARCH. What flags, dates and sizes decide is decided first, for
// the whole mailbox; then what needs summaries; and only what is still open reads messages.
func (s *session) search(cmd *command) error {
	cmd.SP()
	r := parseResult(cmd)
	s.checkUpdate(cmd, r)
	charset := ""
	if cmd.TryWord("CHARSET") {
		if s.utf8 && !s.rev2 {
			// RFC 9755, section 3 has no CHARSET where UTF-8 was agreed on.
			cmd.Fail(wire.SyntaxError("There is no CHARSET but UTF-8 any more"))
		}
		cmd.SP()
		charset = parseCharset(cmd)
		cmd.SP()
	}
	q, err := s.parseQuery(cmd, s.view, charset)
	if err == nil {
		if err = s.find(cmd, q); err == nil {
			s.tellFound(cmd, r, q)
			if r.update {
				s.keepContext(cmd, q, nil, nil)
			}
			return nil
		}
	}
	s.unsave(r)
	return err
}

// unsave empties the saved result, of a command that was to set it and failed.
//
// RFC 5182, section 2.1: a SEARCH command with the SAVE result option that caused the server to return the NO tagged response sets the value of the search result variable to the empty sequence
func (s *session) unsave(r result) {
	if r.sav {
		s.view.saved = nil
	}
}

// query is what is looked for, and then what was found.
type query struct {
	view   *view
	key    key
	modSeq bool // MODSEQ was asked for
	hits   []hit
	box    *account.Mailbox // that the response names; nil: it is the selected one
}

// hit is a message that was found; they are in the order of the mailbox.
type hit struct {
	index   int
	uid     uint32
	modSeq  uint64
	date    int64
	size    int64
	content account.ContentRef
}

// parseQuery reads the keys of a search, up to the end of the command.
//
// RFC 5255, sections 4.2 and 4.3: I18NLEVEL=1 has texts compared by i;unicode-casemap in SEARCH, SORT and THREAD.
func (s *session) parseQuery(cmd *command, v *view, charset string) (*query, error) {
	p := &searchParser{command: cmd, view: v, uidOnly: s.uidOnly, now: s.gateway.now(), charset: charset}
	q := &query{view: v, key: p.all(0), modSeq: p.modSeq}
	if err := cmd.End(); err != nil {
		return nil, err
	}
	q.key.order()
	s.condstore = s.condstore || q.modSeq
	return q, nil
}

const (
	// window is how many messages are kept in mind that only their contents decide.
	window = 8192
	// summaryPart is of how many messages summaries are read at once: some of the snapshot's blocks,
	// as those at the ends are read twice.
	summaryPart = 1024
)

// find looks for the messages that match.
func (s *session) find(cmd *command, q *query) error {
	ctx, cancel := context.WithTimeout(s.ctx, searchTime)
	defer cancel()
	v := q.view
	now := v.now(v.account.State())
	if now == nil {
		return nil
	}
	p := s.progress(cmd, v.len())
	defer p.stop()
	var open []candidate
	scanned := false
	i, n := 0, v.len()
	look := func() error {
		scanned = scanned || len(open) > 0
		p.done = i - len(open)
		err := s.look(ctx, p, q, open)
		open = open[:0]
		return err
	}
	for _, m := range now.Messages() {
		if now != v.box {
			for i < n && v.uid(i) < m.UID {
				i++
			}
			if i == n {
				break
			}
			if v.uid(i) != m.UID {
				continue
			}
		}
		c := candidate{index: i, msg: m}
		i++
		switch verdict, err := q.key.judge(ctx, &c); {
		case err != nil:
			return s.fail(err)
		case verdict == yes:
			q.take(&c)
		case verdict == unknown:
			if open = append(open, c); len(open) == window {
				if err := look(); err != nil {
					return s.fail(err)
				}
			}
		}
	}
	if err := look(); err != nil {
		return s.fail(err)
	}
	if scanned {
		slices.SortFunc(q.hits, func(a, b hit) int { return a.index - b.index })
	}
	return nil
}

func (q *query) take(c *candidate) {
	if len(q.hits) == cap(q.hits) { // append grows long lists by a quarter: they would be copied again and again
		q.hits = slices.Grow(q.hits, max(64, len(q.hits)))
	}
	q.hits = append(q.hits, hit{c.index, c.msg.UID, c.msg.ModSeq, c.msg.Date, c.msg.Size, c.msg.Content})
}

// look judges messages by what is in them.
func (s *session) look(ctx context.Context, p *progress, q *query, list []candidate) error {
	part := summaryPart
	if q.key.cost() > costSummary {
		part = min(max(len(list)/(4*searchReaders), 1), 16)
	}
	matched := make([]bool, len(list))
	err := p.scan(ctx, len(list), part, func(ctx context.Context, from, to int) error {
		refs := make([]account.ContentRef, 0, part)
		for i := from; i < to; i++ {
			refs = append(refs, list[i].msg.Content)
		}
		contents, err := q.view.account.Contents(ctx, refs)
		if err != nil {
			return err
		}
		for i := from; i < to; i++ {
			c := list[i]
			if c.m, err = s.openHeader(contents[i-from]); err != nil {
				return err
			}
			verdict, err := q.key.judge(ctx, &c)
			if err != nil {
				return err
			}
			matched[i] = verdict == yes
		}
		return nil
	})
	for i := range matched {
		if matched[i] {
			q.take(&list[i])
		}
	}
	return err
}

// spans gives the messages that were found as ranges, and the highest of their mod-sequences
// if that was asked for.
func (q *query) spans() (list []span, highest uint64) {
	for i := range q.hits {
		list = add(list, q.hits[i].index)
		if q.modSeq {
			highest = max(highest, q.hits[i].modSeq)
		}
	}
	return list, highest
}

// silent tells whether nothing is returned.
//
// RFC 5182, section 2.1: with SAVE alone there is no ESEARCH response
func (r *result) silent() bool {
	return r.sav && !r.all && !r.min && !r.max && !r.count && r.page == nil
}

// tellFound writes the response, and keeps what SAVE asks for.
func (s *session) tellFound(cmd *command, r result, q *query) {
	list, highest := q.spans()
	n := count(list)
	if r.sav {
		s.view.saved = s.view.ranges(saved(r, list))
		if r.silent() {
			return
		}
	}
	w := s.w()
	if !r.extended && !s.rev2 {
		w.Raw("* SEARCH")
		for _, nums := range q.view.numbers(list, cmd.uid) {
			for i := uint64(nums.First); i <= uint64(nums.Last); i++ {
				w.Raw(" ").Uint(i)
			}
		}
		if highest > 0 {
			w.Raw(" (MODSEQ ").Uint(highest).Raw(")")
		}
		w.CRLF()
		return
	}
	w.Raw("* ESEARCH (TAG ").String(cmd.tag)
	if q.box != nil {
		w.Raw(" MAILBOX ").Mailbox(q.view.shown(q.box.Name)).Raw(" UIDVALIDITY ").Uint(uint64(q.box.UIDValidity))
	}
	w.Raw(")")
	if cmd.uid {
		w.Raw(" UID")
	}
	if n > 0 {
		nums := q.view.numbers(list, cmd.uid)
		if r.all {
			w.Raw(" ALL ")
			s.writeRanges(nums)
		}
		if r.min {
			w.Raw(" MIN ").Uint(uint64(nums[0].First))
		}
		if r.max {
			w.Raw(" MAX ").Uint(uint64(nums[len(nums)-1].Last))
		}
	}
	if r.count {
		w.Raw(" COUNT ").Uint(uint64(n))
	}
	if r.page != nil {
		w.Raw(" PARTIAL (").Raw(r.page.text).Raw(" ")
		if part := r.page.cut(list); len(part) > 0 {
			s.writeRanges(q.view.numbers(part, cmd.uid))
		} else {
			w.Raw("NIL")
		}
		w.Raw(")")
	}
	if highest > 0 {
		w.Raw(" MODSEQ ").Uint(highest)
	}
	w.CRLF()
}

func (s *session) writeRanges(list []account.Range) {
	for i, r := range list {
		if i > 0 {
			s.w().Raw(",")
		}
		s.w().Range(r.First, r.Last)
	}
}

// saved gives what is kept of a result.
//
// RFC 5182, section 2.4 says what is kept when SAVE stands with MIN and MAX.
func saved(r result, list []span) (kept []span) {
	n := len(list)
	if n == 0 || r.all || r.count || !r.min && !r.max {
		return list
	}
	first, last := list[0].from, list[n-1].to-1
	if r.min {
		kept = add(kept, first)
	}
	if r.max && (!r.min || last != first) {
		kept = add(kept, last)
	}
	return kept
}
