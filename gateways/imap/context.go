package imap

import (
	"context"
	"errors"
	"slices"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// maxContexts is how many searches of a session are kept up to date.
const maxContexts = 4

// searchContext is a search of which the client is told how its result changes, as long as the
// mailbox is selected (RFC 5267: UPDATE).
type searchContext struct {
	tag   string
	uid   bool
	key   key         // its sets are of UIDs
	by    []criterion // none: in the order of the mailbox
	have  []uint32    // UIDs of the result, rising
	order []uint32    // and in their order, if there is another
}

func (v *view) context(tag string) *searchContext {
	for _, c := range v.contexts {
		if c.tag == tag {
			return c
		}
	}
	return nil
}

// checkUpdate refuses a tag by which the client has asked for updates already.
//
// RFC 5267, section 4.3: An attempt to use UPDATE where a tag is already in use with a previous searching command that itself used UPDATE SHALL result in the server rejecting the searching command with a BAD response.
func (s *session) checkUpdate(cmd *command, r result) {
	if r.update && s.view.context(cmd.tag) != nil {
		cmd.Fail(wire.SyntaxError("Tag reuse"))
	}
}

// keepContext has the client told of changes from now on, or says that it won't be.
//
// RFC 5267, section 4.3.1: an untagged NO is generated during processing of the command with a response-code of NOUPDATE
func (s *session) keepContext(cmd *command, q *query, by []criterion, order []int32) {
	v := s.view
	if len(v.contexts) == maxContexts {
		s.noUpdate(cmd.tag, "Too many contexts")
		return
	}
	c := &searchContext{tag: cmd.tag, uid: cmd.uid, key: q.key.frozen(v), by: by}
	for i := range q.hits {
		c.have = append(c.have, q.hits[i].uid)
	}
	for _, i := range order {
		c.order = append(c.order, q.hits[i].uid)
	}
	v.contexts = append(v.contexts, c)
}

func (s *session) noUpdate(tag, why string) {
	s.w().Raw("* NO [NOUPDATE ").String(tag).Raw("] ").Raw(why).CRLF()
}

// cancelUpdate is CANCELUPDATE.
func (s *session) cancelUpdate(cmd *command) error {
	var tags []string
	for first := true; first || !cmd.AtEnd(); first = false {
		cmd.SP()
		tags = append(tags, cmd.Text())
		if cmd.Err() != nil {
			return cmd.Err()
		}
	}
	if v := s.view; v != nil {
		v.contexts = slices.DeleteFunc(v.contexts, func(c *searchContext) bool { return slices.Contains(tags, c.tag) })
	}
	return nil
}

// frozen gives the key with UIDs in the place of numbers.
//
// RFC 5267, section 4.3: any message sequence numbers used in the search program are evaluated at the time the command is received
func (k *key) frozen(v *view) key {
	c := *k
	if k.test == testSet {
		c.test = testUIDs
		if c.uids == nil {
			c.uids = v.ranges(k.list)
		}
		c.uids, c.list = account.Normalize(c.uids), nil
	}
	c.subs = make([]key, len(k.subs))
	for i := range k.subs {
		c.subs[i] = k.subs[i].frozen(v)
	}
	return c
}

func holdsUID(list []account.Range, uid uint32) bool {
	_, ok := slices.BinarySearchFunc(list, uid, func(r account.Range, uid uint32) int {
		switch {
		case r.Last < uid:
			return -1
		case r.First > uid:
			return 1
		}
		return 0
	})
	return ok
}

// updateGone tells of results that are expunged, before that is told.
//
// RFC 5267, section 4.3.4: a REMOVEFROM containing message sequence numbers removed as a result of those messages being expunged MUST be sent prior to the expunge notification itself
func (s *session) updateGone(gone []span) {
	if len(s.view.contexts) == 0 {
		return
	}
	uids := s.view.ranges(gone)
	for _, c := range s.view.contexts {
		var out []uint32
		for _, uid := range c.have {
			if holdsUID(uids, uid) {
				out = append(out, uid)
			}
		}
		if len(out) > 0 {
			s.tellContext(c, out, nil, nil)
		}
	}
}

// updateContexts tells of results that messages which are new or changed make or unmake. A
// context that can't be kept up to date ends.
func (s *session) updateContexts(now *account.Mailbox, changed []account.Message) error {
	v := s.view
	if len(v.contexts) == 0 || len(changed) == 0 {
		return nil
	}
	for _, c := range slices.Clone(v.contexts) {
		err := s.updateContext(c, now, changed)
		var gone goneError
		if errors.As(err, &gone) {
			return err
		}
		if err != nil {
			s.log.Warn("context ended", "error", err)
			s.noUpdate(c.tag, "The search failed")
			v.contexts = slices.DeleteFunc(v.contexts, func(o *searchContext) bool { return o == c })
		}
	}
	return nil
}

func (s *session) updateContext(c *searchContext, now *account.Mailbox, changed []account.Message) error {
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	q := &query{view: s.view, key: c.key}
	var open []candidate
	for i := range changed {
		at, ok := s.view.find(changed[i].UID)
		if !ok {
			continue
		}
		m := candidate{index: at, msg: changed[i]}
		switch verdict, err := q.key.judge(ctx, &m); {
		case err != nil:
			return err
		case verdict == yes:
			q.take(&m)
		case verdict == unknown:
			open = append(open, m)
		}
	}
	quiet := &progress{session: s, quiet: true}
	if len(open) > 0 {
		if err := s.look(ctx, quiet, q, open); err != nil {
			return err
		}
	}
	matches := make(map[uint32]bool, len(q.hits))
	for i := range q.hits {
		matches[q.hits[i].uid] = true
	}
	var out, in []uint32
	for i := range changed {
		uid := changed[i].UID
		_, known := s.view.find(uid)
		_, was := slices.BinarySearch(c.have, uid)
		switch is := matches[uid]; {
		case was && !is:
			out = append(out, uid)
		case is && !was && known:
			in = append(in, uid)
		}
	}
	if len(in) == 0 && len(out) == 0 {
		return nil
	}
	slices.Sort(in)
	slices.Sort(out)
	var order []uint32
	if c.by != nil && len(in) > 0 {
		var err error
		if order, err = s.orderOf(quiet, now, c.by, merged(c.have, out, in)); err != nil {
			return err
		}
	}
	s.tellContext(c, out, in, order)
	return nil
}

// orderOf sorts messages that are named by their UIDs.
func (s *session) orderOf(p *progress, now *account.Mailbox, by []criterion, uids []uint32) ([]uint32, error) {
	q := &query{}
	for _, uid := range uids {
		if i, ok := now.Find(uid); ok {
			q.take(&candidate{index: i, msg: now.At(i)})
		}
	}
	list, err := s.order(p, q.hits, by)
	order := make([]uint32, len(list))
	for i, at := range list {
		order[i] = q.hits[at].uid
	}
	return order, err
}

// merged gives what is in have, and not in out, and what is in in. All are rising.
func merged(have, out, in []uint32) []uint32 {
	list := make([]uint32, 0, len(have)+len(in))
	for _, uid := range have {
		if _, gone := slices.BinarySearch(out, uid); !gone {
			list = append(list, uid)
		}
	}
	list = append(list, in...)
	slices.Sort(list)
	return list
}

// tellContext writes what goes out of a result, and then what comes into it, and notes it.
// order is how the result is sorted in the end, nil if nothing comes in.
func (s *session) tellContext(c *searchContext, out, in, order []uint32) {
	w := s.w().Raw("* ESEARCH (TAG ").String(c.tag).Raw(")")
	if c.uid {
		w.Raw(" UID")
	}
	if len(out) > 0 {
		w.Raw(" REMOVEFROM (")
		if c.by == nil {
			w.Raw("0 ")
			s.writeNumbers(c, out)
		} else {
			var left []uint32
			s.writeMoves(c, c.order, func(uid uint32) bool {
				_, gone := slices.BinarySearch(out, uid)
				if !gone {
					left = append(left, uid)
				}
				return gone
			}, false)
			c.order = left
		}
		w.Raw(")")
	}
	if len(in) > 0 {
		w.Raw(" ADDTO (")
		if c.by == nil {
			w.Raw("0 ")
			s.writeNumbers(c, in)
		} else {
			s.writeMoves(c, order, func(uid uint32) bool {
				_, fresh := slices.BinarySearch(in, uid)
				return fresh
			}, true)
			c.order = order
		}
		w.Raw(")")
	}
	w.CRLF()
	c.have = merged(c.have, out, in)
}

// writeMoves writes the runs of a list that are chosen, each with the position at which the
// client puts it in or takes it out; stays: those before it count.
func (s *session) writeMoves(c *searchContext, list []uint32, chosen func(uint32) bool, stays bool) {
	sep, at := "", 1
	for i := 0; i < len(list); {
		from := i
		for i < len(list) && chosen(list[i]) {
			i++
		}
		if i == from {
			i++
			at++
			continue
		}
		s.w().Raw(sep).Uint(uint64(at)).Raw(" ")
		s.writeNumbers(c, list[from:i])
		sep = " "
		if stays {
			at += i - from
		}
		if i < len(list) { // it was asked for, and isn't chosen
			i++
			at++
		}
	}
}

// writeNumbers writes messages as the client knows them.
func (s *session) writeNumbers(c *searchContext, uids []uint32) {
	var list []account.Range
	for _, uid := range uids {
		n := uid
		if !c.uid {
			n = s.view.seq(uid)
		}
		if k := len(list); k > 0 && list[k-1].Last == n-1 {
			list[k-1].Last = n
			continue
		}
		list = append(list, account.Range{First: n, Last: n})
	}
	s.writeRanges(list)
}
