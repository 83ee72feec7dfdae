package reports

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/mail/tlsrpt"
	"github.com/godwit-mail/godwit/shared/records"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/spool"
)

const (
	roundEvery = 10 * time.Minute
	leaseTime  = 15 * time.Minute
	// quiet is how long after a day's end all processes have kept what they saw.
	quiet = 3 * flushEvery
	// spread is the time over which reports go out after that.
	//
	// RFC 8460, section 5.4: a sender SHOULD introduce a random delay of up to four hours
	spread   = 4 * time.Hour
	page     = 100
	expire   = 24 * time.Hour // of a report that can't be brought
	postTime = time.Minute
)

// Config says who reports.
type Config struct {
	Domain  string // that sends reports, and signs them
	Contact string // an address for questions
}

// Reporter sends what was seen. Any number of processes may have one: each report is sent by
// one of them. Safe for concurrent use.
type Reporter struct {
	Config
	Records  records.Driver
	Blobs    blob.Store
	Outbound interface {
		Send(ctx context.Context, name string, m *spool.Mail) error
	}
	Resolver *resolver.Resolver
	Guard    *resolver.Guard // of reports that are posted
	Now      func() time.Time
	Log      *slog.Logger
}

// Run sends reports when their time has come, until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(roundEvery):
		}
		if err := r.Round(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("sending reports to the owners of domains", "error", err)
		}
	}
}

// Round sends the reports of days that are over.
func (r *Reporter) Round(ctx context.Context) error {
	today := r.Now().UTC().Format(dayForm)
	after := ""
	for {
		found, err := r.Records.List(ctx, space, "", after, page)
		if err != nil {
			return err
		}
		for _, f := range found {
			if after = f.ID; after >= today {
				return nil // in order of days
			}
			if err := r.one(ctx, f); err != nil {
				r.Log.Warn("a report could not be sent", "report", f.ID, "error", err)
			}
		}
		if len(found) < page {
			return nil
		}
	}
}

// one sends a report, if its time has come and nobody else is at it.
func (r *Reporter) one(ctx context.Context, f records.Record) error {
	rep, err := identify(f.ID)
	if err != nil {
		return err
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(f.ID))
	s, err := decode(f.Value)
	now := r.Now()
	if err != nil || now.Before(rep.end.Add(quiet+time.Duration(h.Sum32()%uint32(spread/time.Second))*time.Second)) || s.LeasedMS > now.UnixMilli() {
		return err
	}
	s.LeasedMS, s.Holder = now.Add(leaseTime).UnixMilli(), rand.Text()
	at, err := write(ctx, r.Records, f.ID, s, f.Version, now)
	if kinds.Is(err, kinds.Conflict) {
		return nil // another was quicker
	}
	if err != nil {
		return err
	}
	if err := r.compose(&rep, s); err != nil {
		return err
	}
	if err := r.send(ctx, &rep); err != nil {
		return err // the lease ends, and it is tried again
	}
	r.Log.Info("reported to the owner of a domain", "kind", rep.kind, "domain", rep.domain, "report", rep.id, "rows", len(s.Rows), "left out", s.Dropped)
	return r.Records.Delete(ctx, records.Key{Space: space, ID: f.ID}, at)
}

// send gives a report to all who are to have it.
func (r *Reporter) send(ctx context.Context, rep *report) error {
	find := r.readers
	if rep.kind == ofTLS {
		find = r.posted
	}
	to, err := find(ctx, rep)
	if err != nil || len(to) == 0 {
		return err // or nobody wants it any more
	}
	return r.put(ctx, rep, to)
}

// posted posts a report about TLS to the web servers that want it, and gives the addresses
// that do. An error is only given when nobody has taken it: it is tried again.
func (r *Reporter) posted(ctx context.Context, rep *report) (to []string, err error) {
	texts, _, err := r.Resolver.TXT(ctx, "_smtp._tls."+rep.domain)
	if kinds.Is(err, kinds.Unavailable) {
		return nil, err
	}
	err = nil
	taken := false
	for _, d := range tlsrpt.ParseRecord(texts) {
		if d.URL == "" {
			to = append(to, d.Address)
			continue
		}
		refused := r.post(ctx, d.URL, rep)
		if taken = taken || refused == nil; refused != nil {
			r.Log.Warn("a report was not taken", "domain", rep.domain, "report", rep.id, "error", refused)
			err = refused
		}
	}
	if taken || len(to) > 0 {
		err = nil
	}
	return to, err
}

// readers gives the addresses that may have a DMARC report.
func (r *Reporter) readers(ctx context.Context, rep *report) (to []string, err error) {
	record, err := r.record(ctx, "_dmarc."+rep.domain)
	if record == nil {
		return nil, err
	}
	size := int64(len(r.mail(rep, []string{strings.Repeat("x", 254)}, r.Now()))) + 4<<10 // signatures
	for _, d := range record.Reports {
		if d.Max > 0 && size > d.Max {
			continue
		}
		address, err := r.allowed(ctx, rep.domain, d)
		if err != nil {
			return nil, err
		}
		if address != "" && !slices.Contains(to, address) {
			to = append(to, address)
		}
	}
	return to, nil
}

// allowed gives the address at which reports about a domain are wanted; "" if that is another
// organization's, which has not said that it wants them.
//
// RFC 9990, section 4: at DOMAIN._report._dmarc.DESTINATION it says so, and may name another address of the same host.
func (r *Reporter) allowed(ctx context.Context, domain string, d dmarc.Destination) (string, error) {
	lookup := func(ctx context.Context, name string) ([]string, error) {
		texts, _, err := r.Resolver.TXT(ctx, name)
		if kinds.Is(err, kinds.Unavailable) {
			return nil, err
		}
		return texts, nil
	}
	ours, err := dmarc.Organization(ctx, lookup, domain)
	if err != nil {
		return "", err
	}
	theirs, err := dmarc.Organization(ctx, lookup, d.Domain())
	if err != nil || ours == theirs {
		return d.Address, err
	}
	texts, err := lookup(ctx, domain+"._report._dmarc."+d.Domain())
	if err != nil {
		return "", err
	}
	address := ""
	for _, text := range texts {
		first, rest, _ := strings.Cut(text, ";")
		if strings.ReplaceAll(first, " ", "") != "v=DMARC1" {
			continue
		}
		address = d.Address
		if instead := dmarc.Parse("v=DMARC1; p=none;" + rest); instead != nil && len(instead.Reports) > 0 {
			if instead.Reports[0].Domain() != d.Domain() {
				return "", nil
			}
			address = instead.Reports[0].Address
		}
	}
	return address, nil
}

// record looks a DMARC record up, nil if there is none.
func (r *Reporter) record(ctx context.Context, name string) (*dmarc.Record, error) {
	texts, _, err := r.Resolver.TXT(ctx, name)
	if kinds.Is(err, kinds.Unavailable) {
		return nil, err
	}
	for _, text := range texts {
		if record := dmarc.Parse(text); record != nil {
			return record, nil
		}
	}
	return nil, nil
}

// put puts the report on its way by mail.
func (r *Reporter) put(ctx context.Context, rep *report, to []string) error {
	now := r.Now()
	text := r.mail(rep, to, now)
	ref, err := r.Blobs.Put(ctx, blob.NewName(spool.Ours, now), blob.Header{}, bytes.NewReader(text), int64(len(text)))
	if err != nil {
		return err
	}
	digest := dkim.Digest{RelaxedBody: true}
	_, _ = digest.Write(text)
	_ = digest.Close()
	scanner := message.NewScanner()
	_, _ = scanner.Write(text)
	sum := scanner.Finish()
	m := &spool.Mail{Tenant: spool.Ours, Correlation: rep.id, Kind: spool.Report, Blob: ref, HeaderLen: sum.HeaderLen, BodyHash: digest.BodyHash(dkim.Relaxed),
		SignAs: r.Domain, TLSOptional: rep.kind == ofTLS, AcceptedMS: rep.end.UnixMilli(), ExpiresMS: now.Add(expire).UnixMilli()}
	for _, address := range to {
		m.To = append(m.To, spool.Recipient{Address: address, Notify: "NEVER"})
	}
	return r.Outbound.Send(ctx, rep.id, m)
}

// post gives the report to a web server.
//
// RFC 8460, section 3: a certificate that is not verified is no reason not to report.
func (r *Reporter) post(ctx context.Context, url string, rep *report) error {
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	client := http.Client{
		Transport:     &http.Transport{DialContext: r.Guard.Dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true, MaxResponseHeaderBytes: 32 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(rep.content))
	if err != nil {
		return kinds.Wrap(kinds.Invalid, err, "reports: post")
	}
	req.Header.Set("Content-Type", "application/tlsrpt+gzip")
	resp, err := client.Do(req)
	if err != nil {
		return kinds.Errorf(kinds.Unavailable, "reports: post: %s", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return kinds.Errorf(kinds.Unavailable, "reports: the server answers %d", resp.StatusCode)
	}
	return nil
}

// WantsTLS tells whether a domain wants reports about TLS.
func WantsTLS(r *resolver.Resolver) func(ctx context.Context, domain string) bool {
	return func(ctx context.Context, domain string) bool {
		texts, _, err := r.TXT(ctx, "_smtp._tls."+domain)
		return len(tlsrpt.ParseRecord(texts)) > 0 || kinds.Is(err, kinds.Unavailable)
	}
}
