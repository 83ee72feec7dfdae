package imap

import (
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

const (
	fetchBatch  = 64 // messages of which contents are asked for at once
	maxSections = 64 // of a message in one FETCH: they are all open when it is sent
)

// fetch is FETCH and UID FETCH. Messages go out one after the other, parts of them straight
// from the blob store. \Seen is set for all of them in one entry, before.
func (s *session) fetch(cmd *command) error {
	cmd.SP()
	set := cmd.Set()
	cmd.SP()
	q := parseRequest(cmd)
	if cmd.Try(' ') {
		s.fetchModifiers(cmd, q)
	}
	if err := cmd.End(); err != nil {
		return err
	}
	if q.sections > maxSections {
		return no(imap.ResponseCodeLimit, "Too many sections in one FETCH")
	}
	v := s.view
	list, err := v.resolve(set, cmd.uid)
	if err != nil {
		return err
	}
	q.uid = q.uid || cmd.uid
	for _, w := range q.items {
		s.condstore = s.condstore || w.item == itemModSeq
	}
	f := &fetching{session: s, request: q, at: v.account.State()}
	if q.changed {
		list = f.changes(set, list)
	}
	if q.page != nil {
		list = q.page.cut(list)
	}
	if !v.readOnly && q.setsSeen && v.rights&account.MayKeepSeen != 0 {
		if err := f.see(list); err != nil {
			return s.fail(err)
		}
	}
	f.now = v.now(f.at)
	if err := f.all(list); err != nil {
		return s.fail(err)
	}
	if f.lost {
		return no(codeExpungeIssued, "Some of the messages are no more")
	}
	return nil
}

// fetchModifiers reads (CHANGEDSINCE n VANISHED PARTIAL a:b), of RFC 7162 and RFC 9394.
func (s *session) fetchModifiers(cmd *command, q *request) {
	cmd.List(func() {
		switch cmd.Keyword() {
		case "CHANGEDSINCE":
			cmd.SP()
			q.since, q.changed = cmd.ModSeq(), true
			// RFC 7162, section 3.1.4.1 has MODSEQ told without being asked for.
			if !slices.ContainsFunc(q.items, func(w wanted) bool { return w.item == itemModSeq }) {
				q.add(wanted{item: itemModSeq})
			}
		case "VANISHED":
			q.vanished = true
		case "PARTIAL":
			cmd.SP()
			q.page = parsePage(cmd)
		default:
			cmd.Fail(wire.SyntaxError("Unknown FETCH modifier"))
		}
	})
	if q.vanished && (!cmd.uid || !q.changed || !s.qresync) {
		cmd.Fail(wire.SyntaxError("VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC"))
	}
}

// fetching is one FETCH command at work.
type fetching struct {
	*session
	*request
	at   *account.State
	now  *account.Mailbox
	seen map[uint32]bool // UIDs of messages that have just become \Seen
	lost bool            // a message could not be had any more
}

// changes keeps the messages that have changed, and tells which were expunged.
func (f *fetching) changes(set wire.Set, list []span) (changed []span) {
	m := f.view.now(f.at)
	if m == nil {
		return nil
	}
	if f.vanished {
		_, gone := m.Changes(f.since)
		var named []account.Range
		for _, r := range set.Spans {
			lo, hi := r.Bounds(m.UIDNext - 1)
			named = append(named, account.Range{First: lo, Last: hi})
		}
		f.writeVanished("* VANISHED (EARLIER) ", both(gone, account.Normalize(named)))
	}
	for _, s := range list {
		for i := s.from; i < s.to; i++ {
			if msg, ok := f.view.message(m, i); ok && msg.ModSeq > f.since {
				changed = add(changed, i)
			}
		}
	}
	return changed
}

// both gives what is in both of two lists of normalized ranges.
func both(a, b []account.Range) (out []account.Range) {
	for len(a) > 0 && len(b) > 0 {
		if first, last := max(a[0].First, b[0].First), min(a[0].Last, b[0].Last); first <= last {
			out = append(out, account.Range{First: first, Last: last})
		}
		if a[0].Last < b[0].Last {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// see sets \Seen on the messages that lack it.
func (f *fetching) see(list []span) error {
	m := f.view.now(f.at)
	if m == nil {
		return nil
	}
	var unseen []span
	f.seen = map[uint32]bool{}
	for _, s := range list {
		for i := s.from; i < s.to; i++ {
			uid := f.view.uid(i)
			if k, ok := m.Find(uid); ok && m.At(k).Flags&account.Seen == 0 {
				unseen = add(unseen, i)
				f.seen[uid] = true
			}
		}
	}
	if len(unseen) == 0 {
		return nil
	}
	ctx, cancel := f.context()
	defer cancel()
	_, err := f.view.account.StoreFlags(ctx, f.by(f.view.owner), f.view.id, f.view.ranges(unseen), account.AddFlags, account.Seen, nil, account.Unconditional)
	f.at = f.view.account.State()
	if kinds.Is(err, kinds.Denied) { // the right has just been taken away
		f.seen, err = nil, nil
	}
	return err
}

// all answers for all messages, some at a time where they must be read.
func (f *fetching) all(list []span) error {
	batch := make([]account.Message, 0, fetchBatch)
	seqs := make([]uint32, 0, fetchBatch)
	for _, s := range list {
		for i := s.from; i < s.to; i++ {
			msg, ok := f.view.message(f.now, i)
			switch {
			case !ok:
				f.lost = true
				continue
			case !f.contents:
				if err := f.message(uint32(i)+1, &msg, nil); err != nil {
					return err
				}
				continue
			}
			batch, seqs = append(batch, msg), append(seqs, uint32(i)+1)
			if len(batch) == fetchBatch {
				if err := f.batch(seqs, batch); err != nil {
					return err
				}
				batch, seqs = batch[:0], seqs[:0]
			}
		}
	}
	return f.batch(seqs, batch)
}

// batch answers for messages that must be read.
func (f *fetching) batch(seqs []uint32, list []account.Message) error {
	if len(list) == 0 {
		return nil
	}
	refs := make([]account.ContentRef, len(list))
	for i := range list {
		refs[i] = list[i].Content
	}
	ctx, cancel := f.context()
	contents, err := f.view.account.Contents(ctx, refs)
	cancel()
	if err != nil {
		return err
	}
	for i := range list {
		m, err := f.open(contents[i])
		if err != nil {
			return err
		}
		if err := f.message(seqs[i], &list[i], m); err != nil {
			return err
		}
	}
	return nil
}

// message writes one FETCH response. All that can fail, as far as can be known before, is
// done before the first octet of it is written.
func (f *fetching) message(seq uint32, msg *account.Message, m *mail) error {
	ready, err := f.prepare(m)
	defer func() {
		for _, l := range ready {
			l.close()
		}
	}()
	if err != nil {
		return err
	}
	w := f.w()
	if f.uidOnly {
		w.Raw("* ").Uint(uint64(msg.UID)).Raw(" UIDFETCH (")
	} else {
		w.Raw("* ").Uint(uint64(seq)).Raw(" FETCH (")
	}
	sep := ""
	next := func(name string) {
		w.Raw(sep).Raw(name)
		sep = " "
	}
	seen := f.seen[msg.UID]
	if (f.uid || seen) && !f.uidOnly {
		next("UID ")
		w.Uint(uint64(msg.UID))
	}
	if f.flags || seen {
		next("FLAGS ")
		writeFlagsOf(w, msg)
		f.view.knows(msg.UID, msg.ModSeq)
		if seen && f.condstore && !f.changed {
			next("MODSEQ (")
			w.Uint(msg.ModSeq).Raw(")")
		}
	}
	for i := range f.items {
		item := &f.items[i]
		switch item.item {
		case itemDate:
			next("INTERNALDATE ")
			writeTime(w, msg.Date)
		case itemSize:
			next("RFC822.SIZE ")
			w.Uint(uint64(msg.Size))
		case itemModSeq:
			next("MODSEQ (")
			w.Uint(msg.ModSeq).Raw(")")
		case itemSaveDate:
			next("SAVEDATE ")
			writeTime(w, msg.Saved)
		case itemEmailID:
			next("EMAILID (")
			w.Raw(m.content.EmailID).Raw(")")
		case itemThreadID:
			next("THREADID (")
			w.Raw(m.content.Thread).Raw(")")
		case itemPreview:
			next("PREVIEW ")
			w.String(m.sum.Preview)
		case itemEnvelope:
			next("ENVELOPE ")
			writeEnvelope(w, &m.sum.Envelope)
		case itemBody, itemStructure:
			next(item.name)
			writeStructure(w, &m.sum.Body, item.item == itemStructure)
		default:
			next(item.name)
			l := ready[0]
			ready = ready[1:]
			w.Raw(" ")
			err := l.send(w, item.item == itemBinary)
			l.close()
			if err != nil {
				// The client waits for octets that will not come.
				_ = f.conn.Conn.Close()
				return err
			}
		}
	}
	w.Raw(")\r\n")
	return w.Err()
}

func writeTime(w *wire.Writer, millis int64) {
	var b [40]byte
	w.Raw(`"`).Raw(string(time.UnixMilli(millis).UTC().AppendFormat(b[:0], wire.DateTimeLayout))).Raw(`"`)
}

// prepare gets everything ready that may fail: in the end the sections, in their order.
func (f *fetching) prepare(m *mail) (ready []*literal, err error) {
	for i := range f.items {
		var l *literal
		switch item := &f.items[i]; item.item {
		case itemEnvelope:
			err = m.whole(f.ctx, message.CutEnvelope)
		case itemBody, itemStructure:
			err = m.whole(f.ctx, message.CutStructure|message.CutDetails)
		case itemPreview:
			err = m.whole(f.ctx, message.CutPreview)
		case itemSection:
			l, err = m.body(f.ctx, item.body)
		case itemBinary:
			l, err = m.binary(f.ctx, item.binary)
		case itemBinarySize:
			var n uint32
			n, err = m.binarySize(f.ctx, item.part)
			l = &literal{number: true, size: int64(n)}
		}
		if err != nil {
			return ready, err
		}
		if l != nil {
			ready = append(ready, l)
		}
	}
	return ready, nil
}
