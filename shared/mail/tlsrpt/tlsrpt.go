// Package tlsrpt reads and composes what RFC 8460 has hosts tell each other about TLS: where
// a domain wants reports, and the reports.
package tlsrpt

import (
	"encoding/json"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Destination is where reports are wanted: one of the two.
type Destination struct {
	Address string // of mail
	URL     string // https
}

// maxDestinations is how many are kept of one record.
const maxDestinations = 5

// ParseRecord gives the destinations of the texts at _smtp._tls.DOMAIN; none if there is no
// record, or more than one.
//
// RFC 8460, section 3: if the number of resulting records is not one, senders MUST assume the recipient domain does not implement TLSRPT.
func ParseRecord(texts []string) (list []Destination) {
	n := 0
	for _, text := range texts {
		first, rest, _ := strings.Cut(text, ";")
		if strings.TrimRight(first, " \t") != "v=TLSRPTv1" {
			continue
		}
		n++
		for field := range strings.SplitSeq(rest, ";") {
			key, value, _ := strings.Cut(field, "=")
			if strings.TrimSpace(key) != "rua" {
				continue
			}
			for uri := range strings.SplitSeq(value, ",") {
				if d, ok := destination(strings.TrimSpace(uri)); ok && len(list) < maxDestinations {
					list = append(list, d)
				}
			}
		}
	}
	if n != 1 {
		return nil
	}
	return list
}

func destination(uri string) (d Destination, ok bool) {
	u, err := url.Parse(uri)
	if err != nil || len(uri) > 1000 {
		return d, false
	}
	switch strings.ToLower(u.Scheme) {
	case "https":
		return Destination{URL: u.String()}, u.Host != "" && u.User == nil
	case "mailto":
		addr, err := url.PathUnescape(u.Opaque)
		if err != nil {
			return d, false
		}
		a, err := mail.ParseAddress(addr)
		return Destination{Address: addr}, err == nil && a.Address == addr
	}
	return d, false
}

// Report is one report: RFC 8460, section 4.4.
type Report struct {
	Organization string   `json:"organization-name"`
	Range        Range    `json:"date-range"`
	Contact      string   `json:"contact-info"`
	ID           string   `json:"report-id"`
	Policies     []Result `json:"policies"`
}

// Range is the time of which is reported.
type Range struct {
	Start time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"`
}

// Result is what came of one policy.
type Result struct {
	Policy   Policy    `json:"policy"`
	Summary  Summary   `json:"summary"`
	Failures []Failure `json:"failure-details,omitempty"`
}

// Policy is what was applied.
type Policy struct {
	Type   string   `json:"policy-type"` // "tlsa", "sts" or "no-policy-found"
	Text   []string `json:"policy-string,omitempty"`
	Domain string   `json:"policy-domain"`
	Hosts  Hosts    `json:"mx-host,omitempty"`
}

// Hosts are patterns of an MTA-STS policy. QUIRK: RFC 8460 shows a list and some reporters
// write one text.
type Hosts []string

// UnmarshalJSON is of json.Unmarshaler.
func (h *Hosts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*h = Hosts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(h))
}

// Summary counts sessions.
type Summary struct {
	Successful int64 `json:"total-successful-session-count"`
	Failed     int64 `json:"total-failure-session-count"`
}

// Failure is sessions that failed alike.
type Failure struct {
	Type        string `json:"result-type"`
	SendingIP   string `json:"sending-mta-ip,omitempty"`
	Host        string `json:"receiving-mx-hostname,omitempty"`
	ReceivingIP string `json:"receiving-ip,omitempty"`
	Count       int64  `json:"failed-session-count"`
	Reason      string `json:"failure-reason-code,omitempty"`
}

// Limits of a report that others send.
const (
	maxPolicies = 1000
	maxFailures = 100_000
)

// Parse reads a report; kinds.Invalid when it is none, kinds.Limit when it is too large.
func Parse(text []byte) (*Report, error) {
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil { // which goes no deeper than 10,000
		return nil, kinds.Wrap(kinds.Invalid, err, "tlsrpt: report")
	}
	if r.ID == "" || len(r.Policies) == 0 {
		return nil, kinds.Errorf(kinds.Invalid, "tlsrpt: the report has no id or no policy")
	}
	failures := 0
	for _, p := range r.Policies {
		failures += len(p.Failures)
		for _, n := range []int64{p.Summary.Successful, p.Summary.Failed} {
			if n < 0 || n > 1<<40 {
				return nil, kinds.Errorf(kinds.Invalid, "tlsrpt: the report counts what can't be")
			}
		}
		for _, f := range p.Failures {
			if f.Count < 0 || f.Count > 1<<40 {
				return nil, kinds.Errorf(kinds.Invalid, "tlsrpt: the report counts what can't be")
			}
		}
	}
	if len(r.Policies) > maxPolicies || failures > maxFailures {
		return nil, kinds.Errorf(kinds.Limit, "tlsrpt: the report is too large")
	}
	return r, nil
}
