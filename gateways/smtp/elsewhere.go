package smtp

import (
	"strings"

	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/spool"
)

// elsewhere takes a recipient of another host, which only our own users may have.
func (s *session) elsewhere(t *transaction, addr address.Address, w wish) {
	switch {
	case t.tenant != "" && t.tenant != s.user.Tenant:
		s.reply(otherTenant)
		return
	case t.from.IsZero() && len(t.remote) > 0:
		// What goes without a sender is a receipt, and is for one (RFC 8098, section 2.1).
		s.reply(tooManyRcpts)
		return
	}
	t.tenant = s.user.Tenant
	t.rcpts = append(t.rcpts, addr)
	key := addr.Local + "@" + strings.ToLower(addr.Domain)
	for _, r := range t.remote {
		if r.Address == key {
			s.reply(okayRcpt)
			return
		}
	}
	t.remote = append(t.remote, spool.Recipient{Address: key, Notify: w.notify, Origin: w.origin})
	s.reply(okayRcpt)
}

// tlsOptional tells whether the author would have the message arrive rather than be kept
// from others.
//
// RFC 8689, section 3: the field is "TLS-Required: No", once; with REQUIRETLS it is ignored.
func tlsOptional(h *dkim.Header) bool {
	found := h.All("TLS-Required")
	return len(found) == 1 && strings.EqualFold(strings.TrimSpace(string(found[0].Value)), "no")
}
