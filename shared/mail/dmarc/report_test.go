package dmarc

import (
	"reflect"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
)

// of2015 is a report as they were before RFC 9990, with what reporters make of it.
const of2015 = `<?xml version="1.0" encoding="windows-1252" ?>
<feedback xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <version>1.0</version>
  <report_metadata><org_name>Example &amp; Sons</org_name><email>x@reporter.test</email><extra_contact_info>http://reporter.test/</extra_contact_info>
    <report_id>42</report_id><date_range><begin>1700000000</begin><end>1700086399</end></date_range></report_metadata>
  <policy_published><domain>example.com</domain><adkim>r</adkim><aspf>r</aspf><p>none</p><sp>none</sp><pct>100</pct><fo>0</fo></policy_published>
  <record><row><source_ip>192.0.2.1</source_ip><count>7</count><policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>fail</spf>
     <reason><type>local_policy</type><comment>arc=pass</comment></reason></policy_evaluated></row>
    <identifiers><envelope_to>reporter.test</envelope_to><header_from>example.com</header_from></identifiers>
    <auth_results><dkim><domain>example.com</domain><result>pass</result></dkim><spf><domain>other.test</domain><result>softfail</result></spf></auth_results></record>
  <record><row><source_ip>2001:db8::1</source_ip><count>1</count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>example.com</header_from></identifiers><auth_results/></record>
</feedback>`

func TestReportsAreRead(t *testing.T) {
	r, err := ParseReport([]byte(of2015))
	if err != nil || r.Metadata.Organization != "Example & Sons" || r.Metadata.Begin != 1700000000 || len(r.Rows) != 2 || r.Rows[0].Count != 7 || !r.Rows[0].Passed() || r.Rows[1].Passed() ||
		r.Rows[0].Reasons[0].Comment != "arc=pass" || r.Rows[0].Sender.Result != "softfail" {
		t.Errorf("%+v, %v", r, err)
	}
	text, err := r.Compose()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseReport(text)
	if err != nil || !reflect.DeepEqual(again.Rows, r.Rows) || again.Policy != r.Policy || again.XMLName.Space != Namespace {
		t.Errorf("%+v, %v\n%s", again, err, text)
	}
}

func TestHostileReportsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want kinds.Kind
	}{
		"entities":   {`<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feedback><report_metadata><report_id>&b;</report_id></report_metadata></feedback>`, kinds.Invalid},
		"an entity":  {strings.Replace(of2015, "42", "&file;", 1), kinds.Invalid},
		"deep":       {strings.Repeat("<a>", 50) + strings.Repeat("</a>", 50), kinds.Limit},
		"many":       {"<feedback>" + strings.Repeat("<record/>", maxRows+1) + "</feedback>", kinds.Limit},
		"no domain":  {strings.Replace(of2015, "<domain>example.com</domain><adkim>", "<adkim>", 1), kinds.Invalid},
		"below zero": {strings.Replace(of2015, "<count>7", "<count>-7", 1), kinds.Invalid},
		"no end":     {of2015[:len(of2015)/2], kinds.Invalid},
		"no XML":     {"PK\x03\x04", kinds.Invalid},
	} {
		if r, err := ParseReport([]byte(c.text)); !kinds.Is(err, c.want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func FuzzParseReport(f *testing.F) {
	f.Add([]byte(of2015))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseReport(text)
		if err != nil {
			return
		}
		if r.Policy.Domain == "" || len(r.Rows) > maxRows {
			t.Errorf("%+v", r)
		}
	})
}
