package imap

import (
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

// events is a set of what NOTIFY (RFC 5465) can tell of.
type events uint8

const (
	messageNew events = 1 << iota
	messageExpunge
	flagChange
	mailboxName
	subscriptionChange
	mailboxMetadata
	serverMetadata

	messageEvents = messageNew | messageExpunge | flagChange
)

// allEvents are the names of all events, in the order of their bits.
const allEvents = "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange"

// Limits of one NOTIFY.
const (
	maxGroups      = 100
	maxWatchedName = 1000
)

// notices is what a client is told unasked, beside what is told with answers of commands.
type notices struct {
	on       bool // by NOTIFY: what isn't asked for is not told either
	selected events
	delayed  bool     // EXPUNGE only where a command allows it
	fetch    *request // of messages that come into the selected mailbox; may be nil
	groups   []eventGroup
	metadata bool // by ENABLE METADATA: with answers, changes of annotations anywhere

	// The accounts whose mailboxes are watched: the client's own comes first.
	accounts []*noticed
}

// eventGroup asks for events in some mailboxes.
type eventGroup struct {
	filter string // PERSONAL, INBOXES, SUBSCRIBED, SUBTREE or MAILBOXES
	names  []string
	events events
}

// live tells whether something is to be told between commands.
func (n *notices) live() bool { return n != nil && n.on && (n.selected != 0 || len(n.groups) > 0) }

// has tells whether the group is of a mailbox that is the client's own, or else another one's. Into
// which mailboxes mail may be delivered is for scripts to decide.
//
// RFC 5465, section 6.3: If the IMAP server cannot easily compute this set, it MUST treat "inboxes" as equivalent to "personal".
func (g *eventGroup) has(name string, own bool, was, now *account.State) bool {
	switch g.filter {
	case "PERSONAL", "INBOXES":
		return own
	case "SUBSCRIBED":
		return was.Subscribed(name) || now.Subscribed(name)
	}
	for _, n := range g.names {
		if n == name || g.filter == "SUBTREE" && strings.HasPrefix(name, n+"/") {
			return true
		}
	}
	return false
}

// of gives the events that are asked for of a mailbox that isn't selected: those of all groups
// that it is in. was and now are states of the account that it is in.
func (n *notices) of(p *place, name string, was, now *account.State) (e events) {
	if p.foreign { // subscriptions are the client's own
		was, now = n.accounts[0].told, n.accounts[0].told
	} else if n.metadata {
		e = mailboxMetadata | serverMetadata
	}
	for i := range n.groups {
		if g := &n.groups[i]; g.events&^e != 0 && g.has(p.shown(name), !p.foreign, was, now) {
			e |= g.events
		}
	}
	return e
}

// notify is NOTIFY. It begins with what has happened in the selected mailbox, and with STATUS,
// if that is wanted, of the others.
func (s *session) notify(cmd *command) error {
	n, status, err := parseNotify(cmd)
	if err != nil {
		return err
	}
	n.metadata = s.notices != nil && s.notices.metadata
	var others []*noticed
	if n.live() {
		ctx, cancel := s.context()
		defer cancel()
		if err := s.account.Refresh(ctx); err != nil {
			return s.fail(err)
		}
		if others, err = s.others(ctx, n.groups); err != nil {
			return err
		}
		s.told(nil)
		if err := s.update(true); err != nil {
			return err
		}
	}
	s.told(n, others...)
	if !status {
		return nil
	}
	for _, a := range n.accounts {
		for _, m := range a.told.Mailboxes() {
			items := statusOf(n.of(a.place, m.Name, a.told, a.told))
			if len(items) > 0 && a.account.Rights(m)&account.MayRead != 0 && !s.selected(a.account, m) {
				s.writeStatus(a.place, a.account.Seen(m), items)
			}
		}
	}
	return nil
}

// selected tells whether a mailbox of an account is the selected one.
func (s *session) selected(a *account.Account, m *account.Mailbox) bool {
	return s.view != nil && same(s.view.account, a) && s.view.id == m.ID
}

// parseNotify reads what NOTIFY asks for; status: the STATUS of mailboxes at first.
func parseNotify(cmd *command) (n *notices, status bool, err error) {
	n = &notices{on: true}
	cmd.SP()
	if cmd.TryWord("NONE") {
		return n, false, cmd.End()
	}
	if !cmd.TryWord("SET") {
		return nil, false, wire.SyntaxError("NOTIFY takes SET or NONE")
	}
	cmd.SP()
	if status = cmd.TryWord("STATUS"); status {
		cmd.SP()
	}
	p := groupParser{command: cmd, notices: n}
	for first := true; first || cmd.Try(' '); first = false {
		p.group()
		if len(n.groups) > maxGroups || p.names > maxWatchedName {
			return nil, false, no("NOTIFICATIONOVERFLOW", "Too many mailboxes")
		}
	}
	if err := cmd.End(); err != nil {
		return nil, false, err
	}
	if p.unknown {
		return nil, false, no("BADEVENT ("+allEvents+")", "There is no such event here")
	}
	return n, status, nil
}

// statusOf gives what STATUS has at first of a mailbox in which these events are asked for.
//
// RFC 5465, section 3.1: If either AnnotationChange or FlagChange are included and the server also supports the CONDSTORE and/or QRESYNC extensions, the STATUS response MUST contain UIDVALIDITY and HIGHESTMODSEQ.
func statusOf(e events) []string {
	switch {
	case e&flagChange != 0:
		return []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ"}
	case e&messageEvents != 0:
		return []string{"MESSAGES", "UIDNEXT", "UIDVALIDITY"}
	}
	return nil
}

// groupParser reads event groups.
type groupParser struct {
	*command
	notices  *notices
	unknown  bool // an event is not known
	names    int
	selected bool // the selected mailbox is there already
}

// group reads one. Some examples of RFC 5465 have events without parentheses.
//
// RFC 5465, section 8: event-group = "(" filter-mailboxes SP events ")"
func (p *groupParser) group() {
	p.Expect('(')
	g := eventGroup{filter: p.Keyword()}
	mine := g.filter == "SELECTED" || g.filter == "SELECTED-DELAYED"
	switch g.filter {
	case "SELECTED", "SELECTED-DELAYED":
		if p.selected {
			p.Fail(wire.SyntaxError("The selected mailbox is there twice"))
		}
		p.selected = true
	case "PERSONAL", "INBOXES", "SUBSCRIBED":
	case "SUBTREE", "MAILBOXES":
		p.SP()
		add := func() { g.names = append(g.names, canonicalName(p.Mailbox())) }
		if p.Peek() == '(' {
			p.List(add)
		} else {
			add()
		}
		if p.names += len(g.names); len(g.names) == 0 {
			p.Fail(wire.SyntaxError("No mailbox"))
		}
	default:
		p.Fail(wire.SyntaxError("Unknown kind of mailboxes"))
	}
	p.SP()
	var fetch *request
	event := func() {
		if f := p.event(&g.events); f != nil {
			fetch = f
		}
	}
	switch {
	case p.TryWord("NONE"):
	case p.Peek() == '(':
		p.List(event)
		if g.events == 0 && !p.unknown {
			p.Fail(wire.SyntaxError("No event"))
		}
	default:
		for event(); p.Try(' '); {
			event()
		}
	}
	p.Expect(')')
	switch e := g.events; {
	case e&flagChange != 0 && e&messageEvents != messageEvents, (e&messageNew != 0) != (e&messageExpunge != 0):
		p.Fail(wire.SyntaxError("MessageNew and MessageExpunge go together, and FlagChange needs them"))
	case mine && e&^messageEvents != 0:
		p.Fail(wire.SyntaxError("The selected mailbox has events of messages only"))
	case !mine && fetch != nil:
		p.Fail(wire.SyntaxError("Only messages of the selected mailbox are fetched"))
	case mine:
		p.notices.selected, p.notices.fetch, p.notices.delayed = e, fetch, g.filter == "SELECTED-DELAYED"
	case e != 0:
		p.notices.groups = append(p.notices.groups, g)
	}
}

// event reads one, and what is to be fetched of new messages.
func (p *groupParser) event(e *events) (fetch *request) {
	name := p.Keyword()
	for i, known := range strings.Fields(allEvents) {
		if strings.EqualFold(name, known) {
			*e |= 1 << i
			if i == 0 && strings.HasPrefix(string(p.Rest()), " (") {
				p.SP()
				fetch = &request{}
				p.List(func() { fetch.item(p.command, p.Name()) })
				if fetch.sections > maxSections {
					p.Fail(no(imap.ResponseCodeLimit, "Too many sections"))
				}
			}
			return fetch
		}
	}
	p.unknown = true
	return nil
}

// canonicalName gives a name as it is kept, if it is one.
func canonicalName(name string) string {
	if kept, err := account.CheckName(name); err == nil {
		return kept
	}
	return name
}
