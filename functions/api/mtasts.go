package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"

	"github.com/miekg/dns"

	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/mail/tlsrpt"
	"github.com/godwit-mail/godwit/shared/mtasts"
	"github.com/godwit-mail/godwit/shared/reports"
)

// policyPath is where others look for the MTA-STS policy of a domain, at https://mta-sts.DOMAIN.
const policyPath = "/.well-known/mta-sts.txt"

// policyText is the MTA-STS policy of each of our domains: its mail comes here.
func (d *DNS) policyText() string {
	return "version: STSv1\r\nmode: " + d.MTASTS + "\r\nmx: " + d.Host + "\r\nmax_age: 604800\r\n"
}

// announces tells whether our domains have a policy.
func (s *server) announces() bool {
	return s.dns != nil && (s.dns.MTASTS == string(mtasts.Testing) || s.dns.MTASTS == string(mtasts.Enforce))
}

// servePolicy gives the policy of a domain of ours to anybody. The name by which it is asked
// for says which.
func (s *server) servePolicy(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(strings.ToLower(r.Host), ":")
	domain, ok := strings.CutPrefix(host, "mta-sts.")
	if ok && s.announces() {
		_, err := s.dir.Domain(ctx, directory.ServiceScope(""), domain)
		ok = err == nil
	}
	if !ok || !s.announces() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, s.dns.policyText())
}

// policies are the records by which others find the policy, and where to report.
func (s *server) policies(ctx context.Context, domain string) (list []DNSRecord) {
	if s.announces() {
		sum := sha256.Sum256([]byte(s.dns.policyText()))
		id := hex.EncodeToString(sum[:10])
		r := DNSRecord{Type: "TXT", Name: "_mta-sts." + domain, Value: "v=STSv1; id=" + id, For: "MTA-STS: others send the domain's mail by verified TLS; its policy is served at https://mta-sts." + domain}
		texts, _, _ := s.dns.Resolver.TXT(ctx, r.Name)
		r.Found = mtasts.ParseRecord(texts) == id
		host := DNSRecord{Type: "CNAME", Name: "mta-sts." + domain, Value: s.dns.Host + ".", For: "the web server of that policy: this service's API, or what stands before it with a certificate of the name"}
		a, _ := s.dns.Resolver.Lookup(ctx, host.Name, dns.TypeCNAME)
		addrs, _, _ := s.dns.Resolver.Addrs(ctx, host.Name)
		host.Found = len(a.Records) > 0 || len(addrs) > 0
		list = append(list, r, host)
	}
	r := DNSRecord{Type: "TXT", Name: "_smtp._tls." + domain, Value: "v=TLSRPTv1; rua=mailto:" + reports.TLSAddress + "@" + domain, For: "TLSRPT: others report here how TLS goes"}
	texts, _, _ := s.dns.Resolver.TXT(ctx, r.Name)
	r.Found = len(tlsrpt.ParseRecord(texts)) > 0
	return append(list, r)
}
