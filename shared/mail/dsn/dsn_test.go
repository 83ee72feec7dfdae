package dsn

import (
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func report() *Report {
	return &Report{Host: "mx.test", To: "joe@demo.test", ID: "abc", Now: at, Arrived: at.Add(-time.Hour), EnvID: "QQ+2B314",
		Header: []byte("Subject: hi\r\nFrom: joe@demo.test\r\n"), Of: []Recipient{
			{Address: "nobody@far.test", Origin: "rfc822;nobody+2Bx@far.test", Action: Failed, Status: "5.1.1", Host: "mx.far.test", Said: "550 5.1.1 nobody\r\nhere"},
			{Address: "slow@far.test", Action: Delayed, Status: "4.4.1", Said: "nobody answers", Until: at.Add(time.Hour)},
		}}
}

// parts reads a notification as a mail program does.
func parts(t *testing.T, b []byte) (mail.Header, []string, []string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" || params["report-type"] != "delivery-status" {
		t.Fatal(kind, params, err)
	}
	var kinds, bodies []string
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return m.Header, kinds, bodies
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		kinds, bodies = append(kinds, p.Header.Get("Content-Type")), append(bodies, string(body))
	}
}

func TestANotificationIsReadByPeopleAndPrograms(t *testing.T) {
	h, kinds, bodies := parts(t, report().Compose())
	if h.Get("Subject") != "Your message could not be delivered" || h.Get("To") != "<joe@demo.test>" || h.Get("Auto-Submitted") == "" || h.Get("Message-ID") != "<abc@mx.test>" {
		t.Errorf("%v", h)
	}
	if got := strings.Join(kinds, " "); got != "text/plain; charset=utf-8 message/delivery-status text/rfc822-headers" {
		t.Error(got)
	}
	for _, want := range []string{"<nobody@far.test> did not get your message of 28 November 2026, 11:00 UTC:\r\n    mx.far.test said: 550 5.1.1 nobody  here\r\n",
		"<slow@far.test> has not got your message yet. It is tried again until 28 November 2026, 13:00 UTC. So far:\r\n    nobody answers\r\n"} {
		if !strings.Contains(bodies[0], want) {
			t.Errorf("no %q in\n%s", want, bodies[0])
		}
	}
	want := "Original-Envelope-Id: QQ+314\r\nReporting-MTA: dns; mx.test\r\nArrival-Date: Sat, 28 Nov 2026 11:00:00 +0000\r\n\r\n" +
		"Original-Recipient: rfc822;nobody+x@far.test\r\nFinal-Recipient: rfc822; nobody@far.test\r\nAction: failed\r\nStatus: 5.1.1\r\n" +
		"Remote-MTA: dns; mx.far.test\r\nDiagnostic-Code: smtp; 550 5.1.1 nobody  here\r\n\r\n" +
		"Final-Recipient: rfc822; slow@far.test\r\nAction: delayed\r\nStatus: 4.4.1\r\nWill-Retry-Until: Sat, 28 Nov 2026 13:00:00 +0000\r\n"
	if bodies[1] != want {
		t.Errorf("%q, want\n%q", bodies[1], want)
	}
	if bodies[2] != "Subject: hi\r\nFrom: joe@demo.test\r\n" {
		t.Errorf("%q", bodies[2])
	}
}

// RFC 6533: addresses outside ASCII have forms of their own.
func TestANotificationInUnicode(t *testing.T) {
	r := report()
	r.UTF8, r.Full, r.Of[0].Address, r.Of[0].Origin = true, true, "dörte@far.test", `utf-8;d\x{F6}rte@far.test`
	_, kinds, bodies := parts(t, r.Compose())
	if got := strings.Join(kinds, " "); got != "text/plain; charset=utf-8 message/global-delivery-status message/global" {
		t.Error(got)
	}
	if !strings.Contains(bodies[1], "Original-Recipient: utf-8;dörte@far.test\r\nFinal-Recipient: utf-8; dörte@far.test\r\n") {
		t.Error(bodies[1])
	}
}

// Whatever a host says, it makes no line of its own.
func FuzzWhatAHostSays(f *testing.F) {
	f.Add("550 no\r\n\r\n--=_YWJj\r\nX: y", "a\r\nb@far.test", "x+0D+0Ay")
	f.Fuzz(func(t *testing.T, said, address, env string) {
		r := report()
		plain := strings.Count(string(r.Compose()), "\n")
		r.Of[0].Said, r.Of[0].Address, r.EnvID = "x"+said, address, "x"+env
		if got := strings.Count(string(r.Compose()), "\n"); got != plain {
			t.Errorf("%d lines, not %d", got, plain)
		}
	})
}
