package reports_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/mail/message"
	"github.com/godwit-mail/godwit/shared/reports"
)

const theirs = `<?xml version="1.0"?><feedback><report_metadata><org_name>Far</org_name><email>x@far.test</email><report_id>%s</report_id>
<date_range><begin>1898812800</begin><end>1898899199</end></date_range></report_metadata><policy_published><domain>%s</domain><p>none</p></policy_published>
<record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row></record>
<record><row><source_ip>192.0.2.2</source_ip><count>3</count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row></record></feedback>`

const ofTLS = `{"organization-name":"Far","date-range":{"start-datetime":"2030-03-04T00:00:00Z","end-datetime":"2030-03-04T23:59:59Z"},"contact-info":"x","report-id":"t1",
"policies":[{"policy":{"policy-type":"sts","policy-domain":"ours.test"},"summary":{"total-successful-session-count":5,"total-failure-session-count":2},
"failure-details":[{"result-type":"certificate-expired","receiving-mx-hostname":"mx.ours.test","failed-session-count":2}]}]}`

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.Bytes()
}

func zipped(text string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, _ := z.Create("report.xml")
	_, _ = io.WriteString(f, text)
	_ = z.Close()
	return b.Bytes()
}

// take brings a mail with a file.
func (w *world) take(t *testing.T, media string, file []byte) int {
	t.Helper()
	text := "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: " + media +
		"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(file) + "\r\n--b--\r\n"
	scanner := message.NewScanner()
	_, _ = io.WriteString(scanner, text)
	sum := scanner.Finish()
	blobs := blob.Store{Driver: w.Blobs}
	ref, err := blobs.Put(t.Context(), blob.NewName("-", w.Clock.Now()), blob.Header{}, strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	inbox := &reports.Inbox{Records: w.Records, Blobs: blobs, Now: w.Clock.Now}
	n, err := inbox.Take(t.Context(), "ours.test", &sum, ref)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatOthersReportIsKeptOnce(t *testing.T) {
	w := newWorld(t)
	report := func(id, domain string) string { return fmt.Sprintf(theirs, id, domain) }
	for name, c := range map[string]struct {
		media string
		file  []byte
		want  int
	}{
		"gzip":                     {"application/gzip", gzipped(report("1", "ours.test")), 1},
		"zip":                      {"application/zip", zipped(report("2", "mail.ours.test")), 1},
		"as it is":                 {"text/xml", []byte(report("3", "Ours.test.")), 1},
		"TLS":                      {"application/tlsrpt+gzip", gzipped(ofTLS), 1},
		"about another":            {"application/gzip", gzipped(report("4", "others.test")), 0},
		"about one that ends like": {"application/gzip", gzipped(report("5", "notours.test")), 0},
		"a bomb":                   {"application/gzip", gzipped(strings.Repeat(" ", 40<<20)), 0},
		"a bomb in a zip":          {"application/zip", zipped(report("6", "ours.test") + strings.Repeat(" ", 40<<20)), 0},
		"half a file":              {"application/gzip", gzipped(report("7", "ours.test"))[:50], 0},
		"no report":                {"application/octet-stream", []byte("hello"), 0},
	} {
		if n := w.take(t, c.media, c.file); n != c.want {
			t.Errorf("%s: %d were kept", name, n)
		}
		if n := w.take(t, c.media, c.file); n != c.want {
			t.Errorf("%s again: %d were kept", name, n)
		}
	}
	list, err := reports.List(t.Context(), w.Records, "ours.test", w.Clock.Now().Add(-48*time.Hour), 100)
	if err != nil || len(list) != 4 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, r := range list {
		want := "dmarc Far 7 3 [{192.0.2.2 3}]"
		if r.Kind == "tls" {
			want = "tls Far 5 2 [{certificate-expired mx.ours.test 2}]"
		}
		if got := fmt.Sprint(r.Kind, " ", r.Reporter, " ", r.Passed, " ", r.Failed, " ", r.Causes); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(gzipped("x"), "")
	f.Add(zipped("x"), "")
	f.Add([]byte("PGE+"), "base64")
	f.Fuzz(func(t *testing.T, raw []byte, encoding string) {
		if text := reports.Unpack(raw, encoding); len(text) > 32<<20 {
			t.Error(len(text))
		}
	})
}
