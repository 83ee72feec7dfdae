package imap

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
)

// A quota root is an account that has limits; the name of the client's own is empty, that of another
// one is the name of its INBOX. Quotas are set by who runs the service, over its API: no account has a
// role by which it could set its own or another one's, so QUOTASET is left out. QUOTA is RFC 9208.

// getQuotaRoot is GETQUOTAROOT.
func (s *session) getQuotaRoot(cmd *command) error {
	return s.withinNamed(cmd, account.MayRead, func(ctx context.Context, p *place, m *account.Mailbox) error {
		q, err := s.quota(ctx, p)
		if err != nil {
			return err
		}
		w := s.w().Raw("* QUOTAROOT ").Mailbox(p.shown(m.Name))
		if q == (account.Quota{}) {
			w.CRLF()
			return nil
		}
		w.Raw(" ").String(p.root).CRLF()
		s.writeQuota(p, q)
		return nil
	})
}

// getQuota is GETQUOTA.
func (s *session) getQuota(cmd *command) error {
	cmd.SP()
	root := cmd.AString()
	if err := cmd.End(); err != nil {
		return err
	}
	ctx, cancel := s.context()
	defer cancel()
	p, err := s.place(ctx, root)
	if err != nil {
		return err
	}
	defer p.release()
	readable := slices.ContainsFunc(p.account.State().Mailboxes(), func(m *account.Mailbox) bool { return p.account.Rights(m)&account.MayRead != 0 })
	q, err := s.quota(ctx, p)
	if err != nil {
		return err
	}
	if root != p.root || !readable || q == (account.Quota{}) {
		return no(imap.ResponseCodeNonExistent, "No such quota root")
	}
	s.writeQuota(p, q)
	return nil
}

// setQuota is SETQUOTA.
func (s *session) setQuota(cmd *command) error {
	cmd.SP()
	cmd.AString()
	cmd.SP()
	cmd.List(func() {
		cmd.Atom()
		cmd.SP()
		cmd.Number64()
	})
	if err := cmd.End(); err != nil {
		return err
	}
	return no(imap.ResponseCodeNoPerm, "Quotas are not set by mail clients")
}

// quota gives the limits of a place's account.
func (s *session) quota(ctx context.Context, p *place) (account.Quota, error) {
	limits, err := s.gateway.cfg.Quota.Limits(ctx, p.owner)
	if err != nil {
		return account.Quota{}, s.fail(err)
	}
	return limits.Account, nil
}

// writeQuota tells what is held of what may be. A resource without a limit isn't named, but one is.
//
// RFC 9208, section 7: quota-list = "(" quota-resource *(SP quota-resource) ")"
// RFC 9208, section 5.1: STORAGE is counted in units of 1024 octets.
func (s *session) writeQuota(p *place, q account.Quota) {
	held := p.account.State().Standing().Totals
	w := s.w().Raw("* QUOTA ").String(p.root).Raw(" (")
	sep := ""
	if q.Bytes > 0 {
		w.Raw("STORAGE ").Uint(kibi(held.Bytes)).Raw(" ").Uint(kibi(q.Bytes))
		sep = " "
	}
	if q.Messages > 0 {
		w.Raw(sep).Raw("MESSAGE ").Uint(uint64(held.Messages)).Raw(" ").Uint(uint64(q.Messages))
	}
	w.Raw(")\r\n")
}

func kibi(n int64) uint64 { return uint64(n+1023) / 1024 }
