package imap

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
)

const (
	maxSources  = 100  // that one ESEARCH names
	maxSearched = 2000 // mailboxes that one ESEARCH looks into
)

// source is a kind of mailboxes that are looked into.
type source struct {
	kind  string
	names []string
}

// parseSources reads IN (personal mailboxes "x" subtree ("y" "z")); without it the selected mailbox is
// meant.
//
// RFC 7377, section 4: esearch-source-opts = "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"
func parseSources(cmd *command) (list []source) {
	if !cmd.TryWord("IN") {
		return []source{{kind: "SELECTED"}}
	}
	cmd.SP()
	names := 0
	cmd.List(func() {
		src := source{kind: cmd.Keyword()}
		switch src.kind {
		case "SELECTED", "INBOXES", "PERSONAL", "SUBSCRIBED":
		case "SUBTREE", "SUBTREE-ONE", "MAILBOXES":
			cmd.SP()
			if cmd.Peek() == '(' {
				cmd.List(func() { src.names = append(src.names, cmd.Mailbox()) })
			} else {
				src.names = []string{cmd.Mailbox()}
			}
		default:
			cmd.Fail(wire.SyntaxError("Unknown source option"))
		}
		list = append(list, src)
		if names += 1 + len(src.names); names > maxSources {
			cmd.Fail(no(imap.ResponseCodeLimit, "Too many sources"))
		}
	})
	if len(list) == 0 {
		cmd.Fail(wire.SyntaxError("A source option is missing"))
	}
	cmd.SP()
	return list
}

// has tells whether a source has a mailbox of the account's own.
//
// RFC 5465, section 6 has the kinds; RFC 7377, section 2.2 adds subtree-one.
func (src *source) has(state *account.State, m *account.Mailbox) bool {
	switch src.kind {
	case "INBOXES":
		return m.ID == account.Inbox
	case "PERSONAL":
		return true
	case "SUBSCRIBED":
		return state.Subscribed(m.Name)
	}
	for _, name := range src.names {
		if strings.EqualFold(name, "INBOX") {
			name = "INBOX"
		}
		below, is := strings.CutPrefix(m.Name, name)
		switch {
		case !is:
		case below == "":
			return true
		case below[0] != '/' || src.kind == "MAILBOXES":
		case src.kind == "SUBTREE" || strings.Count(below, "/") == 1:
			return true
		}
	}
	return false
}

// esearch is ESEARCH (RFC 7377): one search of many mailboxes, one after the other. It says nothing
// of those in which it finds nothing.
func (s *session) esearch(cmd *command) error {
	cmd.SP()
	sources := parseSources(cmd)
	r := parseResult(cmd)
	r.extended, cmd.uid = true, true
	charset := ""
	if cmd.TryWord("CHARSET") {
		cmd.SP()
		charset = parseCharset(cmd)
		cmd.SP()
	}
	if err := s.checkSources(cmd, sources, r); err != nil {
		return err
	}
	views, err := s.sourceViews(sources)
	if err != nil {
		return err
	}
	keys := cmd.Rest()
	parse := func(v *view) (*query, error) {
		// Sets mean what they mean in each mailbox.
		c := *cmd
		c.Parser = wire.NewParser(keys)
		return s.parseQuery(&c, v, charset)
	}
	// What is wrong is said before anything is read.
	if _, err := parse(&view{place: s.own(), box: &account.Mailbox{}}); err != nil {
		s.unsave(r)
		return err
	}
	for _, v := range views {
		if v != s.view {
			if err := s.loadView(v); err != nil {
				return s.fail(err)
			}
			if v.box == nil { // it was deleted meanwhile
				continue
			}
		}
		q, err := parse(v)
		if err == nil {
			err = s.find(cmd, q)
		}
		if err != nil {
			s.unsave(r)
			return err
		}
		if q.box = v.now(v.account.State()); q.box != nil && len(q.hits) > 0 {
			s.tellFound(cmd, r, q)
		} else {
			s.unsave(r)
		}
		if r.update && v == s.view {
			s.keepContext(cmd, q, nil, nil)
		}
	}
	return nil
}

// checkSources refuses what needs the selected mailbox and has none, or others too.
func (s *session) checkSources(cmd *command, sources []source, r result) error {
	if err := cmd.Err(); err != nil {
		return err
	}
	selected := false
	for i := range sources {
		selected = selected || sources[i].kind == "SELECTED"
	}
	switch {
	case (selected || r.update) && s.view == nil:
		return bad("No mailbox is selected")
	case r.sav && !(selected && len(sources) == 1):
		return bad("SAVE is for the selected mailbox alone")
	case r.update && s.view.context(cmd.tag) != nil:
		return wire.SyntaxError("Tag reuse")
	}
	return nil
}

// sourceViews gives the mailboxes to look into, in the order of their names. One consistent read of
// the account's tail goes before. All but the selected one are not yet in memory.
func (s *session) sourceViews(sources []source) (views []*view, err error) {
	ctx, cancel := s.context()
	defer cancel()
	others := false
	for i := range sources {
		if sources[i].kind == "SELECTED" {
			views = []*view{s.view}
		} else {
			others = true
		}
	}
	if !others {
		return views, nil
	}
	if err := s.account.Refresh(ctx); err != nil {
		return nil, s.fail(err)
	}
	state := s.account.State()
	for _, m := range state.Mailboxes() {
		own := s.view != nil && s.view.account == s.account && s.view.id == m.ID
		for i := range sources {
			if src := &sources[i]; src.kind == "SELECTED" || !src.has(state, m) {
				continue
			}
			switch {
			case !own:
				views = append(views, &view{place: s.own(), id: m.ID})
			case len(views) == 0 || views[0] != s.view:
				views = append([]*view{s.view}, views...)
			}
			break
		}
	}
	if len(views) > maxSearched {
		return nil, no(imap.ResponseCodeLimit, "Too many mailboxes")
	}
	return views, nil
}

// loadView reads a mailbox into memory. Its box is nil afterwards if it is no more.
func (s *session) loadView(v *view) error {
	ctx, cancel := context.WithTimeout(s.ctx, commandTime)
	defer cancel()
	state, err := v.account.Load(ctx, v.id)
	if err != nil {
		return err
	}
	v.box = nil
	if m := v.now(state); m != nil {
		*v = *newView(v.place, m, state, true)
	}
	return nil
}
