package imap

import (
	"context"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/mail/collate"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/mail/thread"
)

// maxRefs is how many references of a message are kept: the first one, and the last ones.
const maxRefs = 32

// The texts that messages are sorted by.
const (
	textSubject = iota
	textFrom
	textTo
	textCc
	textDisplayFrom
	textDisplayTo
	textKinds
)

// traits are what sorting and threading know of a message beside what its mailbox keeps.
type traits struct {
	sent    int64 // in milliseconds; noDate if the message doesn't say
	texts   [textKinds]uint32
	id      uint64 // hash of the message id, 0 if it has none
	refs    uint32 // where those of its references begin
	numRefs uint8
	reply   bool
}

const noDate = -1 << 63

// columns are the traits of a mailbox's messages. They never change: who needs more makes new
// ones.
type columns struct {
	uids  []uint32
	rows  []traits // one for each
	texts []string // collation keys; the first is empty
	refs  []uint64
	bytes int64 // of memory
}

const traitsSize = 48 + 4

// rows gives the traits of messages, one for each. What is not known of them yet is read, from
// their summaries.
func (s *session) rows(p *progress, hits []hit) ([]traits, *columns, error) {
	ctx, cancel := context.WithTimeout(s.ctx, searchTime)
	defer cancel()
	v := s.view
	key := columnKey{v.account.State().Ref(), v.id}
	c := s.gateway.columns.get(key)
	if c == nil || len(c.uids) > 2*v.len()+1024 { // most of them are no more
		c = &columns{texts: []string{""}}
	}
	missing := c.missing(hits)
	if len(missing) > 0 {
		p.goal = len(missing)
		defer p.stop()
		fresh := &columns{texts: c.texts, refs: c.refs, bytes: c.bytes}
		known := map[string]uint32{}
		for n := 0; n < len(missing); n += window {
			list := missing[n:min(n+window, len(missing))]
			found := make([]finding, len(list))
			if err := p.scan(ctx, len(list), summaryPart, func(ctx context.Context, from, to int) error {
				return s.readTraits(ctx, list[from:to], found[from:to])
			}); err != nil {
				return nil, nil, err
			}
			for i := range found {
				fresh.add(list[i].uid, &found[i], known)
			}
		}
		c = c.with(fresh)
		s.gateway.columns.put(key, c)
	}
	rows := make([]traits, len(hits))
	at := 0
	for i := range hits {
		for c.uids[at] != hits[i].uid {
			at++
		}
		rows[i] = c.rows[at]
		if rows[i].sent == noDate {
			rows[i].sent = hits[i].date
		}
	}
	return rows, c, nil
}

// missing gives the messages of which nothing is known.
func (c *columns) missing(hits []hit) (list []hit) {
	at := 0
	for i := range hits {
		for at < len(c.uids) && c.uids[at] < hits[i].uid {
			at++
		}
		if at == len(c.uids) || c.uids[at] != hits[i].uid {
			list = append(list, hits[i])
		}
	}
	return list
}

// with gives columns that have the rows of both; texts and refs are the newer's, which has
// those of the older.
func (c *columns) with(fresh *columns) *columns {
	n := len(c.uids) + len(fresh.uids)
	all := &columns{uids: make([]uint32, 0, n), rows: make([]traits, 0, n), texts: fresh.texts, refs: fresh.refs, bytes: fresh.bytes}
	take := func(from *columns, i int) {
		all.uids, all.rows = append(all.uids, from.uids[i]), append(all.rows, from.rows[i])
	}
	old := 0
	for i, uid := range fresh.uids {
		for ; old < len(c.uids) && c.uids[old] < uid; old++ {
			take(c, old)
		}
		take(fresh, i)
	}
	for ; old < len(c.uids); old++ {
		take(c, old)
	}
	return all
}

// finding is what was found in a message.
type finding struct {
	sent  int64
	texts [textKinds]string
	reply bool
	id    uint64
	refs  []uint64
}

// add adds a message. known are the texts that were added since there are these columns.
func (c *columns) add(uid uint32, f *finding, known map[string]uint32) {
	if len(c.uids) == 0 { // others read what is there
		c.texts, c.refs = slices.Clip(c.texts), slices.Clip(c.refs)
	}
	t := traits{sent: f.sent, reply: f.reply, id: f.id, refs: uint32(len(c.refs)), numRefs: uint8(len(f.refs))}
	for i, s := range f.texts {
		if s == "" {
			continue
		}
		n, ok := known[s]
		if !ok {
			n = uint32(len(c.texts))
			known[s] = n
			c.texts = append(c.texts, s)
			c.bytes += 16 + int64(len(s))
		}
		t.texts[i] = n
	}
	c.refs = append(c.refs, f.refs...)
	c.uids, c.rows = append(c.uids, uid), append(c.rows, t)
	c.bytes += traitsSize + 8*int64(len(f.refs))
}

// refsOf gives the references of a message.
func (c *columns) refsOf(t *traits) []uint64 { return c.refs[t.refs : t.refs+uint32(t.numRefs)] }

// readTraits reads what is to be known of messages.
func (s *session) readTraits(ctx context.Context, list []hit, out []finding) error {
	refs := make([]account.ContentRef, len(list))
	for i := range list {
		refs[i] = list[i].content
	}
	contents, err := s.view.account.Contents(ctx, refs)
	if err != nil {
		return err
	}
	for i := range contents {
		m, err := s.openHeader(contents[i])
		if err == nil {
			err = m.whole(ctx, message.CutEnvelope)
		}
		if err != nil {
			return err
		}
		out[i] = s.gateway.columns.find(&m.sum)
	}
	return nil
}

// find finds what is to be known of a message in its summary.
func (c *columnCache) find(sum *message.Summary) (f finding) {
	e := &sum.Envelope
	f.sent = noDate
	if !e.Time.IsZero() {
		f.sent = e.Time.UnixMilli()
	}
	base, reply := thread.BaseSubject(message.DecodeText(e.Subject))
	f.reply = reply
	f.texts = [textKinds]string{collate.Key(base), collate.Key(mailboxOf(e.From)), collate.Key(mailboxOf(e.To)), collate.Key(mailboxOf(e.Cc)),
		collate.Key(displayOf(e.From)), collate.Key(displayOf(e.To))}
	f.id = c.hash(sum.Thread.MessageID)
	for _, id := range sum.Thread.References {
		f.refer(c.hash(id))
	}
	for _, id := range sum.Thread.InReplyTo {
		if len(f.refs) == 0 {
			f.refer(c.hash(id))
		}
	}
	return f
}

func (f *finding) refer(id uint64) {
	if id == 0 {
		return
	}
	if len(f.refs) == maxRefs {
		f.refs = append(f.refs[:1], f.refs[2:]...)
	}
	f.refs = append(f.refs, id)
}

// hash gives the number that stands for a message id. Its seed is the process's own, so that
// nobody can make two ids that are taken for one.
func (c *columnCache) hash(id string) uint64 {
	if id = thread.NormalID(id); id == "" {
		return 0
	}
	return max(1, maphash.String(c.seed, id))
}

// mailboxOf is the addr-mailbox of a list's first address; of a group it is the name.
func mailboxOf(list []message.Address) string {
	switch {
	case len(list) == 0:
		return ""
	case list[0].Group != "":
		return message.DecodeText(list[0].Group)
	}
	return text(list[0].Local)
}

// displayOf is what is shown of a list's first address.
//
// RFC 5957, section 3: If the address structure's addr-name is non-NIL, apply the procedure from RFC5255, Section 4.6.
func displayOf(list []message.Address) string {
	if len(list) == 0 || list[0].Group != "" {
		return mailboxOf(list)
	}
	a := &list[0]
	if name := message.DecodeText(a.Name); name != "" {
		return name
	}
	if a.Domain == "" {
		return text(a.Local)
	}
	return text(a.Local) + "@" + text(a.Domain)
}

// columnBytes bounds the columns that are kept, in octets.
const columnBytes = 64 << 20

type columnKey struct {
	account account.Ref
	box     account.MailboxID
}

// columnCache keeps the columns that were used last. Safe for concurrent use.
type columnCache struct {
	seed  maphash.Seed
	mu    sync.Mutex
	used  map[columnKey]*columnUse
	clock uint64
	bytes int64
}

type columnUse struct {
	*columns
	at uint64
}

func newColumnCache() *columnCache {
	return &columnCache{seed: maphash.MakeSeed(), used: map[columnKey]*columnUse{}}
}

func (c *columnCache) get(k columnKey) *columns {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.used[k]
	if u == nil {
		return nil
	}
	c.clock++
	u.at = c.clock
	return u.columns
}

func (c *columnCache) put(k columnKey, cols *columns) {
	const overhead = 500
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.used[k]; old != nil {
		c.bytes -= old.bytes + overhead
	}
	c.clock++
	c.used[k] = &columnUse{cols, c.clock}
	c.bytes += cols.bytes + overhead
	for c.bytes > columnBytes {
		var oldest columnKey
		at := c.clock + 1
		for k, u := range c.used {
			if u.at < at {
				oldest, at = k, u.at
			}
		}
		c.bytes -= c.used[oldest].bytes + overhead
		delete(c.used, oldest)
	}
}
