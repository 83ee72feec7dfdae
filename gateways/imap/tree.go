package imap

import (
	"context"
	"slices"
	"sort"
	"strings"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// tree is what LIST goes over: the client's own mailboxes, and those of others that it may see.
type tree struct {
	own    *place
	state  *account.State // of the client's own account
	shared []string       // names of what others share, and of what is above it, sorted
	boxes  map[string]sharedBox
	places []*place
}

type sharedBox struct {
	place *place
	box   *account.Mailbox
}

// leads tells whether a pattern may match something in a namespace.
func (l *listing) leads(space string) bool {
	return slices.ContainsFunc(l.patterns, func(p string) bool {
		fixed := p
		if i := strings.IndexAny(p, "*%"); i >= 0 {
			fixed = p[:i]
		}
		return strings.HasPrefix(space+"/", fixed) || strings.HasPrefix(fixed, space+"/")
	}) || l.subscribed
}

// shareTree adds what others share with the client. An account that can't be opened is left out:
// the others are listed all the same.
func (s *session) shareTree(ctx context.Context, l *listing, t *tree) error {
	owners, err := s.gateway.cfg.Sharing.Owners(ctx, s.identity)
	if err != nil {
		return err
	}
	for i := range owners {
		space := otherUsers
		if owners[i].Public {
			space = publicOnes
		}
		if !l.leads(space) {
			continue
		}
		p, err := s.enterPlace(ctx, &owners[i])
		if err != nil {
			if !kinds.Is(err, kinds.NotFound) {
				s.log.Warn("cannot list what an account shares", "account", owners[i].Account.ID, "kind", kinds.Of(err), "error", err)
			}
			continue
		}
		t.places = append(t.places, p)
		t.add(p, p.account.State())
	}
	slices.Sort(t.shared)
	t.shared = slices.Compact(t.shared)
	return nil
}

// add adds what may be seen of an account, and the names above it.
//
// RFC 4314, section 4: if the user has "l" right to a mailbox "A/B", but not to its parent mailbox "A", the LIST command should behave as if the mailbox "A" doesn't exist
func (t *tree) add(p *place, state *account.State) {
	if t.boxes == nil {
		t.boxes = map[string]sharedBox{}
	}
	for _, m := range state.Mailboxes() {
		if p.account.Rights(m)&account.MayLookup == 0 {
			continue
		}
		name := p.shown(m.Name)
		if t.state != nil && t.state.Mailbox(name) != nil {
			continue // the client's own has the name
		}
		t.boxes[name] = sharedBox{p, p.account.Seen(m)}
		for i, c := range name {
			if c == '/' && (t.state == nil || t.state.Mailbox(name[:i]) == nil) {
				t.shared = append(t.shared, name[:i])
			}
		}
		t.shared = append(t.shared, name)
	}
	slices.Sort(t.shared)
}

// mailbox gives the mailbox of a name, nil if there is none that may be seen, and where it is.
func (t *tree) mailbox(name string) (*place, *account.Mailbox) {
	if m := t.state.Mailbox(name); m != nil {
		return t.own, m
	}
	b := t.boxes[name]
	return b.place, b.box
}

// above tells whether the name is only that of what is above something shared.
func (t *tree) above(name string) bool {
	_, ok := slices.BinarySearch(t.shared, name)
	return ok && t.boxes[name].box == nil
}

func (t *tree) children(name string) string {
	i := sort.SearchStrings(t.shared, name+"/")
	if i < len(t.shared) && strings.HasPrefix(t.shared[i], name+"/") || t.state != nil && t.state.HasChildren(name) {
		return hasChildren
	}
	return hasNoChildren
}

func (t *tree) release() {
	for _, p := range t.places {
		p.release()
	}
}
