package imap

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/account"
)

// A quota root is an account; the name of the client's own is empty, that of another one is the
// name of its INBOX. Quotas are set by who runs the service, over its API: no account has a role
// by which it could set its own or another one's, so QUOTASET is left out. QUOTA is RFC 9208.

// getQuotaRoot is GETQUOTAROOT.
func (s *session) getQuotaRoot(cmd *command) error {
	return s.withinNamed(cmd, account.MayRead, func(ctx context.Context, p *place, m *account.Mailbox) error {
		s.w().Raw("* QUOTAROOT ").Mailbox(p.shown(m.Name)).Raw(" ").String(p.root).CRLF()
		return s.writeQuota(ctx, p)
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
	if root != p.root || !readable {
		return no(imap.ResponseCodeNonExistent, "No such quota root")
	}
	return s.writeQuota(ctx, p)
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

// writeQuota tells what is held of what may be. A resource without a limit isn't named.
//
// RFC 9208, section 5.1: STORAGE is counted in units of 1024 octets.
func (s *session) writeQuota(ctx context.Context, p *place) error {
	limits, err := s.gateway.cfg.Quota.Limits(ctx, p.owner)
	if err != nil {
		return s.fail(err)
	}
	held := p.account.State().Standing().Totals
	w := s.w().Raw("* QUOTA ").String(p.root).Raw(" (")
	sep := ""
	if q := limits.Account.Bytes; q > 0 {
		w.Raw("STORAGE ").Uint(kibi(held.Bytes)).Raw(" ").Uint(kibi(q))
		sep = " "
	}
	if q := limits.Account.Messages; q > 0 {
		w.Raw(sep).Raw("MESSAGE ").Uint(uint64(held.Messages)).Raw(" ").Uint(uint64(q))
	}
	w.Raw(")\r\n")
	return nil
}

func kibi(n int64) uint64 { return uint64(n+1023) / 1024 }
