package dmarc

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestRecords(t *testing.T) {
	for text, want := range map[string]*Record{
		"v=DMARC1; p=reject":                      {Policy: Reject, Subdomains: Reject, NonExistent: Reject, PSD: 'u'},
		"v=DMARC1;p=NONE;sp=quarantine;np=reject": {Policy: NoPolicy, Subdomains: Quarantine, NonExistent: Reject, PSD: 'u'},
		" v = DMARC1 ; p = quarantine ; adkim=s; aspf=S; t=y; psd=n; x=y": {Policy: Quarantine, Subdomains: Quarantine, NonExistent: Quarantine,
			StrictDKIM: true, StrictSPF: true, Testing: true, PSD: 'n'},
		"v=DMARC1; p=reject; pct=0": {Policy: Reject, Subdomains: Reject, NonExistent: Reject, Testing: true, PSD: 'u'},
		"v=DMARC1; rua=mailto:a@x.test!10m , https://x.test, mailto:b%40x.test!7,mailto:c@x.test?y": {Policy: NoPolicy, Subdomains: NoPolicy, NonExistent: NoPolicy, PSD: 'u',
			Reports: []Destination{{"a@x.test", 10 << 20}, {"b@x.test", 7}, {"c@x.test", 0}}},
		"v=DMARC1; p=bad; rua=mailto:a@x.test": {Policy: NoPolicy, Subdomains: NoPolicy, NonExistent: NoPolicy, PSD: 'u', Reports: []Destination{{"a@x.test", 0}}},
		"v=DMARC1; p=bad":                      nil,
		"p=reject; v=DMARC1":                   nil,
		"v=DMARC2; p=reject":                   nil,
		"v=dmarc1; p=reject":                   nil,
		"v=spf1 -all":                          nil,
		"":                                     nil,
	} {
		if got := Parse(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

type zone map[string]string // name to texts with | between

func (z zone) lookup(_ context.Context, name string) ([]string, error) {
	text, ok := z[strings.TrimPrefix(name, "_dmarc.")]
	switch {
	case !ok:
		return nil, nil
	case text == "broken":
		return nil, errors.New("broken")
	}
	return strings.Split(text, "|"), nil
}

func (z zone) exists(_ context.Context, domain string) (bool, error) {
	return !strings.HasPrefix(domain, "nobody"), nil
}

func TestTheOrganizationIsFoundByWalking(t *testing.T) {
	z := zone{
		"example.com": "v=DMARC1; p=reject", "mail.example.com": "v=DMARC1; p=none",
		"own.example.com": "v=DMARC1; p=none; psd=n",
		"bank":            "v=DMARC1; p=reject; psd=y", "giant.bank": "v=DMARC1; p=none",
		"twice.test": "v=DMARC1; p=reject|v=DMARC1; p=none", "test": "v=DMARC1; p=none",
		"mixed.org": "v=spf1 -all|v=DMARC1; p=none",
	}
	for domain, want := range map[string]string{
		"example.com": "example.com", "a.b.mail.example.com": "example.com", "x.own.example.com": "own.example.com",
		"a.b.mini.bank": "mini.bank", "mini.bank": "mini.bank", "x.giant.bank": "giant.bank", "bank": "bank",
		"a.nothing.org": "a.nothing.org", "a.twice.test": "test", "a.mixed.org": "mixed.org",
	} {
		if got, err := Organization(t.Context(), z.lookup, domain); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", domain, got, err, want)
		}
	}
}

// RFC 9989, section 4.10: a name of any length costs eight queries.
func TestALongNameCostsEightQueries(t *testing.T) {
	var asked []string
	count := func(_ context.Context, name string) ([]string, error) {
		asked = append(asked, name)
		return nil, nil
	}
	if _, err := Organization(t.Context(), count, "a.b.c.d.e.f.g.h.i.j.mail.example.com"); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 8 || asked[1] != "_dmarc.g.h.i.j.mail.example.com" || asked[7] != "_dmarc.com" {
		t.Errorf("%d: %q", len(asked), asked)
	}
}

func TestWhatIsDoneWithMail(t *testing.T) {
	z := zone{
		"example.com": "v=DMARC1; p=reject; sp=quarantine; np=reject", "strict.test": "v=DMARC1; p=reject; adkim=s; aspf=s",
		"trying.test": "v=DMARC1; p=reject; t=y", "soft.test": "v=DMARC1; p=quarantine; t=y", "bank": "v=DMARC1; p=reject; sp=quarantine; psd=y",
		"between.maxi.bank": "v=DMARC1; p=none",
		"own.example.com":   "v=DMARC1; p=none; psd=n", "broken.test": "broken",
	}
	for name, c := range map[string]struct {
		m    Message
		pass bool
		want Policy
	}{
		"nothing":                     {Message{From: "example.com"}, false, Reject},
		"SPF of the same":             {Message{From: "example.com", SPF: "example.com"}, true, NoPolicy},
		"SPF of a subdomain":          {Message{From: "example.com", SPF: "bounce.example.com"}, true, NoPolicy},
		"a subdomain, DKIM above":     {Message{From: "a.example.com", DKIM: []string{"other.org", "example.com"}}, true, NoPolicy},
		"a subdomain, nothing":        {Message{From: "a.example.com"}, false, Quarantine},
		"a subdomain that isn't":      {Message{From: "nobody.example.com"}, false, Reject},
		"a name that only ends alike": {Message{From: "example.com", SPF: "badexample.com", DKIM: []string{"example.com.evil.org"}}, false, Reject},
		"another organization below":  {Message{From: "example.com", DKIM: []string{"own.example.com"}}, false, Reject},
		"strict":                      {Message{From: "strict.test", SPF: "a.strict.test", DKIM: []string{"b.strict.test"}}, false, Reject},
		"strict and the same":         {Message{From: "strict.test", DKIM: []string{"strict.test"}}, true, NoPolicy},
		"only trying":                 {Message{From: "trying.test"}, false, Quarantine},
		"only trying, softly":         {Message{From: "soft.test"}, false, NoPolicy},
		"no policy":                   {Message{From: "none.test"}, false, NoPolicy},
		"of a public suffix":          {Message{From: "a.mini.bank"}, false, Quarantine},
		"neighbours at a suffix":      {Message{From: "mini.bank", DKIM: []string{"other.bank"}}, false, Quarantine},
		"a record between":            {Message{From: "x.between.maxi.bank"}, false, Quarantine},
		"the suffix speaks for none":  {Message{From: "mini.bank", DKIM: []string{"bank"}}, false, Quarantine},
	} {
		o, err := Evaluate(t.Context(), z.lookup, z.exists, c.m)
		if err != nil || o.Pass != c.pass || o.Disposition() != c.want {
			t.Errorf("%s: %+v, %s, %v; want %t, %s", name, o, o.Disposition(), err, c.pass, c.want)
		}
	}
	if _, err := Evaluate(t.Context(), z.lookup, z.exists, Message{From: "a.broken.test"}); err == nil {
		t.Error("that nobody could say was not told")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("v=DMARC1; p=none; rua=mailto:a@b!1m; psd=y")
	f.Fuzz(func(t *testing.T, text string) {
		r := Parse(text)
		if r == nil {
			return
		}
		if len(r.Reports) > maxReports || r.Policy == "" {
			t.Errorf("%+v", r)
		}
		for _, to := range r.Reports {
			if strings.ContainsAny(to.Address, "\r\n\x00") {
				t.Errorf("%q", to.Address)
			}
		}
	})
}
