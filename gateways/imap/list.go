package imap

import (
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

const (
	hasChildren   = `\HasChildren`
	hasNoChildren = `\HasNoChildren`
	nonExistent   = `\NonExistent`
	noSelect      = `\Noselect`
	noAccess      = `\NoAccess`
)

// attributes are a mailbox's attributes for LIST. What another one's is used for is theirs.
func (p *place) attributes(state *account.State, m *account.Mailbox) []string {
	attrs := []string{p.children(state, m.Name)}
	if m.SpecialUse != "" && !p.foreign {
		attrs = append(attrs, m.SpecialUse)
	}
	return attrs
}

// children tells whether there are mailboxes below a name that the client may see.
func (p *place) children(state *account.State, name string) string {
	t := &tree{state: state}
	if p.foreign {
		t.state = nil
		t.add(p, state)
	}
	return t.children(p.shown(name))
}

// writeList writes one LIST or LSUB response. below: a subscribed name is below it.
func (s *session) writeList(verb string, attrs []string, name string, below bool) {
	w := s.w().Raw("* ").Raw(verb).Raw(" (").Raw(strings.Join(attrs, " ")).Raw(`) "/" `).Mailbox(name)
	if below {
		w.Raw(` (CHILDINFO ("SUBSCRIBED"))`)
	}
	w.CRLF()
}

// listing is what a LIST asks for.
type listing struct {
	patterns                       []string
	subscribed, recursive, special bool // what is selected
	returnSubscribed               bool
	status                         []string
	notes                          *noteQuery
	rights                         bool // RFC 8440
	lsub                           bool
}

// parseList reads the arguments of LIST (RFC 5258, RFC 5819, RFC 6154) and LSUB.
func (s *session) parseList(cmd *command) *listing {
	l := &listing{lsub: cmd.name == "LSUB"}
	l.subscribed = l.lsub
	cmd.SP()
	if cmd.Peek() == '(' && !l.lsub {
		cmd.List(func() { l.selection(cmd) })
		cmd.SP()
	}
	ref := cmd.Mailbox()
	cmd.SP()
	add := func() {
		if p := cmd.Pattern(); p != "" {
			l.patterns = append(l.patterns, canonicalPattern(ref+p))
		}
	}
	if cmd.Peek() == '(' && !l.lsub {
		if cmd.List(add); len(l.patterns) == 0 {
			cmd.Fail(wire.SyntaxError("No pattern"))
		}
	} else {
		add()
	}
	if !l.lsub && cmd.Try(' ') {
		if !cmd.TryWord("RETURN") {
			cmd.Fail(wire.SyntaxError("Expected RETURN"))
		}
		cmd.SP()
		cmd.List(func() { s.returned(cmd, l) })
	}
	if l.recursive && !l.subscribed {
		cmd.Fail(wire.SyntaxError("RECURSIVEMATCH needs SUBSCRIBED"))
	}
	return l
}

func (l *listing) selection(cmd *command) {
	switch cmd.Keyword() {
	case "SUBSCRIBED":
		l.subscribed = true
	case "REMOTE": // there are none
	case "RECURSIVEMATCH":
		l.recursive = true
	case "SPECIAL-USE":
		l.special = true
	default:
		cmd.Fail(wire.SyntaxError("Unknown LIST selection option"))
	}
}

func (s *session) returned(cmd *command, l *listing) {
	switch cmd.Keyword() {
	case "SUBSCRIBED":
		l.returnSubscribed = true
	case "CHILDREN", "SPECIAL-USE": // they are always there
	case "MYRIGHTS":
		l.rights = true
	case "STATUS":
		cmd.SP()
		l.status = s.statusItems(cmd)
	case "METADATA": // RFC 9590
		cmd.SP()
		l.notes = &noteQuery{}
		if cmd.Peek() != '(' {
			cmd.Fail(wire.SyntaxError("METADATA takes a list"))
		}
		l.notes.parseEntries(cmd)
	default:
		cmd.Fail(wire.SyntaxError("Unknown LIST return option"))
	}
}

// list is LIST with its extensions, and LSUB. One consistent read goes before it.
func (s *session) list(cmd *command) error {
	l := s.parseList(cmd)
	if err := cmd.End(); err != nil {
		return err
	}
	if len(l.patterns) == 0 {
		// RFC 9051, section 6.3.9: An empty ("" string) mailbox name argument is a special request to return the hierarchy delimiter and the root name of the name given in the reference.
		s.writeList(cmd.name, []string{noSelect}, "", false)
		return nil
	}
	ctx, cancel := s.context()
	defer cancel()
	if err := s.account.Refresh(ctx); err != nil {
		return s.fail(err)
	}
	t := &tree{own: s.own(), state: s.account.State()}
	defer t.release()
	if l.leads(otherUsers) || l.leads(publicOnes) {
		if err := s.shareTree(ctx, l, t); err != nil {
			return s.fail(err)
		}
	}
	for _, name := range l.names(t) {
		attrs, below, ok := l.item(t, name)
		if !ok {
			continue
		}
		s.writeList(cmd.name, attrs, name, below)
		s.writeMore(l, t, name)
	}
	return nil
}

// writeMore writes what else is asked for of a mailbox that was listed, and may be told.
func (s *session) writeMore(l *listing, t *tree, name string) {
	p, m := t.mailbox(name)
	if m == nil {
		return
	}
	if l.subscribed && !t.state.Subscribed(name) { // it stands for what is below it
		return
	}
	rights := p.account.Rights(m)
	if l.notes != nil && rights&account.MayRead != 0 {
		s.writeNotes(name, s.notes(p, m), l.notes)
	}
	if l.status != nil && rights&account.MayRead != 0 {
		s.writeStatus(p, m, l.status)
	}
	if l.rights && rights&anyRight != 0 {
		s.writeMyRights(name, rights)
	}
}

// names gives all that may be listed: mailboxes, INBOX first, and, if subscriptions are
// asked for, subscribed names and what is above them.
func (l *listing) names(t *tree) []string {
	state := t.state
	var names []string
	have := map[string]bool{}
	add := func(name string) {
		if !have[name] {
			have[name] = true
			names = append(names, name)
		}
	}
	for _, m := range state.Mailboxes() {
		add(m.Name)
	}
	for _, name := range t.shared {
		add(name)
	}
	if l.subscribed {
		n := len(names)
		for _, name := range state.Subscriptions() {
			for i, c := range name {
				if c == '/' {
					add(name[:i])
				}
			}
			add(name)
		}
		slices.Sort(names[n:])
	}
	return names
}

func (l *listing) matches(name string) bool {
	return slices.ContainsFunc(l.patterns, func(p string) bool { return match(p, name) })
}

// item gives the attributes of a name; ok is false if it isn't listed. below: a subscribed
// name below it isn't listed by itself.
func (l *listing) item(t *tree, name string) (attrs []string, below, ok bool) {
	if !l.matches(name) {
		return nil, false, false
	}
	state := t.state
	p, m := t.mailbox(name)
	subscribed := state.Subscribed(name)
	if l.subscribed && (l.lsub || l.recursive) {
		below = l.subscribedBelow(state, name)
	}
	switch {
	case l.special && (m == nil || m.SpecialUse == "" || p.foreign):
		return nil, false, false
	case l.subscribed && !subscribed && !below:
		return nil, false, false
	case l.lsub && !subscribed:
		// RFC 3501, section 6.3.9 has \Noselect for a name that is not subscribed but has one below it that % does not match.
		ends := func(p string) bool { return strings.HasSuffix(p, "%") }
		return []string{noSelect}, false, slices.ContainsFunc(l.patterns, ends)
	case l.lsub && m == nil:
		return []string{noSelect}, false, true
	case l.lsub:
		return nil, false, true
	case m == nil && t.above(name):
		attrs = []string{noSelect, hasChildren}
	case m == nil:
		attrs = []string{nonExistent, t.children(name)}
	case p.foreign:
		attrs = []string{t.children(name)}
	default:
		attrs = p.attributes(state, m)
	}
	if subscribed && (l.subscribed || l.returnSubscribed) {
		attrs = append(attrs, `\Subscribed`)
	}
	// RFC 5258, section 3.5: below is a subscribed name that the patterns do not match.
	return attrs, below && l.recursive, true
}

// subscribedBelow tells whether a subscribed name below this one isn't listed by itself.
func (l *listing) subscribedBelow(state *account.State, name string) bool {
	return slices.ContainsFunc(state.Subscriptions(), func(sub string) bool {
		return strings.HasPrefix(sub, name+"/") && !l.matches(sub)
	})
}

// canonicalPattern makes INBOX at the beginning of a pattern match in any case.
func canonicalPattern(p string) string {
	if n := len("INBOX"); len(p) >= n && strings.EqualFold(p[:n], "INBOX") && (len(p) == n || strings.IndexByte("/*%", p[n]) >= 0) {
		return "INBOX" + p[n:]
	}
	return strings.TrimPrefix(p, "/")
}

// match tells whether a name matches a pattern, in which * stands for anything and % for
// anything within one level. Work is the product of the lengths, at most.
func match(pattern, name string) bool {
	// reach[i] tells whether what was seen of the pattern matches name[:i].
	reach := make([]bool, len(name)+1)
	reach[0] = true
	for k := range len(pattern) {
		switch c := pattern[k]; c {
		case '*', '%':
			for i := 1; i <= len(name); i++ {
				reach[i] = reach[i] || reach[i-1] && (c == '*' || name[i-1] != '/')
			}
		default:
			for i := len(name); i > 0; i-- {
				reach[i] = reach[i-1] && name[i-1] == c
			}
			reach[0] = false
		}
	}
	return reach[len(name)]
}
