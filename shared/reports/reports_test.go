package reports_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"blitiri.com.ar/go/spf"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/mail/dmarc"
	"github.com/godwit-mail/godwit/shared/mail/tlsrpt"
	"github.com/godwit-mail/godwit/shared/ports/portstest"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/reports"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/shared/senderauth"
	"github.com/godwit-mail/godwit/shared/spool"
)

type world struct {
	*portstest.World
	zone *resolvertest.Server
	mu   sync.Mutex
	sent []*spool.Mail
	fail bool
}

func (w *world) Send(_ context.Context, name string, m *spool.Mail) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail {
		return kinds.Errorf(kinds.Unavailable, "no disk")
	}
	m.ID = name
	w.sent = append(w.sent, m)
	return nil
}

func newWorld(t *testing.T, zone ...string) *world {
	return &world{World: portstest.New(t), zone: resolvertest.Start(t, zone...)}
}

func (w *world) tally(t *testing.T) *reports.Tally {
	return &reports.Tally{Records: w.Records, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler), Wanted: reports.WantsTLS(w.zone.Resolver(t))}
}

func (w *world) reporter(t *testing.T) *reports.Reporter {
	resolve := resolver.New(resolver.Config{Servers: w.zone.Servers(), Cache: -1})
	return &reports.Reporter{Config: reports.Config{Domain: "us.test", Contact: "postmaster@us.test"}, Records: w.Records, Blobs: blob.Store{Driver: w.Blobs}, Outbound: w,
		Resolver: resolve, Now: w.Clock.Now, Log: slog.New(slog.DiscardHandler),
		Guard: &resolver.Guard{Resolver: resolve, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
}

// rounds lets two days go by in which two processes look for what is to be sent.
func (w *world) rounds(t *testing.T) {
	t.Helper()
	list := []*reports.Reporter{w.reporter(t), w.reporter(t)}
	for range 2 * 24 * 6 {
		w.Clock.Advance(10 * time.Minute)
		var all sync.WaitGroup
		for _, r := range list {
			all.Go(func() {
				if err := r.Round(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	}
}

// text gives a mail, and what is in its file.
func (w *world) text(t *testing.T, m *spool.Mail) (head, content string) {
	t.Helper()
	r, err := blob.Store{Driver: w.Blobs}.Open(t.Context(), m.Blob, 0, m.Blob.Size)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(b), "\r\n\r\n")
	encoded, _, _ := strings.Cut(parts[3], "\r\n--")
	packed, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(encoded, "\r\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return parts[0] + "\r\n" + parts[2], unpack(t, packed)
}

func unpack(t *testing.T, packed []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func verdict(domain, record string, result dkim.Result) *senderauth.Verdict {
	v := &senderauth.Verdict{SPF: senderauth.SPF{Result: spf.Fail, Domain: "bounce.test"}, DKIM: []dkim.Signature{{Domain: "other.test", Selector: "x", Result: dkim.Fail},
		{Domain: domain, Selector: "s<1>", Result: result}}}
	v.DMARC = senderauth.DMARC{Result: result, From: "mail." + domain, Do: dmarc.NoPolicy, Outcome: dmarc.Outcome{Record: dmarc.Parse(record), Domain: domain, DKIMAligned: result == dkim.Pass}}
	if result != dkim.Pass {
		v.DMARC.Do, v.DMARC.Policy = dmarc.Reject, dmarc.Reject
	}
	return v
}

func TestOwnersOfDomainsHearOfMailInTheirName(t *testing.T) {
	record := "v=DMARC1; p=reject; sp=none; aspf=s; rua=mailto:a@far.test,mailto:small@far.test!1k,mailto:x@reader.test,mailto:y@stranger.test,mailto:z@moved.test"
	w := newWorld(t, `_dmarc.far.test. 300 IN TXT "`+strings.ReplaceAll(record, ";", `\;`)+`"`, `far.test._report._dmarc.reader.test. 300 IN TXT "v=DMARC1\; rua=mailto:new@reader.test"`,
		`far.test._report._dmarc.moved.test. 300 IN TXT "v=DMARC1\; rua=mailto:new@elsewhere.test"`)
	one, other := w.tally(t), w.tally(t)
	ip := netip.MustParseAddr("::ffff:192.0.2.7")
	for range 3 {
		one.Judged(ip, verdict("far.test", record, dkim.Pass), dmarc.NoPolicy)
	}
	one.Flush(t.Context())
	for range 2 {
		other.Judged(ip, verdict("far.test", record, dkim.Pass), dmarc.NoPolicy)
	}
	other.Judged(netip.MustParseAddr("2001:db8::1"), verdict("far.test", record, dkim.Fail), dmarc.NoPolicy)
	other.Judged(ip, verdict("silent.test", "v=DMARC1; p=none", dkim.Pass), dmarc.NoPolicy)
	other.Judged(ip, verdict("gone.test", record, dkim.Pass), dmarc.NoPolicy)
	other.Flush(t.Context())
	day := w.Clock.Now().UTC()
	w.rounds(t)
	if len(w.sent) != 1 {
		t.Fatalf("%d were sent", len(w.sent))
	}
	m := w.sent[0]
	if m.From != "" || m.Kind != spool.Report || m.SignAs != "us.test" || m.TLSOptional || m.BodyHash == nil || m.HeaderLen == 0 || len(m.To) != 2 || m.To[0].Address != "a@far.test" || m.To[1].Address != "new@reader.test" {
		t.Errorf("%+v", m)
	}
	head, content := w.text(t, m)
	for _, part := range []string{"From: <noreply-dmarc@us.test>\r\n", "Subject: Report Domain: far.test\r\n\tSubmitter: us.test\r\n\tReport-ID: <" + m.ID + "@us.test>\r\n",
		"Content-Type: application/gzip\r\n", `filename="us.test!far.test!`} {
		if !strings.Contains(head, part) {
			t.Errorf("no %q in %s", part, head)
		}
	}
	r, err := dmarc.ParseReport([]byte(content))
	if err != nil || len(r.Rows) != 2 {
		t.Fatalf("%v in %s", err, content)
	}
	midnight := time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, time.UTC).Unix()
	if r.Metadata.Begin != midnight || r.Metadata.End != midnight+86399 || r.Policy.Domain != "far.test" || r.Policy.Policy != dmarc.Reject || r.Policy.Subdomains != dmarc.NoPolicy || r.Policy.SPF != "s" {
		t.Errorf("%+v", r)
	}
	good, bad := r.Rows[0], r.Rows[1]
	if good.Count != 5 || good.IP != "192.0.2.7" || good.DKIM != "pass" || good.SPF != "fail" || good.From != "mail.far.test" || len(good.Reasons) != 0 || good.Signatures[0].Selector != "s<1>" || good.Sender.Result != "fail" {
		t.Errorf("%+v", good)
	}
	if bad.Count != 1 || bad.Disposition != dmarc.NoPolicy || len(bad.Reasons) != 1 || bad.Reasons[0].Type != "local_policy" || bad.Passed() {
		t.Errorf("%+v", bad)
	}
	if !strings.Contains(content, `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">`) || strings.Index(content, "<row>") > strings.Index(content, "<identifiers>") {
		t.Error(content)
	}
	left, err := w.Records.List(t.Context(), "reports", "", "", 10)
	if err != nil || len(left) != 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

func TestWhatCannotBeSentIsTriedAgain(t *testing.T) {
	w := newWorld(t, `_dmarc.far.test. 300 IN TXT "v=DMARC1\; p=none\; rua=mailto:a@far.test"`)
	tally := w.tally(t)
	tally.Judged(netip.MustParseAddr("192.0.2.7"), verdict("far.test", "v=DMARC1; p=none; rua=mailto:a@far.test", dkim.Pass), dmarc.NoPolicy)
	tally.Flush(t.Context())
	w.fail = true
	w.Clock.Advance(24*time.Hour + 6*time.Hour)
	r := w.reporter(t)
	for range 6 {
		w.Clock.Advance(10 * time.Minute)
		if err := r.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.fail = false
	w.zone.Break("_dmarc.far.test", true)
	w.Clock.Advance(time.Hour)
	if err := r.Round(t.Context()); err != nil || len(w.sent) != 0 {
		t.Fatalf("%d sent, %v", len(w.sent), err)
	}
	w.zone.Break("_dmarc.far.test", false)
	for range 6 {
		w.Clock.Advance(10 * time.Minute)
		if err := r.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.sent) != 1 {
		t.Errorf("%d were sent", len(w.sent))
	}
}

func TestOwnersOfDomainsHearOfTLS(t *testing.T) {
	var posted [][]byte
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Content-Type") == "application/tlsrpt+gzip" && r.Method == http.MethodPost {
			posted = append(posted, b)
		}
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	w := newWorld(t, `_smtp._tls.far.test. 300 IN TXT "v=TLSRPTv1\; rua=mailto:tls@far.test"`, `_smtp._tls.web.test. 300 IN TXT "v=TLSRPTv1\;rua=https://in.web.test:`+port+`/v1"`,
		"in.web.test. 300 IN A 127.0.0.1")
	tally := w.tally(t)
	sts := relay.Applied{Type: "sts", Text: []string{"version: STSv1", "mode: testing"}, Hosts: []string{"mx.far.test"}}
	for range 3 {
		tally.Session(relay.Session{Domain: "far.test", Policy: sts, Host: "mx.far.test", Remote: "8.8.8.1", Local: "8.8.8.8"})
	}
	tally.Session(relay.Session{Domain: "far.test", Policy: sts, Host: "mx.far.test", Remote: "8.8.8.1", Local: "8.8.8.8", Result: "certificate-expired", Why: "x509: too old"})
	tally.Session(relay.Session{Domain: "web.test", Policy: relay.Applied{Type: "no-policy-found"}, Host: "mx.web.test", Result: "starttls-not-supported"})
	tally.Session(relay.Session{Domain: "nobody.test", Policy: sts})
	tally.Session(relay.Session{Domain: "bad/../name", Policy: sts})
	tally.Flush(t.Context())
	w.rounds(t)
	if len(w.sent) != 1 || len(posted) != 1 {
		t.Fatalf("%d were sent, %d posted", len(w.sent), len(posted))
	}
	m := w.sent[0]
	head, content := w.text(t, m)
	for _, part := range []string{"From: <noreply-smtp-tls-reporting@us.test>\r\n", "\r\nTLS-Report-Domain: far.test\r\nTLS-Report-Submitter: us.test\r\nTLS-Required: No\r\n",
		"multipart/report; report-type=\"tlsrpt\"", "Content-Type: application/tlsrpt+gzip\r\n", ".json.gz\""} {
		if !strings.Contains(head, part) {
			t.Errorf("no %q in %s", part, head)
		}
	}
	if !m.TLSOptional || m.To[0].Address != "tls@far.test" {
		t.Errorf("%+v", m)
	}
	r, err := tlsrpt.Parse([]byte(content))
	if err != nil || len(r.Policies) != 1 {
		t.Fatalf("%v in %s", err, content)
	}
	p := r.Policies[0]
	if p.Policy.Type != "sts" || p.Policy.Domain != "far.test" || p.Policy.Hosts[0] != "mx.far.test" || p.Summary != (tlsrpt.Summary{Successful: 3, Failed: 1}) ||
		len(p.Failures) != 1 || p.Failures[0] != (tlsrpt.Failure{Type: "certificate-expired", SendingIP: "8.8.8.8", Host: "mx.far.test", ReceivingIP: "8.8.8.1", Count: 1, Reason: "x509: too old"}) {
		t.Errorf("%+v", p)
	}
	if r, err := tlsrpt.Parse([]byte(unpack(t, posted[0]))); err != nil || r.Policies[0].Policy.Domain != "web.test" || r.Policies[0].Summary.Failed != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
