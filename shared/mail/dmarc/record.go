// Package dmarc finds a domain's DMARC policy by walking up the DNS, and holds what was
// authenticated of a message against it (RFC 9989).
//
// It does no I/O: records are looked up by a function that the caller gives.
package dmarc

import (
	"net/mail"
	"net/url"
	"strconv"
	"strings"
)

// Policy is what a domain's owner wants done with mail that fails.
type Policy string

// The policies.
const (
	NoPolicy   Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// Record is a DMARC record.
type Record struct {
	Policy      Policy // p=
	Subdomains  Policy // sp=, or p=
	NonExistent Policy // np=, or sp=
	Testing     bool   // t=y, or pct=0 of before: one step less than the policy says
	StrictDKIM  bool   // adkim=s
	StrictSPF   bool   // aspf=s
	PSD         byte   // psd=: 'y', 'n' or 'u'
	Reports     []Destination
}

// Destination is where aggregate reports are wanted.
type Destination struct {
	Address string
	Max     int64 // octets of a message that it takes; 0: as many as there are
}

// Domain is the domain of the address, lower case.
func (d Destination) Domain() string {
	return strings.ToLower(d.Address[strings.LastIndexByte(d.Address, '@')+1:])
}

// maxReports is how many addresses for reports are kept of one record.
const maxReports = 5

// Parse reads the text at _dmarc.DOMAIN; nil if it is no DMARC record.
//
// RFC 9989, section 4.7: v= MUST come first; unknown tags MUST be ignored; a record whose p= is missing or not known counts as p=none if it asks for reports.
func Parse(text string) *Record {
	tags := map[string]string{}
	for i, part := range strings.Split(text, ";") {
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.ToLower(strings.Trim(name, " \t")), strings.Trim(value, " \t")
		if i == 0 && (name != "v" || value != "DMARC1") {
			return nil
		}
		if _, twice := tags[name]; ok && !twice {
			tags[name] = value
		}
	}
	r := &Record{PSD: 'u'}
	for uri := range strings.SplitSeq(tags["rua"], ",") {
		if to := mailto(uri); to.Address != "" && len(r.Reports) < maxReports {
			r.Reports = append(r.Reports, to)
		}
	}
	var ok bool
	if r.Policy, ok = policy(tags, "p", NoPolicy); !ok && len(r.Reports) == 0 {
		return nil
	}
	r.Subdomains, _ = policy(tags, "sp", r.Policy)
	r.NonExistent, _ = policy(tags, "np", r.Subdomains)
	r.StrictDKIM, r.StrictSPF = strings.EqualFold(tags["adkim"], "s"), strings.EqualFold(tags["aspf"], "s")
	r.Testing = strings.EqualFold(tags["t"], "y") || tags["pct"] == "0"
	if psd := strings.ToLower(tags["psd"]); psd == "y" || psd == "n" {
		r.PSD = psd[0]
	}
	return r
}

// policy reads a policy; ok is false when there is something else.
func policy(tags map[string]string, name string, missing Policy) (p Policy, ok bool) {
	value, there := tags[name]
	switch p := Policy(strings.ToLower(value)); {
	case !there:
		return missing, true
	case p == NoPolicy || p == Quarantine || p == Reject:
		return p, true
	}
	return missing, false
}

// mailto reads a URI; the zero value if it is no mail address.
func mailto(uri string) (d Destination) {
	u, err := url.Parse(strings.TrimSpace(uri))
	if err != nil || !strings.EqualFold(u.Scheme, "mailto") {
		return d
	}
	addr, limit, _ := strings.Cut(u.Opaque, "!")
	if addr, err = url.PathUnescape(addr); err != nil {
		return d
	}
	a, err := mail.ParseAddress(addr)
	if err != nil || a.Address != addr {
		return d
	}
	return Destination{addr, octets(limit)}
}

// octets reads a size limit, "10m"; 0 if it is none.
//
// RFC 7489, section 6.2: k, m, g or t stand for 2^10, 2^20, 2^30 and 2^40 octets.
func octets(s string) int64 {
	shift := 0
	for i, unit := range "kmgt" {
		if rest, ok := strings.CutSuffix(strings.ToLower(s), string(unit)); ok {
			s, shift = rest, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseUint(s, 10, 20)
	if err != nil {
		return 0
	}
	return int64(n) << shift
}
