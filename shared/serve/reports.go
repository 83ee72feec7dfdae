package serve

import (
	"cmp"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/reports"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/spool"
)

// wireTally makes what counts what is seen of other domains, if their owners are to be told.
func (s *Service) wireTally() {
	if !s.settings.ReportsSend {
		return
	}
	s.tally = &reports.Tally{Records: s.ports.Records, Now: s.options.Now, Log: s.log, Wanted: reports.WantsTLS(s.resolver)}
	s.background = append(s.background, s.tally.Run)
}

// wireReporter makes what tells them, where mail can be sent.
func (s *Service) wireReporter(mails *spool.Spool) {
	if s.tally == nil {
		return
	}
	st := s.settings
	domain := cmp.Or(st.ReportsDomain, st.Hostname)
	r := &reports.Reporter{Config: reports.Config{Domain: domain, Contact: cmp.Or(st.ReportsContact, "postmaster@"+domain)}, Records: s.ports.Records,
		Blobs: blob.Store{Driver: s.ports.Blobs}, Outbound: mails, Resolver: s.resolver, Guard: &resolver.Guard{Resolver: s.resolver, Allow: st.OutboundAllow},
		Now: s.options.Now, Log: s.log}
	s.background = append(s.background, r.Run)
}
