package smtp

import (
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dsn"
)

// nobody owns what is only forwarded. It is kept for as long as anything may refer to it.
const nobody = "-"

// forward takes what an address leads to elsewhere. It is refused where it is all that the
// address leads to and nothing goes to other hosts, and where the address only takes what
// comes back.
func (s *session) forward(t *transaction, res *directory.Resolution, addr address.Address, w wish) error {
	switch {
	case len(res.Remote) == 0:
		return nil
	case s.cfg.Outbound == nil && len(res.Recipients) > 0:
		return nil
	case s.cfg.Outbound == nil:
		return kinds.Errorf(kinds.Denied, "smtp: the address leads to other hosts")
	case res.Return && !t.from.IsZero():
		// Notifications have the null sender (RFC 5321, section 6.1). All else would go in our
		// name to people who never wrote to this address.
		return kinds.Errorf(kinds.NotFound, "smtp: the address takes notifications only")
	}
	for _, f := range t.forwards {
		if f.Alias.Key() == addr.Key() {
			return nil
		}
	}
	f := handover.Forward{Alias: addr, To: res.Remote, Notify: w.notify, Origin: w.origin}
	if len(res.Recipients) > 0 {
		// Of success the sender is told once, that the address was expanded.
		f.Notify = dsn.Without(w.notify, dsn.Success)
	}
	t.forwards = append(t.forwards, f)
	return nil
}

// looped notes which addresses have forwarded the message before, and tells whether it
// has no other.
func (t *transaction) looped() bool {
	if len(t.forwards) == 0 {
		return false
	}
	by := handover.ForwardedBy(t.header().All(handover.TraceName))
	n := 0
	for i := range t.forwards {
		f := &t.forwards[i]
		if f.Loop = f.Loops(by); f.Loop {
			n++
		}
	}
	return n > 0 && n == len(t.rcpts)
}

// header gives the header of a message that is judged, or may go to other hosts.
func (t *transaction) header() *dkim.Header {
	if t.trial != nil {
		return t.trial.Header()
	}
	return t.digest.Header()
}
