package dmarc

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// Report is an aggregate report: what a receiver has seen of a domain's mail (RFC 9990,
// section 3.1.1; those of RFC 7489 are read too).
type Report struct {
	XMLName  xml.Name  `xml:"feedback"`
	Space    string    `xml:"xmlns,attr,omitempty"`
	Version  string    `xml:"version,omitempty"`
	Metadata Metadata  `xml:"report_metadata"`
	Policy   Published `xml:"policy_published"`
	Rows     []Row     `xml:"record"`
}

// Metadata is who reports, and of which time.
type Metadata struct {
	Organization string `xml:"org_name"`
	Email        string `xml:"email"`
	ID           string `xml:"report_id"`
	Begin        int64  `xml:"date_range>begin"` // seconds since 1970
	End          int64  `xml:"date_range>end"`
	Generator    string `xml:"generator,omitempty"`
}

// Published is the policy that the receiver found.
type Published struct {
	Domain      string `xml:"domain"`
	Discovery   string `xml:"discovery_method,omitempty"`
	Policy      Policy `xml:"p"`
	Subdomains  Policy `xml:"sp,omitempty"`
	NonExistent Policy `xml:"np,omitempty"`
	DKIM        string `xml:"adkim,omitempty"`
	SPF         string `xml:"aspf,omitempty"`
	Testing     string `xml:"testing,omitempty"`
}

// Publish tells a record as reports do.
func (r *Record) Publish(domain string) Published {
	mode := map[bool]string{true: "s", false: "r"}
	return Published{domain, "treewalk", r.Policy, r.Subdomains, r.NonExistent, mode[r.StrictDKIM], mode[r.StrictSPF], map[bool]string{true: "y", false: "n"}[r.Testing]}
}

// Row is messages that were alike.
type Row struct {
	IP          string       `xml:"row>source_ip"`
	Count       int64        `xml:"row>count"`
	Disposition Policy       `xml:"row>policy_evaluated>disposition"`
	DKIM        string       `xml:"row>policy_evaluated>dkim"` // aligned: "pass" or "fail"
	SPF         string       `xml:"row>policy_evaluated>spf"`
	Reasons     []Reason     `xml:"row>policy_evaluated>reason"`
	From        string       `xml:"identifiers>header_from"`
	Envelope    string       `xml:"identifiers>envelope_from,omitempty"`
	Signatures  []DKIMResult `xml:"auth_results>dkim"`
	Sender      *SPFResult   `xml:"auth_results>spf"`
}

// Reason is why something else was done than the policy asks for.
type Reason struct {
	Type    string `xml:"type"`
	Comment string `xml:"comment,omitempty"`
}

// DKIMResult is what became of a signature.
type DKIMResult struct {
	Domain   string `xml:"domain"`
	Selector string `xml:"selector"`
	Result   string `xml:"result"`
}

// SPFResult is what SPF said.
type SPFResult struct {
	Domain string `xml:"domain"`
	Scope  string `xml:"scope,omitempty"`
	Result string `xml:"result"`
}

// Namespace of reports: RFC 9990, appendix A.
const Namespace = "urn:ietf:params:xml:ns:dmarc-2.0"

// Compose gives the report as XML.
func (r *Report) Compose() ([]byte, error) {
	r.Version, r.Space = "1.0", Namespace
	text, err := xml.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, kinds.Wrap(kinds.Internal, err, "dmarc: report")
	}
	return append(append([]byte(xml.Header), text...), '\n'), nil
}

// Limits of a report that others send.
const (
	maxRows  = 100_000
	maxToken = 2_000_000
	maxDepth = 20
)

// ParseReport reads a report; kinds.Invalid when it is none, kinds.Limit when it is too
// large. Entities are not expanded beyond XML's own five, and a document type is refused.
func ParseReport(text []byte) (*Report, error) {
	if err := bounded(text); err != nil {
		return nil, err
	}
	d := decoder(text)
	r := new(Report)
	if err := d.Decode(r); err != nil {
		return nil, kinds.Wrap(kinds.Invalid, err, "dmarc: report")
	}
	if r.Policy.Domain == "" || r.Metadata.ID == "" {
		return nil, kinds.Errorf(kinds.Invalid, "dmarc: the report names no domain or has no id")
	}
	for i := range r.Rows {
		if r.Rows[i].Count < 0 || r.Rows[i].Count > 1<<40 {
			return nil, kinds.Errorf(kinds.Invalid, "dmarc: the report counts what can't be")
		}
	}
	return r, nil
}

func decoder(text []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(text))
	// QUIRK: some reporters say windows-1252 or us-ascii and write ASCII.
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	return d
}

// bounded sees to it that what is decoded is no more than is wanted.
func bounded(text []byte) error {
	d := decoder(text)
	depth, rows := 0, 0
	for tokens := 0; ; tokens++ {
		token, err := d.RawToken()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return kinds.Wrap(kinds.Invalid, err, "dmarc: report")
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth++; token.Name.Local == "record" {
				rows++
			}
		case xml.EndElement:
			depth--
		case xml.Directive:
			return kinds.Errorf(kinds.Invalid, "dmarc: the report has a document type")
		}
		if tokens > maxToken || depth > maxDepth || rows > maxRows {
			return kinds.Errorf(kinds.Limit, "dmarc: the report is too large")
		}
	}
}

// Passed tells whether the row's messages pass DMARC.
func (r *Row) Passed() bool {
	return strings.EqualFold(strings.TrimSpace(r.DKIM), "pass") || strings.EqualFold(strings.TrimSpace(r.SPF), "pass")
}
