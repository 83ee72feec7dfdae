package smtp

import (
	"context"
	"slices"
	"strings"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/mail/address"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/reports"
)

// reported tells whether reports about the address's domain come to it.
func (s *session) reported(t *transaction, addr address.Address) bool {
	if s.cfg.Inbox == nil || s.submission || !reports.IsAddress(addr.Local) {
		return false
	}
	if domain := strings.ToLower(addr.Domain); !slices.Contains(t.reported, domain) {
		t.reported = append(t.reported, domain)
	}
	return true
}

// takeReports reads the message as reports about the domains that it is for, if it is known
// who sent it. A message that can't be kept is sent again, and what was kept counts once.
func (s *session) takeReports(ctx context.Context, t *transaction, ref blob.Ref, sum *message.Summary, v verdict) error {
	for _, domain := range t.reported {
		if !v.Passed {
			s.log.Info("a report is passed over: DMARC does not pass", "message", t.id, "domain", domain, "from", v.From)
			continue
		}
		n, err := s.cfg.Inbox.Take(ctx, domain, sum, ref)
		if err != nil {
			return err
		}
		s.log.Info("reports about a domain", "message", t.id, "domain", domain, "from", v.From, "reports", n)
	}
	return nil
}
