package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/reports"
)

// DomainReport is what another host has reported of a domain.
type DomainReport struct {
	Kind     string        `json:"kind" enum:"dmarc,tls" doc:"Of mail in the domain's name, or of TLS with its hosts."`
	Reporter string        `json:"reporter"`
	ID       string        `json:"id"`
	Begin    time.Time     `json:"begin"`
	End      time.Time     `json:"end"`
	Passed   int64         `json:"passed" doc:"Messages that pass DMARC; sessions with TLS."`
	Failed   int64         `json:"failed"`
	Causes   []ReportCause `json:"causes" nullable:"false" doc:"The most frequent ones of what failed."`
}

// ReportCause is the address that sent what fails DMARC, or how TLS failed.
type ReportCause struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// DomainReports are all of them.
type DomainReports struct {
	Domain  string         `json:"domain"`
	Reports []DomainReport `json:"reports" nullable:"false"`
}

// maxReports is how many are shown at once.
const maxReports = 1000

func (s *server) domainReports(api huma.API) {
	op := operation(http.MethodGet, "/v1/domains/{domain}/reports", "get-domain-reports", "Show what other hosts have reported of a domain", http.StatusOK)
	op.Description = "They send reports to dmarc-reports and tls-reports at the domain, if its records in the DNS say so. At most 1,000, the oldest first."
	huma.Register(api, op, func(ctx context.Context, in *struct {
		DomainPath
		Days int `query:"days" minimum:"1" maximum:"400" default:"30" doc:"How far back."`
	}) (*one[DomainReports], error) {
		d, err := s.dir.Domain(ctx, scope(ctx), in.Domain)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		found, err := reports.List(ctx, s.records, d.Name, s.now().AddDate(0, 0, -in.Days), maxReports)
		body := DomainReports{Domain: d.Name, Reports: []DomainReport{}}
		for _, r := range found {
			v := DomainReport{Kind: r.Kind, Reporter: r.Reporter, ID: r.ID, Begin: time.UnixMilli(r.BeginMS).UTC(), End: time.UnixMilli(r.EndMS).UTC(), Passed: r.Passed, Failed: r.Failed,
				Causes: []ReportCause{}}
			for _, c := range r.Causes {
				v.Causes = append(v.Causes, ReportCause{c.Name, c.Count})
			}
			body.Reports = append(body.Reports, v)
		}
		return shown(ctx, s, "", body, err)
	})
}
