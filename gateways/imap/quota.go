package imap

import "github.com/emersion/go-imap/v2"

// There is one quota root, the account, and its name is empty. Quotas are set by who runs
// the service, over its API. QUOTA is RFC 9208.

// getQuotaRoot is GETQUOTAROOT.
func (s *session) getQuotaRoot(cmd *command) error {
	cmd.SP()
	name := cmd.Mailbox()
	if err := cmd.End(); err != nil {
		return err
	}
	m, err := s.mailbox(name)
	if err != nil {
		return err
	}
	s.w().Raw("* QUOTAROOT ").Mailbox(m.Name).Raw(` ""`).CRLF()
	return s.writeQuota()
}

// getQuota is GETQUOTA.
func (s *session) getQuota(cmd *command) error {
	cmd.SP()
	root := cmd.AString()
	if err := cmd.End(); err != nil {
		return err
	}
	if root != "" {
		return no(imap.ResponseCodeNonExistent, "No such quota root")
	}
	return s.writeQuota()
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
func (s *session) writeQuota() error {
	ctx, cancel := s.context()
	defer cancel()
	limits, err := s.gateway.cfg.Quota.Limits(ctx, s.identity)
	if err != nil {
		return s.fail(err)
	}
	held := s.account.State().Standing().Totals
	w := s.w().Raw(`* QUOTA "" (`)
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
