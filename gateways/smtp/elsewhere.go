package smtp

import (
	"context"
	"fmt"
	"strings"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/spool"
)

// elsewhere takes a recipient of another host, which only our own users may have.
func (s *session) elsewhere(t *transaction, addr address.Address) {
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
	t.remote = append(t.remote, spool.Recipient{Address: key})
	s.reply(okayRcpt)
}

// sendOn hands the message to who sends it to other hosts.
func (s *session) sendOn(ctx context.Context, t *transaction, ref blob.Ref, sum *message.Summary) error {
	now := s.cfg.Now()
	head, ok := s.cfg.Accounts.Known(s.user.Account)
	if !ok {
		var err error
		if head, err = s.cfg.Accounts.Head(ctx, s.user.Account); err != nil {
			return err
		}
	}
	_ = t.digest.Close()
	for i := 0; i < len(t.remote); i += spool.MaxOutgoing {
		m := spool.Mail{Tenant: t.tenant, Correlation: t.id, Kind: spool.Submission, From: t.from.String(), Sender: s.user.Account, Seen: head.Seq,
			Head: s.received(t, now), Blob: ref, HeaderLen: sum.HeaderLen, UTF8: t.params.utf8, EightBit: t.params.eightBit || eightBit(&sum.Body),
			BodyHash: t.digest.BodyHash(dkim.Relaxed), AcceptedMS: now.UnixMilli(), ExpiresMS: now.Add(s.cfg.Expire).UnixMilli(),
			To: t.remote[i:min(i+spool.MaxOutgoing, len(t.remote))]}
		if sum.HeaderLen == 0 {
			m.Head = append(m.Head, "\r\n"...)
		}
		if err := s.cfg.Outbound.Send(ctx, fmt.Sprintf("%s-%d", t.id, i/spool.MaxOutgoing), &m); err != nil {
			return err
		}
	}
	return nil
}

// eightBit tells whether a part says that it has octets above 127.
func eightBit(p *message.Part) bool {
	if p.Encoding == "8bit" || p.Encoding == "binary" {
		return true
	}
	for _, part := range p.Parts {
		if eightBit(part) {
			return true
		}
	}
	return false
}
