package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/reports"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/signing"
)

// DNS is what is needed to say what a domain needs in the DNS.
type DNS struct {
	Keys     *signing.Keys
	Resolver *resolver.Resolver
	Host     string // by which the service is known
	MTASTS   string // mode of our domains' policy (RFC 8461): "testing" or "enforce"; else they have none
}

// DNSRecord is a record that a domain needs.
type DNSRecord struct {
	Type  string `json:"type" enum:"MX,TXT,SRV,CNAME"`
	Name  string `json:"name"`
	Value string `json:"value"`
	For   string `json:"for" doc:"What it is for."`
	Found bool   `json:"found" doc:"It is in the DNS now, or one that does as well."`
}

// DNSRecords are all of them.
type DNSRecords struct {
	Domain  string      `json:"domain"`
	Records []DNSRecord `json:"records" nullable:"false"`
}

func (s *server) domainRecords(api huma.API) {
	huma.Register(api, operation(http.MethodGet, "/v1/domains/{domain}/dns", "get-domain-dns", "Show what a domain needs in the DNS, and what of it is there", http.StatusOK),
		func(ctx context.Context, in *DomainPath) (*one[DNSRecords], error) {
			d, err := s.dir.Domain(ctx, scope(ctx), in.Domain)
			if err != nil {
				return nil, s.problem(ctx, err)
			}
			records, err := s.needed(ctx, d.Name)
			return shown(ctx, s, "", records, err)
		})
	op := operation(http.MethodPost, "/v1/domains/{domain}/dns/rotate", "rotate-domain-keys", "Make new keys by which a domain signs its mail (DKIM)", http.StatusOK)
	op.Description = "Those in use go on signing until the new ones are found in the DNS. Keep their records for a week after that."
	huma.Register(api, op, func(ctx context.Context, in *DomainPath) (*one[DNSRecords], error) {
		d, err := s.dir.Domain(ctx, scope(ctx), in.Domain)
		if err == nil {
			err = s.dns.Keys.Rotate(ctx, d.Name)
		}
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		records, err := s.needed(ctx, d.Name)
		return shown(ctx, s, "", records, err)
	})
}

// giveUp deletes a domain, and its keys, which whoever has it next must not get.
func (s *server) giveUp(ctx context.Context, who directory.Scope, name, match string) error {
	d, err := s.dir.Domain(ctx, who, name)
	if err != nil {
		return err
	}
	if err := s.dir.DeleteDomain(ctx, who, name, match); err != nil {
		return err
	}
	if s.dns == nil {
		return nil
	}
	return s.dns.Keys.Drop(ctx, d.Name)
}

// needed gives the records of a domain.
func (s *server) needed(ctx context.Context, domain string) (DNSRecords, error) {
	list := []DNSRecord{s.mx(ctx, domain), s.spf(ctx, domain), s.policy(ctx, domain)}
	keys, err := s.dns.Keys.List(ctx, domain)
	if err != nil {
		return DNSRecords{}, err
	}
	for _, k := range keys {
		list = append(list, DNSRecord{"TXT", k.Name, k.Value, "DKIM: others see that mail is from the domain, unchanged", k.Live})
	}
	list = append(list, s.policies(ctx, domain)...)
	// RFC 6186, section 3.4; RFC 8314, section 5.1: clients find the servers by these.
	for _, v := range []struct{ service, port string }{{"_submissions", "465"}, {"_imaps", "993"}, {"_pop3s", "995"}} {
		list = append(list, s.srv(ctx, v.service+"._tcp."+domain, v.port))
	}
	return DNSRecords{domain, list}, nil
}

func (s *server) mx(ctx context.Context, domain string) DNSRecord {
	r := DNSRecord{Type: "MX", Name: domain, Value: "10 " + s.dns.Host + ".", For: "mail for the domain comes here"}
	found, _, _ := s.dns.Resolver.MX(ctx, domain)
	r.Found = slices.ContainsFunc(found, func(mx resolver.MX) bool { return strings.EqualFold(mx.Host, s.dns.Host) })
	return r
}

func (s *server) spf(ctx context.Context, domain string) DNSRecord {
	r := DNSRecord{Type: "TXT", Name: domain, Value: "v=spf1 a:" + s.dns.Host + " -all", For: "SPF: others see who may send for the domain; add what else sends, such as a smarthost"}
	found, _, _ := s.dns.Resolver.TXT(ctx, domain)
	r.Found = slices.ContainsFunc(found, func(text string) bool { return text == "v=spf1" || strings.HasPrefix(text, "v=spf1 ") })
	return r
}

func (s *server) policy(ctx context.Context, domain string) DNSRecord {
	r := DNSRecord{Type: "TXT", Name: "_dmarc." + domain, Value: "v=DMARC1; p=quarantine; rua=mailto:" + reports.DMARCAddress + "@" + domain, For: "DMARC: others know what to do with mail that only claims to be from the domain"}
	found, _, _ := s.dns.Resolver.TXT(ctx, r.Name)
	r.Found = slices.ContainsFunc(found, func(text string) bool { return dmarc.Parse(text) != nil })
	return r
}

func (s *server) srv(ctx context.Context, name, port string) DNSRecord {
	r := DNSRecord{Type: "SRV", Name: name, Value: "0 1 " + port + " " + s.dns.Host + ".", For: "mail programs find the server"}
	r.Found = s.dns.Resolver.HasSRV(ctx, name, s.dns.Host)
	return r
}
