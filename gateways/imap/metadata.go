package imap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/gateways/imap/wire"
	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// METADATA is RFC 5464. A mailbox's /shared entries are seen by all who see the mailbox, its
// /private ones by its owner. Entries of the server are each user's own and /private; the
// shared ones are the service's.
const (
	adminEntry = "/shared/admin"
	// tooLongNote answers a value that is a literal beyond what is taken at once.
	tooLongNote = "NO [METADATA MAXSIZE 4096] Values are limited to 4096 octets"
)

// noteQuery is what of annotations is asked for.
type noteQuery struct {
	entries []string
	depth   int // levels below them; -1: all
	limited bool
	maxSize int64
}

// parseEntries reads one name, or a list of them. Some examples of RFC 5464 have the list
// without parentheses.
func (q *noteQuery) parseEntries(cmd *command) {
	entry := func() {
		name := cmd.AString()
		if !strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.Contains(name, "//") || strings.ContainsAny(name, "*%") {
			cmd.Fail(wire.SyntaxError("Malformed name of an entry"))
		}
		q.entries = append(q.entries, name)
	}
	if cmd.Peek() == '(' {
		cmd.List(entry)
		return
	}
	entry()
	for cmd.Try(' ') {
		entry()
	}
}

// parseOptions reads (MAXSIZE n DEPTH d), which the grammar has before the mailbox and the
// examples have behind it.
func (q *noteQuery) parseOptions(cmd *command) {
	cmd.List(func() {
		switch cmd.Keyword() {
		case "MAXSIZE":
			cmd.SP()
			q.limited, q.maxSize = true, cmd.Number64()
		case "DEPTH":
			cmd.SP()
			switch cmd.Keyword() {
			case "0":
				q.depth = 0
			case "1":
				q.depth = 1
			case "INFINITY":
				q.depth = -1
			default:
				cmd.Fail(wire.SyntaxError("DEPTH is 0, 1 or infinity"))
			}
		default:
			cmd.Fail(wire.SyntaxError("Unknown GETMETADATA option"))
		}
	})
}

// getMetadata is GETMETADATA.
func (s *session) getMetadata(cmd *command) error {
	var q noteQuery
	cmd.SP()
	if cmd.Peek() == '(' {
		q.parseOptions(cmd)
		cmd.SP()
	}
	name := cmd.Mailbox()
	cmd.SP()
	if rest := cmd.Rest(); len(rest) > 1 && rest[0] == '(' && strings.IndexByte(`/"{`, rest[1]) < 0 {
		q.parseOptions(cmd)
		cmd.SP()
	}
	q.parseEntries(cmd)
	if err := cmd.End(); err != nil {
		return err
	}
	list := s.notes(nil, nil)
	if name != "" {
		ctx, cancel := s.context()
		defer cancel()
		p, box, err := s.mailbox(ctx, name, account.MayLookup|account.MayRead)
		if err != nil {
			return err
		}
		defer p.release()
		name, list = p.shown(box.Name), s.notes(p, box)
	}
	if longest := s.writeNotes(name, list, &q); longest > 0 {
		cmd.code = fmt.Sprintf("METADATA LONGENTRIES %d", longest)
	}
	return nil
}

// notes gives all annotations of a mailbox or, with nil, of the server.
func (s *session) notes(p *place, m *account.Mailbox) []account.Annotation {
	if m == nil {
		list := slices.Clone(s.account.State().Annotations())
		_, domain, _ := strings.Cut(s.identity.Address, "@")
		return append(list, account.Annotation{Name: adminEntry, Value: []byte("mailto:postmaster@" + domain)})
	}
	list := slices.Clone(m.Annotations)
	if p.foreign {
		return slices.DeleteFunc(list, func(a account.Annotation) bool { return !a.Shared() })
	}
	if m.SpecialUse != "" {
		list = append(list, account.Annotation{Name: account.SpecialUseEntry, Value: []byte(m.SpecialUse)})
	}
	return list
}

// writeNotes writes those annotations that are asked for, and gives the size of the largest
// that is too large to be.
func (s *session) writeNotes(name string, list []account.Annotation, q *noteQuery) (longest int) {
	w, sep := s.w(), ""
	begin := func(entry string) {
		if sep == "" {
			w.Raw("* METADATA ").Mailbox(name).Raw(" (")
		}
		w.Raw(sep).AString(entry).Raw(" ")
		sep = " "
	}
	for _, a := range list {
		switch {
		case !q.wants(a.Name):
		case q.limited && int64(len(a.Value)) > q.maxSize:
			longest = max(longest, len(a.Value))
		default:
			begin(a.Name)
			if strings.IndexByte(string(a.Value), 0) >= 0 {
				w.Raw("~")
			}
			w.String(string(a.Value))
		}
	}
	for _, entry := range q.missing(list) {
		begin(entry)
		w.Raw("NIL")
	}
	if sep != "" {
		w.Raw(")\r\n")
	}
	return longest
}

// wants tells whether an entry is one that is asked for.
func (q *noteQuery) wants(name string) bool {
	return slices.ContainsFunc(q.entries, func(entry string) bool {
		n := len(entry)
		if len(name) < n || !strings.EqualFold(name[:n], entry) {
			return false
		}
		below := name[n:]
		return below == "" || below[0] == '/' && (q.depth < 0 || strings.Count(below, "/") <= q.depth)
	})
}

// missing gives the entries that are asked for by name alone and are not there: they have no
// value.
func (q *noteQuery) missing(list []account.Annotation) (out []string) {
	if q.depth != 0 {
		return nil
	}
	for _, entry := range q.entries {
		same := func(name string) bool { return strings.EqualFold(name, entry) }
		if !slices.ContainsFunc(list, func(a account.Annotation) bool { return same(a.Name) }) && !slices.ContainsFunc(out, same) {
			out = append(out, entry)
		}
	}
	return out
}

// setMetadata is SETMETADATA: all entries or none.
func (s *session) setMetadata(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	cmd.SP()
	var list []account.Annotation
	cmd.List(func() {
		a := account.Annotation{Name: cmd.AString()}
		if cmd.Err() == nil && account.CheckAnnotationName(a.Name) != nil {
			cmd.Fail(wire.SyntaxError("Malformed name of an entry"))
		}
		cmd.SP()
		if value, ok := cmd.NString8(); ok {
			a.Value = append([]byte{}, value...)
		}
		list = append(list, a)
	})
	if err := cmd.End(); err != nil {
		return err
	}
	ctx, cancel := s.context()
	defer cancel()
	p := s.own()
	var id account.MailboxID
	if name == "" {
		for _, a := range list {
			if !strings.HasPrefix(strings.ToLower(a.Name), "/private/") {
				return no(imap.ResponseCodeNoPerm, "What the server shares is not set by mail clients")
			}
		}
	} else {
		found, m, err := s.mailbox(ctx, name, account.MayLookup)
		if err != nil {
			return err
		}
		defer found.release()
		p, id = found, m.ID
	}
	for _, a := range list {
		if len(a.Value) > account.MaxAnnotation {
			return refused(tooLongNote)
		}
	}
	err := p.account.SetMetadata(ctx, s.by(p.owner), id, list)
	switch kinds.Of(err) {
	case kinds.Limit:
		return no("METADATA TOOMANY", "There are too many annotations")
	case kinds.Exists:
		return no("USEATTR", "The special use is not known, or another mailbox has it")
	}
	return s.fail(err)
}
