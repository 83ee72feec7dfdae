package reports

import (
	"net/netip"
	"slices"

	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/tlsrpt"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/senderauth"
)

// maxSignatures is how many signatures of a message are reported.
const maxSignatures = 10

// Judged counts a message of another host, with which was done what done says.
func (t *Tally) Judged(ip netip.Addr, v *senderauth.Verdict, done dmarc.Policy) {
	d := &v.DMARC
	if d.Record == nil || len(d.Record.Reports) == 0 || d.Result != dkim.Pass && d.Result != dkim.Fail {
		return
	}
	row := dmarc.Row{IP: ip.Unmap().WithZone("").String(), Disposition: done, DKIM: passFail(d.DKIMAligned), SPF: passFail(d.SPFAligned), From: d.From}
	switch {
	case d.Sealer != "":
		row.Reasons = []dmarc.Reason{{Type: "trusted_forwarder", Comment: "the ARC seal of " + d.Sealer + " is believed"}}
	case d.Result == dkim.Fail && d.Record.Testing && d.Policy != dmarc.NoPolicy && done == d.Disposition():
		row.Reasons = []dmarc.Reason{{Type: "policy_test_mode"}}
	case done != d.Do:
		row.Reasons = []dmarc.Reason{{Type: "local_policy"}}
	}
	if v.SPF.Domain != "" {
		row.Sender = &dmarc.SPFResult{Domain: v.SPF.Domain, Scope: "mfrom", Result: string(v.SPF.Result)}
		if !v.SPF.Hello {
			row.Envelope = v.SPF.Domain
		}
	}
	list := slices.Clone(v.DKIM)
	slices.SortStableFunc(list, func(a, b dkim.Signature) int { return rank(a, d.From) - rank(b, d.From) })
	for _, s := range list[:min(len(list), maxSignatures)] {
		row.Signatures = append(row.Signatures, dmarc.DKIMResult{Domain: cut(s.Domain), Selector: cut(s.Selector), Result: string(s.Result)})
	}
	t.add(ofDMARC, d.Domain, d.Record.Publish(d.Domain), row)
}

// rank puts signatures into the order in which reports prefer them: RFC 9990, section 3.1.4.
func rank(s dkim.Signature, from string) int {
	switch {
	case s.Result == dkim.Pass && s.Domain == from:
		return 0
	case s.Result == dkim.Pass:
		return 1
	}
	return 2
}

func passFail(ok bool) string {
	if ok {
		return "pass"
	}
	return "fail"
}

func cut(s string) string { return s[:min(len(s), 253)] }

// tlsRow is sessions that were alike.
type tlsRow struct {
	Type    string   `cbor:"1,keyasint"`
	Text    []string `cbor:"2,keyasint,omitempty"`
	Hosts   []string `cbor:"3,keyasint,omitempty"`
	Result  string   `cbor:"4,keyasint,omitempty"` // "": they succeeded, and no more is told of them
	Local   string   `cbor:"5,keyasint,omitempty"`
	Host    string   `cbor:"6,keyasint,omitempty"`
	Remote  string   `cbor:"7,keyasint,omitempty"`
	Because string   `cbor:"8,keyasint,omitempty"`
}

// maxWhy is how much of a reason is told, in octets.
const maxWhy = 200

// Session counts what came of TLS with a host.
func (t *Tally) Session(s relay.Session) {
	row := tlsRow{Type: s.Policy.Type, Text: s.Policy.Text, Hosts: s.Policy.Hosts, Result: s.Result}
	if s.Result != "" {
		row.Local, row.Host, row.Remote, row.Because = s.Local, cut(s.Host), s.Remote, s.Why[:min(len(s.Why), maxWhy)]
	}
	t.add(ofTLS, s.Domain, nil, row)
}

// policy is the row's policy, for a report on a domain.
func (r *tlsRow) policy(domain string) tlsrpt.Policy {
	return tlsrpt.Policy{Type: r.Type, Text: r.Text, Domain: domain, Hosts: r.Hosts}
}
