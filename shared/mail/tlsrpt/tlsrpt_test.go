package tlsrpt

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
)

func TestRecords(t *testing.T) {
	for text, want := range map[string]string{
		"v=TLSRPTv1;rua=mailto:reports@example.com":                             "[{reports@example.com }]",
		"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt":               "[{ https://reporting.example.com/v1/tlsrpt}]",
		"v=TLSRPTv1 ; x=y; rua = mailto:a%40b.test , https://x.test/, ftp://x ": "[{a@b.test } { https://x.test/}]",
		"v=TLSRPTv1; rua=https://user:secret@x.test/,mailto:no,mailto:":         "[]",
		"v=TLSRPTv1; rua=" + strings.Repeat("mailto:a@b.test,", 9):              "[{a@b.test } {a@b.test } {a@b.test } {a@b.test } {a@b.test }]",
		"v=TLSRPTv2; rua=mailto:a@b.test":                                       "[]",
		"":                                                                      "[]",
	} {
		if got := fmt.Sprint(ParseRecord([]string{"v=spf1", text})); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := ParseRecord([]string{"v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1;"}); got != nil {
		t.Errorf("two records: %v", got)
	}
}

const example = `{"organization-name": "Company-X", "date-range": {"start-datetime": "2016-04-01T00:00:00Z", "end-datetime": "2016-04-01T23:59:59Z"},
 "contact-info": "sts@company-x.test", "report-id": "5065427c", "policies": [{"policy": {"policy-type": "sts", "policy-string": ["version: STSv1","mode: testing"],
 "policy-domain": "company-y.test", "mx-host": "*.mail.company-y.test", "more": 1}, "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 303},
 "failure-details": [{"result-type": "certificate-expired", "sending-mta-ip": "2001:db8:abcd:0012::1", "receiving-mx-hostname": "mx1.mail.company-y.test", "failed-session-count": 100}]}]}`

func TestReportsAreRead(t *testing.T) {
	r, err := Parse([]byte(example))
	if err != nil || r.Policies[0].Policy.Hosts[0] != "*.mail.company-y.test" || r.Policies[0].Summary.Successful != 5326 || r.Policies[0].Failures[0].Count != 100 {
		t.Fatalf("%+v, %v", r, err)
	}
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"mx-host":["*.mail.company-y.test"]`) {
		t.Errorf("%s, %v", text, err)
	}
	for name, text := range map[string]string{
		"nothing": "{}", "deep": strings.Repeat("[", 20_000), "below zero": strings.Replace(example, "5326", "-1", 1), "no id": strings.Replace(example, "5065427c", "", 1),
		"a text": strings.Replace(example, "5326", `"5326"`, 1), "no end": example[:100],
	} {
		if r, err := Parse([]byte(text)); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := Parse(text); err == nil && (r.ID == "" || len(r.Policies) > maxPolicies) {
			t.Errorf("%+v", r)
		}
	})
}
