package imap

import (
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/account"
)

// Limits of what is told at once. Who would be told more is told that nothing is any more.
const (
	maxNotices   = 2000 // mailboxes
	maxFreshMail = 1000 // new messages that are fetched
)

// between waits for the next command. Meanwhile what NOTIFY asks for is told as in IDLE.
func (s *session) between() error {
	if !s.notices.live() {
		return s.conn.in.wait()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle.Store(true)
	defer s.idle.Store(false) // before the lock is given up
	s.waiting = true
	err := s.news(true)
	if err == nil {
		err = s.w().Flush()
	}
	if err != nil {
		return err
	}
	s.conn.lent = true
	s.mu.Unlock()
	err = s.conn.in.wait()
	s.mu.Lock()
	s.conn.lent, s.waiting = false, false
	return err
}

// news tells what has happened: in the selected mailbox and, if NOTIFY asks for it, in others.
func (s *session) news(allowExpunge bool) error {
	n := s.notices
	if n == nil {
		return s.update(allowExpunge)
	}
	if gone := s.view != nil && s.view.now(s.view.account.State()) == nil; gone || !n.on || n.selected != 0 {
		if err := s.update(allowExpunge && !(s.waiting && n.delayed)); err != nil {
			return err
		}
	}
	return s.elsewhere()
}

// answered tells what has happened while a command was at work that began in a state of the
// account. What the client did itself it knows.
//
// RFC 5465, section 5: The server SHOULD omit notifying the client if the event is caused by this client.
func (s *session) answered(began *account.State, allowExpunge bool) error {
	n := s.notices
	if n == nil || began == nil || len(n.accounts) == 0 {
		return s.news(allowExpunge)
	}
	if s.account.Wrote() > began.ModSeq() { // whatever is asked for, it is the answer
		if err := s.update(allowExpunge); err != nil {
			return err
		}
	}
	own, now := n.accounts[0], s.account.State()
	if now.ModSeq() == s.account.Wrote() && now.Seq() == began.Seq()+1 {
		if own.told.Seq() < began.Seq() {
			if err := s.differences(own.place, own.told, began); err != nil {
				return err
			}
		}
		was := own.told
		own.told = now
		s.noticeMore(was)
	}
	return s.news(allowExpunge)
}

// elsewhere tells what has happened outside the selected mailbox.
func (s *session) elsewhere() error {
	n := s.notices
	subscribed := n.accounts[0].told
	for _, a := range n.accounts {
		now := a.account.State()
		if now.Seq() == a.told.Seq() {
			continue
		}
		if a.foreign {
			s.enterAgain(s.identity, a.account)
		}
		was := a.told
		a.told = now
		if err := s.differences(a.place, was, now); err != nil || s.notices != n {
			return err
		}
	}
	s.noticeMore(subscribed)
	return s.w().Err()
}

// differ is what has changed between two states of an account, as far as it is told.
type differ struct {
	*session
	at       *place
	was, now *account.State
	listed   map[string]bool // names of which LIST was told
	told     int
}

func (s *session) differences(p *place, was, now *account.State) error {
	d := &differ{session: s, at: p, was: was, now: now, listed: map[string]bool{}}
	d.names()
	for _, m := range now.Mailboxes() {
		before := was.MailboxByID(m.ID)
		if before == m || !d.may(m, account.MayRead) {
			continue
		}
		if !d.may(before, account.MayRead) {
			before = &account.Mailbox{ID: m.ID, UIDNext: 1, UIDValidity: m.UIDValidity}
		}
		e := s.notices.of(p, m.Name, was, now)
		if !s.selected(p.account, m) {
			d.messages(p.account.Seen(before), p.account.Seen(m), e)
		}
		if e&mailboxMetadata != 0 {
			d.metadata(m.Name, s.notes(p, before), s.notes(p, m))
		}
	}
	if !p.foreign {
		d.own()
	}
	if d.told > maxNotices {
		return s.overflow()
	}
	return s.w().Err()
}

// may tells whether the client may do something with a mailbox; nil: it is not there.
func (d *differ) may(m *account.Mailbox, want account.Rights) bool {
	return m != nil && d.at.account.Rights(m)&want == want
}

// own tells what else happens in the client's own account only.
func (d *differ) own() {
	d.subscriptions()
	if d.notices.of(d.at, "", d.was, d.now)&serverMetadata != 0 || slices.ContainsFunc(d.notices.groups, func(g eventGroup) bool { return g.events&serverMetadata != 0 }) {
		d.metadata("", d.was.Annotations(), d.now.Annotations())
	}
}

// overflow ends what NOTIFY has begun.
//
// RFC 5465, section 5.8: It MUST notify these clients by sending an untagged "OK [NOTIFICATIONOVERFLOW]" response and behave as if a NOTIFY NONE command had just been received.
func (s *session) overflow() error {
	s.log.Info("too much to be notified of")
	s.w().Raw("* OK [NOTIFICATIONOVERFLOW] Too much has happened, nothing more is told\r\n")
	s.told(&notices{on: true})
	return s.w().Err()
}

// names tells of mailboxes that are new, gone or renamed. Those below a renamed one are not
// named; a mailbox into which INBOX was renamed is new. Of another account, what may not be
// looked up is not there.
//
// RFC 5465, section 5.9: The server SHOULD return LIST responses with the \NoAccess name attribute if and when the mailbox loses the "l" right.
func (d *differ) names() {
	for _, m := range d.now.Mailboxes() {
		before := d.was.MailboxByID(m.ID)
		saw, sees := d.may(before, account.MayLookup), d.may(m, account.MayLookup)
		switch {
		case sees && !saw:
			d.list(m.Name, mailboxName, "")
			d.list(parent(m.Name), mailboxName, "")
		case saw && !sees:
			d.list(before.Name, mailboxName, "")
		case sees && before.Name != m.Name && !d.carried(before.Name, m.Name):
			d.list(m.Name, mailboxName, before.Name)
		}
	}
	for _, m := range d.was.Mailboxes() {
		if d.now.MailboxByID(m.ID) == nil && d.may(m, account.MayLookup) {
			d.list(m.Name, mailboxName, "")
			d.list(parent(m.Name), mailboxName, "")
		}
	}
}

func parent(name string) string { return name[:max(strings.LastIndexByte(name, '/'), 0)] }

// carried tells whether a mailbox has another name because one above it was renamed.
func (d *differ) carried(old, name string) bool {
	for above := parent(old); above != ""; above = parent(above) {
		if m := d.was.Mailbox(above); m != nil {
			if now := d.now.MailboxByID(m.ID); now != nil && now.Name != above && name == now.Name+old[len(above):] {
				return true
			}
		}
	}
	return false
}

// list writes LIST for a name, if an event of it is asked for.
func (d *differ) list(name string, e events, old string) {
	if name == "" || d.listed[name] {
		return
	}
	wanted := d.notices.of(d.at, name, d.was, d.now)
	if old != "" {
		wanted |= d.notices.of(d.at, old, d.was, d.now)
	}
	attrs := d.attributes(name)
	if wanted&e == 0 || attrs == nil {
		return
	}
	d.listed[name] = true
	if d.told++; d.told > maxNotices {
		return
	}
	if d.account.State().Subscribed(d.at.shown(name)) {
		attrs = append(attrs, `\Subscribed`)
	}
	w := d.w().Raw("* LIST (").Raw(strings.Join(attrs, " ")).Raw(`) "/" `).Mailbox(d.at.shown(name))
	if old != "" {
		w.Raw(` ("OLDNAME" (`).Mailbox(d.at.shown(old)).Raw("))")
	}
	w.CRLF()
}

// attributes gives the attributes for LIST of a name, nil if the client is to know nothing of it.
func (d *differ) attributes(name string) []string {
	m := d.now.Mailbox(name)
	switch {
	case d.may(m, account.MayLookup):
		return d.at.attributes(d.now, m)
	case m != nil && d.may(d.was.MailboxByID(m.ID), account.MayLookup):
		return []string{noAccess}
	case m == nil && (!d.at.foreign || d.may(d.was.Mailbox(name), account.MayLookup)):
		return []string{nonExistent, d.at.children(d.now, name)}
	}
	return nil
}

// subscriptions tells of names that are subscribed now, or no more.
func (d *differ) subscriptions() {
	if d.was.SameSubscriptions(d.now) {
		return
	}
	for _, name := range d.now.Subscriptions() {
		if !d.was.Subscribed(name) {
			d.list(name, subscriptionChange, "")
		}
	}
	for _, name := range d.was.Subscriptions() {
		if !d.now.Subscribed(name) {
			d.list(name, subscriptionChange, "")
		}
	}
}

// messages tells of changes in a mailbox that isn't selected.
//
// RFC 5465, section 5.1: If CONDSTORE/QRESYNC is not enabled by the client and the server chooses not to include the UNSEEN data item, the server does not notify the client.
func (d *differ) messages(was, now *account.Mailbox, e events) {
	fresh := now.UIDNext > was.UIDNext
	gone := int64(was.Count)+int64(now.UIDNext)-int64(was.UIDNext) > int64(now.Count)
	validity := now.UIDValidity != was.UIDValidity
	flags := e&flagChange != 0 && (now.Unseen != was.Unseen || validity || d.condstore && now.HighestModSeq != was.HighestModSeq)
	if !(fresh && e&messageNew != 0 || (gone || validity) && e&messageExpunge != 0 || flags) {
		return
	}
	if d.told++; d.told > maxNotices {
		return
	}
	var items []string
	if fresh || gone || validity {
		items = append(items, "MESSAGES", "UIDNEXT")
	}
	items = append(items, "UIDVALIDITY")
	if e&flagChange != 0 {
		items = append(items, "UNSEEN")
	}
	if d.condstore {
		items = append(items, "HIGHESTMODSEQ")
	}
	d.writeStatus(d.at, now, items)
}

// metadata names the annotations that have changed. Values are not told.
func (d *differ) metadata(name string, was, now []account.Annotation) {
	var changed []string
	differs := func(a account.Annotation, in []account.Annotation) bool {
		return !slices.ContainsFunc(in, func(b account.Annotation) bool {
			return strings.EqualFold(a.Name, b.Name) && string(a.Value) == string(b.Value)
		})
	}
	for _, a := range now {
		if differs(a, was) {
			changed = append(changed, a.Name)
		}
	}
	for _, a := range was {
		if differs(a, now) && !slices.ContainsFunc(changed, func(c string) bool { return strings.EqualFold(c, a.Name) }) {
			changed = append(changed, a.Name)
		}
	}
	if len(changed) == 0 {
		return
	}
	if d.told++; d.told > maxNotices {
		return
	}
	if name != "" {
		name = d.at.shown(name)
	}
	w := d.w().Raw("* METADATA ").Mailbox(name)
	for _, c := range changed {
		w.Raw(" ").AString(c)
	}
	w.CRLF()
}

// fetchNew writes what is to be known of messages that have come into the selected mailbox,
// but for those that the client has put there.
func (s *session) fetchNew(state *account.State, now *account.Mailbox, changed []account.Message, next uint32) error {
	n := s.notices
	if n == nil || n.fetch == nil {
		return nil
	}
	own := s.view.account.Wrote()
	var list []span
	for i := range changed {
		if m := &changed[i]; m.UID >= next && m.ModSeq != own {
			if k, ok := s.view.find(m.UID); ok {
				list = append(list, span{k, k + 1})
			}
		}
	}
	if list = join(list); len(list) == 0 {
		return nil
	}
	if count(list) > maxFreshMail {
		return s.overflow()
	}
	q := *n.fetch
	q.uid = q.uid || s.condstore
	f := &fetching{session: s, request: &q, at: state, now: now}
	if err := f.all(list); err != nil {
		if s.w().Err() != nil {
			return err
		}
		s.log.Warn("new messages cannot be told of", "error", err)
		return s.overflow()
	}
	return nil
}
