package imap

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/kinds"
)

// maxNoticed bounds the accounts of others that one NOTIFY watches.
const maxNoticed = 100

// noticed is an account that NOTIFY watches, and what of it the client was told.
type noticed struct {
	*place
	told *account.State
	over chan struct{} // closed when it is watched no more
}

// told sets what the client is told unasked from here on; nil: of the selected mailbox. What is
// now is what it knows.
func (s *session) told(n *notices, others ...*noticed) {
	if s.notices != nil {
		for _, a := range s.notices.accounts[1:] {
			close(a.over)
			a.release()
		}
	}
	if s.notices = n; n == nil {
		return
	}
	n.accounts = []*noticed{{place: s.own(), told: s.account.State()}}
	s.watchMore(others)
}

// watchMore watches accounts of others, too.
func (s *session) watchMore(others []*noticed) {
	for _, a := range others {
		a.told, a.over = a.account.State(), make(chan struct{})
		s.notices.accounts = append(s.notices.accounts, a)
		go s.follow(a, a.told, s.guarded.Load())
	}
}

// follow has the session look when another one's account changes, until it is watched no more.
func (s *session) follow(a *noticed, known *account.State, g *guarded) {
	for {
		changed := a.account.Changed()
		if now := a.account.State(); now != known {
			known = now
			s.stirred.Store(true)
			s.lookAgain()
		}
		again := time.NewTimer(againEvery)
		select {
		case <-changed:
		case <-again.C:
			s.enterAgain(g.who, a.account)
		case <-a.over:
			again.Stop()
			return
		case <-s.conn.closed:
			again.Stop()
			return
		}
		again.Stop()
	}
}

// others opens the accounts of others in which mailboxes may be that are asked for. One that is
// named is watched although nothing in it may be seen now, since that may change; below the name
// of a namespace those are that share something now. What isn't there is passed over.
func (s *session) others(ctx context.Context, groups []eventGroup) (list []*noticed, err error) {
	have := map[string]bool{}
	add := func(p *place) {
		if !p.foreign || have[p.root] || len(list) > maxNoticed {
			p.release()
			return
		}
		have[p.root] = true
		list = append(list, &noticed{place: p})
	}
	for i := range groups {
		if err = s.placesOf(ctx, &groups[i], add); err != nil {
			break
		}
	}
	if err == nil && len(list) > maxNoticed {
		err = no("NOTIFICATIONOVERFLOW", "Too many accounts")
	}
	if err != nil {
		for _, a := range list {
			a.release()
		}
		return nil, err
	}
	return list, nil
}

// placesOf gives the places of others that a group names.
func (s *session) placesOf(ctx context.Context, g *eventGroup, add func(*place)) error {
	names := g.names
	if g.filter == "SUBSCRIBED" {
		names = s.account.State().Subscriptions()
	}
	for _, name := range names {
		if name == otherUsers || name == publicOnes {
			if g.filter == "SUBTREE" {
				if err := s.sharers(ctx, name == publicOnes, add); err != nil {
					return err
				}
			}
			continue
		}
		if !strings.HasPrefix(name, otherUsers+"/") && !strings.HasPrefix(name, publicOnes+"/") {
			continue
		}
		p, err := s.place(ctx, name)
		var told *imap.Error
		if errors.As(err, &told) && told.Code == imap.ResponseCodeNonExistent {
			continue
		}
		if err != nil {
			return err
		}
		add(p)
	}
	return nil
}

// sharers gives the places of all who share something.
func (s *session) sharers(ctx context.Context, public bool, add func(*place)) error {
	owners, err := s.gateway.cfg.Sharing.Owners(ctx, s.identity)
	if err != nil {
		return s.fail(err)
	}
	for i := range owners {
		if owners[i].Public != public {
			continue
		}
		p, err := s.enterPlace(ctx, &owners[i])
		if kinds.Is(err, kinds.NotFound) {
			continue
		}
		if err != nil {
			return s.fail(err)
		}
		add(p)
	}
	return nil
}

// noticeMore watches the accounts in which mailboxes are that were subscribed since.
//
// RFC 5465, section 6.4: If the subscription list changes, the server MUST reevaluate the list.
func (s *session) noticeMore(was *account.State) {
	n := s.notices
	now := n.accounts[0].told
	if was == now || was.SameSubscriptions(now) || !slices.ContainsFunc(n.groups, func(g eventGroup) bool { return g.filter == "SUBSCRIBED" }) {
		return
	}
	ctx, cancel := s.context()
	defer cancel()
	others, err := s.others(ctx, []eventGroup{{filter: "SUBSCRIBED"}})
	if err != nil {
		s.log.Warn("cannot watch what was subscribed", "kind", kinds.Of(err), "error", err)
		return
	}
	fresh := others[:0]
	for _, a := range others {
		if slices.ContainsFunc(n.accounts, func(b *noticed) bool { return same(a.account, b.account) }) {
			a.release()
			continue
		}
		fresh = append(fresh, a)
	}
	s.watchMore(fresh)
}
