package reports

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/mail/tlsrpt"
	"github.com/godwit-mail/godwit/shared/records"
)

// The local parts of the addresses at which a domain of ours is told what others have seen of
// it. They need no account; where there is one, it gets the mail too.
const (
	DMARCAddress = "dmarc-reports"
	TLSAddress   = "tls-reports"
)

// IsAddress tells whether reports come to a local part.
func IsAddress(local string) bool {
	local = strings.ToLower(local)
	return local == DMARCAddress || local == TLSAddress
}

const (
	told    = "reports-told" // reports that came; by DOMAIN/DAY-HASH
	today   = "reports-count"
	keep    = 400 * 24 * time.Hour
	perDay  = 1000 // reports on one domain that are kept of one day
	maxWord = 10   // causes of failures that are kept of one report
)

// Received is what another host has reported of a domain of ours.
type Received struct {
	Version  uint8   `cbor:"1,keyasint"`
	Kind     string  `cbor:"2,keyasint"` // "dmarc" or "tls"
	Reporter string  `cbor:"3,keyasint"`
	ID       string  `cbor:"4,keyasint"`
	BeginMS  int64   `cbor:"5,keyasint"`
	EndMS    int64   `cbor:"6,keyasint"`
	Passed   int64   `cbor:"7,keyasint"` // messages that pass DMARC; sessions with TLS
	Failed   int64   `cbor:"8,keyasint"`
	Causes   []Cause `cbor:"9,keyasint,omitempty"` // of failures, the most frequent first
}

// Cause is the address that sent what fails DMARC, or how TLS failed.
type Cause struct {
	Name  string `cbor:"1,keyasint"`
	Count int64  `cbor:"2,keyasint"`
}

// Inbox keeps what others report of our domains. Safe for concurrent use.
type Inbox struct {
	Records records.Driver
	Blobs   blob.Store
	Now     func() time.Time
}

// Take reads the reports in a message about a domain of ours, and gives how many of them are
// kept. What is no report, or is about something else, is passed over; one that came before is
// there once.
func (b *Inbox) Take(ctx context.Context, domain string, sum *message.Summary, ref blob.Ref) (kept int, err error) {
	files, err := b.files(ctx, sum, ref)
	if err != nil {
		return 0, err
	}
	for _, text := range files {
		r := about(domain, text)
		if r == nil {
			continue
		}
		ok, err := b.keep(ctx, domain, r)
		if err != nil {
			return kept, err
		}
		if ok {
			kept++
		}
	}
	return kept, nil
}

// about reads a report; nil if it is none, or about another domain.
func about(domain string, text []byte) *Received {
	r := &Received{Version: version}
	causes := map[string]int64{}
	if d, err := dmarc.ParseReport(text); err == nil {
		if !within(d.Policy.Domain, domain) {
			return nil
		}
		r.Kind, r.Reporter, r.ID, r.BeginMS, r.EndMS = ofDMARC, d.Metadata.Organization, d.Metadata.ID, d.Metadata.Begin*1000, d.Metadata.End*1000
		for i := range d.Rows {
			if row := &d.Rows[i]; row.Passed() {
				r.Passed += row.Count
			} else {
				r.Failed += row.Count
				causes[row.IP] += row.Count
			}
		}
	} else if t, err := tlsrpt.Parse(text); err == nil {
		r.Kind, r.Reporter, r.ID, r.BeginMS, r.EndMS = ofTLS, t.Organization, t.ID, t.Range.Start.UnixMilli(), t.Range.End.UnixMilli()
		for _, p := range t.Policies {
			if !within(p.Policy.Domain, domain) {
				return nil
			}
			r.Passed, r.Failed = r.Passed+p.Summary.Successful, r.Failed+p.Summary.Failed
			for _, f := range p.Failures {
				causes[strings.TrimSpace(f.Type+" "+f.Host)] += f.Count
			}
		}
	} else {
		return nil
	}
	for name, n := range causes {
		r.Causes = append(r.Causes, Cause{word(name, 100), n})
	}
	slices.SortFunc(r.Causes, func(a, b Cause) int { return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name)) })
	r.Causes = r.Causes[:min(len(r.Causes), maxWord)]
	r.Reporter, r.ID = word(r.Reporter, 100), word(r.ID, 200)
	return r
}

// within tells whether a report is about a domain, or one below it.
func within(reported, domain string) bool {
	reported = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(reported), "."))
	return reported == domain || strings.HasSuffix(reported, "."+domain)
}

// word leaves of what others wrote what may be shown.
func word(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return strings.ToValidUTF8(strings.TrimSpace(s[:min(len(s), most)]), "")
}

// keep keeps a report; ok is false if there is no room for it, or its time can't be meant.
func (b *Inbox) keep(ctx context.Context, domain string, r *Received) (ok bool, err error) {
	now := b.Now()
	day := time.UnixMilli(r.BeginMS).UTC()
	if day.Before(now.Add(-keep)) || day.After(now.Add(48*time.Hour)) {
		return false, nil
	}
	n, err := b.Records.Add(ctx, records.Key{Space: today, ID: domain + "/" + now.UTC().Format(dayForm)}, 1, 48*time.Hour)
	if err != nil || n > perDay {
		return false, err
	}
	value, err := cbor.Marshal(r)
	if err != nil {
		return false, kinds.Wrap(kinds.Internal, err, "reports: encode")
	}
	sum := sha256.Sum256([]byte(r.Kind + "\x00" + r.Reporter + "\x00" + r.ID))
	id := domain + "/" + day.Format(dayForm) + "-" + hex.EncodeToString(sum[:8])
	_, err = b.Records.Put(ctx, records.Record{Key: records.Key{Space: told, ID: id}, Value: value, Expires: day.Add(keep)}, 0)
	if kinds.Is(err, kinds.Conflict) {
		return true, nil // it was there, and says something else now
	}
	return err == nil, err
}

// List gives what was reported of a domain since a day, the oldest first, at most limit
// (1..1000).
func List(ctx context.Context, r records.Driver, domain string, since time.Time, limit int) ([]Received, error) {
	found, err := r.List(ctx, told, domain+"/", domain+"/"+since.UTC().Format(dayForm), limit)
	if err != nil {
		return nil, err
	}
	list := make([]Received, len(found))
	for i, f := range found {
		if err := cbor.Unmarshal(f.Value, &list[i]); err != nil || list[i].Version != version {
			return nil, kinds.Errorf(kinds.Corrupt, "reports: a record of version %d can't be read: %v", list[i].Version, err)
		}
	}
	return list, nil
}
