package imap

import (
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"github.com/godwit-mail/godwit/shared/account"
)

// attributes are a mailbox's attributes for LIST.
func attributes(state *account.State, m *account.Mailbox) []imap.MailboxAttr {
	attrs := []imap.MailboxAttr{children(state, m.Name)}
	if m.SpecialUse != "" {
		attrs = append(attrs, imap.MailboxAttr(m.SpecialUse))
	}
	return attrs
}

func children(state *account.State, name string) imap.MailboxAttr {
	if state.HasChildren(name) {
		return imap.MailboxAttrHasChildren
	}
	return imap.MailboxAttrHasNoChildren
}

// List is LIST with its extensions, and LSUB.
func (s *session) List(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions) error {
	ctx, end := s.begin()
	defer end()
	if len(patterns) == 0 {
		// RFC 9051, section 6.3.9: An empty ("" string) mailbox name argument is a special request to return the hierarchy delimiter and the root name of the name given in the reference.
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: '/'})
	}
	if err := s.account.Refresh(ctx); err != nil {
		return s.fail(err)
	}
	l := &lister{state: s.account.State(), options: options, lsub: s.guard.command() == "LSUB"}
	for _, p := range patterns {
		l.patterns = append(l.patterns, canonicalPattern(ref+p))
	}
	for _, name := range l.names() {
		if data := l.item(name); data != nil {
			if err := w.WriteList(data); err != nil {
				return err
			}
		}
	}
	return nil
}

type lister struct {
	state    *account.State
	options  *imap.ListOptions
	patterns []string
	lsub     bool
}

// names gives all that may be listed: mailboxes, INBOX first, and, if subscriptions are
// asked for, subscribed names and what is above them.
func (l *lister) names() []string {
	var names []string
	have := map[string]bool{}
	add := func(name string) {
		if !have[name] {
			have[name] = true
			names = append(names, name)
		}
	}
	for _, m := range l.state.Mailboxes() {
		add(m.Name)
	}
	if l.options.SelectSubscribed {
		n := len(names)
		for _, name := range l.state.Subscriptions() {
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

func (l *lister) matches(name string) bool {
	return slices.ContainsFunc(l.patterns, func(p string) bool { return match(p, name) })
}

// item gives the response for a name, nil if it isn't listed.
func (l *lister) item(name string) *imap.ListData {
	if !l.matches(name) {
		return nil
	}
	m, subscribed := l.state.Mailbox(name), l.state.Subscribed(name)
	data := &imap.ListData{Delim: '/', Mailbox: name}
	below := false
	if l.options.SelectSubscribed && (l.lsub || l.options.SelectRecursiveMatch) {
		below = l.subscribedBelow(name)
	}
	switch {
	case l.options.SelectSpecialUse && (m == nil || m.SpecialUse == ""):
		return nil
	case l.options.SelectSubscribed && !subscribed && !below:
		return nil
	case l.lsub && !subscribed:
		// RFC 3501, section 6.3.9 has \Noselect for a name that is not subscribed but has one below it that % does not match.
		if !slices.ContainsFunc(l.patterns, func(p string) bool { return strings.HasSuffix(p, "%") }) {
			return nil
		}
		data.Attrs = []imap.MailboxAttr{imap.MailboxAttrNoSelect}
		return data
	case l.lsub:
		if m == nil {
			data.Attrs = []imap.MailboxAttr{imap.MailboxAttrNoSelect}
		}
		return data
	case m == nil:
		data.Attrs = []imap.MailboxAttr{imap.MailboxAttrNonExistent, children(l.state, name)}
	default:
		data.Attrs = attributes(l.state, m)
	}
	if subscribed && (l.options.SelectSubscribed || l.options.ReturnSubscribed) {
		data.Attrs = append(data.Attrs, imap.MailboxAttrSubscribed)
	}
	if l.options.SelectRecursiveMatch && below {
		// RFC 5258, section 3.5: below is a subscribed name that the patterns do not match.
		data.ChildInfo = &imap.ListDataChildInfo{Subscribed: true}
	}
	if l.options.ReturnStatus != nil && m != nil {
		data.Status = statusOf(m)
	}
	return data
}

// subscribedBelow tells whether a subscribed name below this one isn't listed by itself.
func (l *lister) subscribedBelow(name string) bool {
	return slices.ContainsFunc(l.state.Subscriptions(), func(sub string) bool {
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
