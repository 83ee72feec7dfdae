package reports

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/tlsrpt"
)

// report is one that is to be sent.
type report struct {
	kind, domain string
	id           string // the same whenever it is made
	begin, end   time.Time
	content      []byte // gzip
}

// identify reads the id of a record.
func identify(id string) (r report, err error) {
	parts := strings.SplitN(id, "/", 3)
	if len(parts) != 3 {
		return r, kinds.Errorf(kinds.Corrupt, "reports: a record of the name %q", id)
	}
	r.kind, r.domain = parts[1], parts[2]
	r.begin, err = time.Parse(dayForm, parts[0])
	r.end = r.begin.Add(24 * time.Hour)
	sum := sha256.Sum256([]byte(id))
	r.id = strings.ReplaceAll(parts[0], "-", "") + hex.EncodeToString(sum[:8])
	return r, err
}

// compose makes the content of what was seen.
func (c *Config) compose(r *report, s *seen) error {
	var text []byte
	var err error
	if r.kind == ofDMARC {
		text, err = c.composeDMARC(r, s)
	} else {
		text, err = c.composeTLS(r, s)
	}
	if err != nil {
		return err
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = z.Write(text)
	_ = z.Close()
	r.content = b.Bytes()
	return nil
}

func (c *Config) composeDMARC(r *report, s *seen) ([]byte, error) {
	full := dmarc.Report{Metadata: dmarc.Metadata{Organization: c.Domain, Email: c.Contact, ID: r.id, Begin: r.begin.Unix(), End: r.end.Unix() - 1, Generator: "Godwit"}}
	if err := cbor.Unmarshal(s.About, &full.Policy); err != nil {
		return nil, kinds.Wrap(kinds.Corrupt, err, "reports: decode")
	}
	for encoded, n := range s.Rows {
		var row dmarc.Row
		if err := cbor.Unmarshal([]byte(encoded), &row); err != nil {
			return nil, kinds.Wrap(kinds.Corrupt, err, "reports: decode")
		}
		row.Count = n
		full.Rows = append(full.Rows, row)
	}
	slices.SortFunc(full.Rows, func(a, b dmarc.Row) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.IP, b.IP)) })
	return full.Compose()
}

func (c *Config) composeTLS(r *report, s *seen) ([]byte, error) {
	full := tlsrpt.Report{Organization: c.Domain, Contact: c.Contact, ID: r.id, Range: tlsrpt.Range{Start: r.begin, End: r.end.Add(-time.Second)}}
	at := map[string]int{} // policy, encoded, to where it is
	for encoded, n := range s.Rows {
		var row tlsRow
		if err := cbor.Unmarshal([]byte(encoded), &row); err != nil {
			return nil, kinds.Wrap(kinds.Corrupt, err, "reports: decode")
		}
		key := fmt.Sprintf("%q %q %q", row.Type, row.Text, row.Hosts)
		if _, ok := at[key]; !ok {
			at[key] = len(full.Policies)
			full.Policies = append(full.Policies, tlsrpt.Result{Policy: row.policy(r.domain)})
		}
		p := &full.Policies[at[key]]
		if row.Result == "" {
			p.Summary.Successful += n
			continue
		}
		p.Summary.Failed += n
		p.Failures = append(p.Failures, tlsrpt.Failure{Type: row.Result, SendingIP: row.Local, Host: row.Host, ReceivingIP: row.Remote, Count: n, Reason: row.Because})
	}
	slices.SortFunc(full.Policies, func(a, b tlsrpt.Result) int { return strings.Compare(a.Policy.Type, b.Policy.Type) })
	text, err := json.MarshalIndent(&full, "", " ")
	return text, kinds.Wrap(kinds.Internal, err, "reports: encode")
}

// file is what the report's file is called: RFC 9990, section 3.5.1; RFC 8460, section 5.1.
func (c *Config) file(r *report) string {
	name := fmt.Sprintf("%s!%s!%d!%d!%s", c.Domain, r.domain, r.begin.Unix(), r.end.Unix()-1, r.id)
	if r.kind == ofTLS {
		return name + ".json.gz"
	}
	return name + ".xml.gz"
}

// mail makes the message by which the report is sent.
func (c *Config) mail(r *report, to []string, now time.Time) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	boundary := "=_" + r.id
	from, what, media := "noreply-dmarc", "mail that claims to be from", "application/gzip"
	if r.kind == ofTLS {
		from, what, media = "noreply-smtp-tls-reporting", "connections to the mail hosts of", "application/tlsrpt+gzip"
	}
	line("From: <%s@%s>", from, c.Domain)
	line("To: <%s>", strings.Join(to, ">,\r\n\t<"))
	line("Subject: Report Domain: %s\r\n\tSubmitter: %s\r\n\tReport-ID: <%s@%s>", r.domain, c.Domain, r.id, c.Domain)
	line("Date: %s", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	line("Message-ID: <%s@%s>", r.id, c.Domain)
	line("Auto-Submitted: auto-generated") // RFC 3834, section 5
	if r.kind == ofTLS {
		// RFC 8460, section 5.3: these, and a report that is not kept from its reader by what it reports
		line("TLS-Report-Domain: %s", r.domain)
		line("TLS-Report-Submitter: %s", c.Domain)
		line("TLS-Required: No")
	}
	line("MIME-Version: 1.0")
	if r.kind == ofTLS {
		line("Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=%q", boundary)
	} else {
		line("Content-Type: multipart/mixed; boundary=%q", boundary)
	}
	line("")
	line("--%s", boundary)
	line("Content-Type: text/plain; charset=us-ascii\r\n")
	line("This is a report about %s\r\n%s,\r\nas seen by %s on %s.\r\nQuestions are answered at %s.", what, r.domain, c.Domain, r.begin.Format("2 January 2006 (UTC)"), c.Contact)
	line("--%s", boundary)
	line("Content-Type: %s\r\nContent-Transfer-Encoding: base64", media)
	line("Content-Disposition: attachment;\r\n\tfilename=\"%s\"\r\n", c.file(r))
	encoded := base64.StdEncoding.EncodeToString(r.content)
	for len(encoded) > 0 {
		n := min(76, len(encoded))
		line("%s", encoded[:n])
		encoded = encoded[n:]
	}
	line("--%s--", boundary)
	return []byte(b.String())
}
