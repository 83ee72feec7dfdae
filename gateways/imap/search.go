package imap

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

const searchTime = 5 * time.Minute

// result is what a SEARCH is to return.
type result struct {
	extended                  bool // by ESEARCH
	all, min, max, count, sav bool
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
	if cmd.TryWord("CHARSET") {
		if s.utf8 && !s.rev2 {
			// RFC 9755, section 3 has no CHARSET where UTF-8 was agreed on.
			cmd.Fail(wire.SyntaxError("There is no CHARSET but UTF-8 any more"))
		}
		cmd.SP()
		if name := cmd.AString(); cmd.Err() == nil && !slices.Contains([]string{"US-ASCII", "UTF-8"}, strings.ToUpper(name)) {
			cmd.Fail(no("BADCHARSET (US-ASCII UTF-8)", "Only US-ASCII and UTF-8 are taken"))
		}
		cmd.SP()
	}
	p := &searchParser{command: cmd, view: s.view, uidOnly: s.uidOnly, now: s.gateway.now()}
	k := p.all(0)
	err := cmd.End()
	var list []span
	var highest uint64
	if err == nil {
		s.condstore = s.condstore || p.modSeq
		ctx, cancel := context.WithTimeout(s.ctx, searchTime)
		defer cancel()
		if list, highest, err = s.find(ctx, &k); err == nil {
			if !p.modSeq {
				highest = 0
			}
			s.tellFound(cmd, r, list, highest)
			return nil
		}
		err = s.fail(err)
	}
	if r.sav {
		// RFC 5182, section 2.1: a SEARCH command with the SAVE result option that caused the server to return the NO tagged response sets the value of the search result variable to the empty sequence
		s.view.saved = nil
	}
	return err
}

// find gives the messages that match, and the highest of their mod-sequences.
func (s *session) find(ctx context.Context, k *key) (found []span, highest uint64, err error) {
	v := s.view
	now := v.now(v.account.State())
	if now == nil {
		return nil, 0, nil
	}
	matched := make([]int, 0, 16)
	var open []candidate
	take := func(c *candidate) {
		matched = append(matched, c.index)
		highest = max(highest, c.msg.ModSeq)
	}
	var c candidate
	for i := range v.len() {
		at, ok := i, true
		if now != v.box || i >= now.Len() {
			at, ok = now.Find(v.uid(i))
		}
		if !ok {
			continue
		}
		c = candidate{index: i, msg: now.At(at)}
		switch verdict, err := k.judge(ctx, &c); {
		case err != nil:
			return nil, 0, err
		case verdict == yes:
			take(&c)
		case verdict == unknown:
			open = append(open, c)
		}
	}
	for len(open) > 0 {
		n := min(len(open), fetchBatch)
		if err := s.look(ctx, k, open[:n], take); err != nil {
			return nil, 0, err
		}
		open = open[n:]
	}
	slices.Sort(matched)
	for _, i := range matched {
		found = add(found, i)
	}
	return found, highest, nil
}

// look judges messages by what is in them.
func (s *session) look(ctx context.Context, k *key, list []candidate, take func(*candidate)) error {
	refs := make([]account.ContentRef, len(list))
	for i := range list {
		refs[i] = list[i].msg.Content
	}
	contents, err := s.view.account.Contents(ctx, refs)
	if err != nil {
		return err
	}
	for i := range list {
		c := &list[i]
		if c.m, err = s.open(contents[i]); err != nil {
			return err
		}
		verdict, err := k.judge(ctx, c)
		if err != nil {
			return err
		}
		if verdict == yes {
			take(c)
		}
		c.m = nil
	}
	return nil
}

// tellFound writes the response, and keeps what SAVE asks for.
func (s *session) tellFound(cmd *command, r result, list []span, highest uint64) {
	n := count(list)
	if r.sav {
		s.view.saved = s.view.ranges(saved(r, list))
		if !r.all && !r.min && !r.max && !r.count && r.page == nil {
			return // RFC 5182, section 2.1: with SAVE alone there is no ESEARCH response
		}
	}
	w := s.w()
	if !r.extended && !s.rev2 {
		w.Raw("* SEARCH")
		for _, nums := range s.numbers(list, cmd.uid) {
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
	w.Raw("* ESEARCH (TAG ").String(cmd.tag).Raw(")")
	if cmd.uid {
		w.Raw(" UID")
	}
	if n > 0 {
		nums := s.numbers(list, cmd.uid)
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
			s.writeRanges(s.numbers(part, cmd.uid))
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
