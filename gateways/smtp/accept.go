package smtp

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/delivery"
	"github.com/godwit-mail/godwit/shared/handover"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/spool"
)

// accept stores the message, hands its jobs to the queue, and only then says 250: from
// then on it is ours to deliver. A crash or error before leaves a blob that nobody
// knows of.
func (s *session) accept() {
	t, began := s.mail, time.Now()
	defer s.reset()
	s.work = 0
	sum, err := t.in.Finish()
	if err != nil {
		s.refuseMessage(forMessage(err), err)
		return
	}
	judged := s.judge(t, &sum)
	if judged.Do == dmarc.Reject {
		s.refuseMessage(againstPolicy(judged.From), nil)
		return
	}
	if t.looped() {
		s.refuseMessage(loop, nil)
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, commitTime)
	defer cancel()
	if s.user != nil {
		if err := handover.Authors(ctx, s.cfg.Directory, s.user, t.in.Authors(), &sum); err != nil {
			s.refuseMessage(forAuthor(err), err)
			return
		}
		if s.cfg.Limits != nil {
			if t.hold, err = s.cfg.Limits.Take(ctx, s.user, len(t.rcpts), len(t.remote)); err != nil {
				s.refuseMessage(forAuthor(err), err)
				return
			}
		}
	}
	owners := make([]string, len(t.accounts), len(t.accounts)+1)
	for i, r := range t.accounts {
		owners[i] = string(r.Account.ID)
	}
	switch {
	case s.user != nil:
		owners = append(owners, string(s.user.Account.ID))
	case len(owners) == 0 && len(t.forwards) > 0:
		owners = append(owners, nobody)
	}
	ref, err := t.in.Put(ctx, s.cfg.Blobs, cmp.Or(t.tenant, spool.Ours), owners)
	if err == nil {
		err = s.takeReports(ctx, t, ref, &sum, judged)
	}
	if err == nil {
		err = s.handOver(ctx, t, ref, &sum, judged)
	}
	if err != nil {
		s.log.Error("message not stored", "message", t.id, "error", err)
		s.reset()
		s.refuse(forMessage(kinds.Wrap(kinds.Unavailable, err, "")))
		return
	}
	for _, r := range t.accounts {
		s.cfg.Quota.Grow(t.tenant, r.domain, 1, ref.Size)
	}
	s.metrics.took(s.flavour(), ref.Size, time.Since(began))
	s.log.Info("message accepted", "message", t.id, "tenant", t.tenant, "size", ref.Size, "accounts", len(t.accounts), "elsewhere", len(t.remote), "forwarded", t.leads()-len(t.accounts)-len(t.remote))
	s.reply(reply{250, "2.0.0", "OK " + t.id})
}

// handOver hands the message's jobs and records over.
func (s *session) handOver(ctx context.Context, t *transaction, ref blob.Ref, sum *message.Summary, v verdict) error {
	s.see(ctx, t)
	now := s.cfg.Now()
	m := handover.Message{ID: t.id, Tenant: t.tenant, From: t.from.String(), Protocol: s.flavour(), At: now, Results: []byte(v.results), Received: s.received(t, now),
		Junk: v.Do == dmarc.Quarantine, Blob: ref, Summary: sum, Here: make([]delivery.Recipient, len(t.accounts)), Elsewhere: t.remote, Forwards: t.forwards, Proven: v.Proven, UTF8: s.needsUTF8(t), EightBit: t.params.eightBit}
	for i, r := range t.accounts {
		m.Here[i] = r.Recipient
	}
	switch {
	case s.user != nil && t.digest != nil:
		_ = t.digest.Close()
		m.BodyHash = t.digest.BodyHash(dkim.Relaxed)
	case t.trial != nil && s.cfg.Seal && len(t.forwards) > 0:
		m.ARC, m.BodyHash = v.arc, t.trial.BodyHash(dkim.Relaxed)
	}
	if s.user != nil {
		from, err := s.cfg.Directory.Sender(ctx, s.user)
		if err != nil {
			return err
		}
		m.Sender, m.Hold, m.Copy, m.Bcc = s.user.Account, t.hold, from.SentCopy, t.in.Bcc()
	}
	if m.Return, m.EnvID = t.params.ret, t.params.envID; t.told {
		m.Notify = s.told(ctx, t, v)
	}
	if len(t.remote)+len(t.forwards) > 0 {
		m.RequireTLS, m.TLSOptional = t.params.needsTLS, !t.params.needsTLS && tlsOptional(t.header())
	}
	desk := handover.Desk{Accounts: s.cfg.Accounts, Queue: s.cfg.Queue, Outbound: s.cfg.Outbound, Paths: s.cfg.Directory, Expire: s.cfg.Expire}
	return desk.Take(ctx, &m)
}

// needsUTF8 tells whether a message can only go to a host that has SMTPUTF8: because of its
// envelope or its header, not because the client has said so to be safe.
//
// RFC 6531, section 3.6: it is relayed with SMTPUTF8 only to a server that offers it, else returned to its sender.
func (s *session) needsUTF8(t *transaction) bool {
	if !t.params.utf8 || !s.submission {
		return t.params.utf8
	}
	return t.in.Wide() || t.from.NeedsUTF8() || slices.ContainsFunc(t.rcpts, address.Address.NeedsUTF8)
}

// told gives who is told of deliveries, nil if nobody is: a sender elsewhere is only when
// his address was found to be who sent it, or the notification would go to somebody who has
// nothing to do with the message.
func (s *session) told(ctx context.Context, t *transaction, v verdict) *delivery.Notify {
	n := &delivery.Notify{Host: s.cfg.Hostname, EnvID: t.params.envID, UTF8: t.params.utf8}
	switch {
	case t.from.IsZero(): // RFC 3461, section 6.2: nobody is told of what has no sender
		return nil
	case s.user != nil:
		n.Account = s.user.Account
	case t.trial != nil && !v.Proven:
		return nil
	default:
		r, err := s.cfg.Directory.Resolve(ctx, t.from)
		switch {
		case kinds.Is(err, kinds.Denied):
			return n
		case err != nil || len(r.Recipients) != 1:
			return nil
		}
		n.Account = r.Recipients[0].Account
	}
	if head, ok := s.cfg.Accounts.Known(n.Account); ok {
		n.Seen = head.Seq
	} else if head, err := s.cfg.Accounts.Head(ctx, n.Account); err == nil {
		n.Seen = head.Seq
	}
	return n
}
