package imap

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/mail/message"
)

const (
	fetchBatch  = 64 // messages of which contents are asked for at once
	maxSections = 64 // of a message in one FETCH: they are all open when it is sent
)

// Fetch is FETCH and UID FETCH. Messages go out one after the other, parts of them
// straight from the blob store. \Seen is set for all of them in one entry, before.
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	uids, err := s.view.resolve(set)
	if err != nil || len(uids) == 0 {
		return err
	}
	if o := options; len(o.BodySection)+len(o.BinarySection)+len(o.BinarySectionSize) > maxSections {
		return no(imap.ResponseCodeLimit, "Too many sections in one FETCH")
	}
	f := &fetch{session: s, w: w, options: options, at: s.account.State()}
	if !s.view.readOnly && setsSeen(options) {
		if err := f.see(uids); err != nil {
			return s.fail(err)
		}
	}
	for len(uids) > 0 {
		n := min(len(uids), fetchBatch)
		if err := f.batch(uids[:n]); err != nil {
			return s.fail(err)
		}
		uids = uids[n:]
	}
	if f.lost {
		return no(codeExpungeIssued, "Some of the messages are no more")
	}
	return nil
}

// fetch is one FETCH command.
type fetch struct {
	session *session
	w       *imapserver.FetchWriter
	options *imap.FetchOptions
	at      *account.State
	seen    map[uint32]bool // UIDs of messages that have just become \Seen
	lost    bool            // a message could not be had any more
}

func setsSeen(o *imap.FetchOptions) bool {
	for _, b := range o.BodySection {
		if !b.Peek {
			return true
		}
	}
	for _, b := range o.BinarySection {
		if !b.Peek {
			return true
		}
	}
	return false
}

// see sets \Seen on the messages that lack it.
func (f *fetch) see(uids []uint32) error {
	s := f.session
	m := f.at.MailboxByID(s.view.id)
	if m == nil {
		return nil
	}
	var unseen []uint32
	f.seen = map[uint32]bool{}
	for _, uid := range uids {
		if i, ok := m.Find(uid); ok && m.At(i).Flags&account.Seen == 0 {
			unseen = append(unseen, uid)
			f.seen[uid] = true
		}
	}
	if len(unseen) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	_, err := s.account.StoreFlags(ctx, s.by(), s.view.id, s.view.ranges(unseen), account.AddFlags, account.Seen, nil, account.Unconditional)
	f.at = s.account.State()
	return err
}

// batch answers for some messages.
func (f *fetch) batch(uids []uint32) error {
	s, o := f.session, f.options
	now := f.at.MailboxByID(s.view.id)
	var list []account.Message
	var refs []account.ContentRef
	for _, uid := range uids {
		m, ok := s.view.message(now, uid)
		if !ok {
			f.lost = true
			continue
		}
		list, refs = append(list, m), append(refs, m.Content)
	}
	contents := make([]account.Content, len(list))
	needs := o.Envelope || o.BodyStructure != nil || len(o.BodySection)+len(o.BinarySection)+len(o.BinarySectionSize) > 0
	if needs {
		ctx, cancel := context.WithTimeout(s.ctx, commandTime)
		defer cancel()
		var err error
		if contents, err = s.account.Contents(ctx, refs); err != nil {
			return err
		}
	}
	for i := range list {
		var m *mail
		if needs {
			var err error
			if m, err = s.load(contents[i]); err != nil {
				return err
			}
		}
		if err := f.message(&list[i], m); err != nil {
			return err
		}
	}
	return nil
}

// message writes one FETCH response. All that can fail, as far as can be known before, is
// done before the first byte of it is written.
func (f *fetch) message(msg *account.Message, m *mail) error {
	s, o := f.session, f.options
	literals, sizes, err := f.prepare(m)
	defer func() {
		for _, l := range literals {
			l.close()
		}
	}()
	if err != nil {
		return err
	}
	w := f.w.CreateMessage(s.view.seq(msg.UID))
	if o.UID || f.seen[msg.UID] {
		w.WriteUID(imap.UID(msg.UID))
	}
	if o.Flags || f.seen[msg.UID] {
		w.WriteFlags(flagsOf(msg))
		s.view.known[msg.UID] = msg.ModSeq
	}
	if o.InternalDate {
		w.WriteInternalDate(time.UnixMilli(msg.Date).UTC())
	}
	if o.RFC822Size {
		w.WriteRFC822Size(msg.Size)
	}
	if o.Envelope {
		w.WriteEnvelope(envelopeOf(&m.sum.Envelope))
	}
	if o.BodyStructure != nil {
		w.WriteBodyStructure(structure(&m.sum.Body))
	}
	for i, item := range o.BinarySectionSize {
		w.WriteBinarySectionSize(item, sizes[i])
	}
	for _, l := range literals {
		if err := l.send(w); err != nil {
			// The client waits for bytes that will not come.
			_ = s.guard.Conn.Close()
			_ = w.Close()
			return err
		}
	}
	return w.Close()
}

// prepare opens the sections that are asked for.
func (f *fetch) prepare(m *mail) (literals []*literal, sizes []uint32, err error) {
	ctx, o := f.session.ctx, f.options
	if o.Envelope {
		if err := m.whole(ctx, message.CutEnvelope); err != nil {
			return nil, nil, err
		}
	}
	if o.BodyStructure != nil {
		if err := m.whole(ctx, message.CutStructure|message.CutDetails); err != nil {
			return nil, nil, err
		}
	}
	for _, item := range o.BodySection {
		l, err := m.body(ctx, item)
		if err != nil {
			return literals, nil, err
		}
		literals = append(literals, l)
	}
	for _, item := range o.BinarySection {
		l, err := m.binary(ctx, item)
		if err != nil {
			return literals, nil, err
		}
		literals = append(literals, l)
	}
	for _, item := range o.BinarySectionSize {
		n, err := m.binarySize(ctx, item.Part)
		if err != nil {
			return literals, nil, err
		}
		sizes = append(sizes, n)
	}
	return literals, sizes, nil
}
