package address

import (
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, local, domain, key string }{
		{"ruff@shore.test", "ruff", "shore.test", "ruff@shore.test"},
		{"Ruff@SHORE.Test", "Ruff", "shore.test", "ruff@shore.test"},
		{"a!#$%&'*+-/=?^_`{|}~b@x.test", "a!#$%&'*+-/=?^_`{|}~b", "x.test", "a!#$%&'*+-/=?^_`{|}~b@x.test"},
		{`"Joe"@x.test`, `"Joe"`, "x.test", "joe@x.test"},
		{`"a b"@x.test`, `"a b"`, "x.test", "a b@x.test"},
		{`"a\"\\@b"@x.test`, `"a\"\\@b"`, "x.test", `a"\@b@x.test`},
		{"user%remote.test@x.test", "user%remote.test", "x.test", "user%remote.test@x.test"},
		{"..a..b.@docomo.test", "..a..b.", "docomo.test", "..a..b.@docomo.test"},
		{"ruff@[192.0.2.1]", "ruff", "[192.0.2.1]", "ruff@[192.0.2.1]"},
		{"ruff@[IPv6:2001:DB8::1]", "ruff", "[ipv6:2001:db8::1]", "ruff@[ipv6:2001:db8::1]"},
		{"ruff@localhost", "ruff", "localhost", "ruff@localhost"},
		{"ruff@pc_1.shore.test", "ruff", "pc_1.shore.test", "ruff@pc_1.shore.test"},
		{"ÄRGER@Bücher.test", "ÄRGER", "xn--bcher-kva.test", "ärger@xn--bcher-kva.test"},
		{"a\u0308rger@BU\u0308CHER.test", "a\u0308rger", "xn--bcher-kva.test", "ärger@xn--bcher-kva.test"},
		{"a@XN--BCHER-KVA.test", "a", "xn--bcher-kva.test", "a@xn--bcher-kva.test"},
		{"鷸@干潟。test", "鷸", "xn--fwts09a.test", "鷸@xn--fwts09a.test"},
		{"Postmaster", "Postmaster", "", "postmaster"},
		{strings.Repeat("l", 64) + "@x.test", strings.Repeat("l", 64), "x.test", strings.Repeat("l", 64) + "@x.test"},
	} {
		a, err := Parse(c.in)
		if err != nil || a.Local != c.local || a.Domain != c.domain || a.Key() != c.key {
			t.Errorf("%q: %q %q key %q, %v", c.in, a.Local, a.Domain, a.Key(), err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("d", 60)
	for in, kind := range map[string]kinds.Kind{
		"":                                  kinds.Invalid,
		"ruff":                              kinds.Invalid,
		"@shore.test":                       kinds.Invalid,
		"ruff@":                             kinds.Invalid,
		"ruff@shore..test":                  kinds.Invalid,
		"ruff@.test":                        kinds.Invalid,
		"ruff@shore.test.":                  kinds.Invalid,
		"ruff@-shore.test":                  kinds.Invalid,
		"ruff@shore-.test":                  kinds.Invalid,
		"ruff@sh ore.test":                  kinds.Invalid,
		"ruff@shore.test\r\n":               kinds.Invalid,
		"ruff@shore.test ":                  kinds.Invalid,
		" ruff@shore.test":                  kinds.Invalid,
		"ruff@shore@test":                   kinds.Invalid,
		"ru ff@shore.test":                  kinds.Invalid,
		"ru\x00ff@shore.test":               kinds.Invalid,
		"ru<ff@shore.test":                  kinds.Invalid,
		"r\xffff@shore.test":                kinds.Invalid,
		"ruff@sh\xffore.test":               kinds.Invalid,
		`"ruff@shore.test`:                  kinds.Invalid,
		`""@shore.test`:                     kinds.Invalid,
		`"a"b@shore.test`:                   kinds.Invalid,
		"\"a\nb\"@shore.test":               kinds.Invalid,
		"\"a\\\n\"@shore.test":              kinds.Invalid,
		"ruff@[":                            kinds.Invalid,
		"ruff@[]":                           kinds.Invalid,
		"ruff@[a b]":                        kinds.Invalid,
		"ruff@[1.2.3.4]x":                   kinds.Invalid,
		"ruff@xn--a.test":                   kinds.Invalid,
		"ruff@" + long + "aaaa.test":        kinds.Invalid,
		strings.Repeat("l", 65) + "@x.test": kinds.Limit,
		"r@" + strings.Repeat(long+".", 4) + "dddddddddd": kinds.Limit,
	} {
		if a, err := Parse(in); !kinds.Is(err, kind) {
			t.Errorf("%q: %+v, %v, want %v", in, a, err, kind)
		}
	}
}

func TestParsePath(t *testing.T) {
	for _, c := range []struct{ in, addr, route, rest string }{
		{"<>", "", "", ""},
		{"<> SIZE=1", "", "", " SIZE=1"},
		{"<ruff@shore.test>", "ruff@shore.test", "", ""},
		{"<ruff@shore.test> BODY=8BITMIME", "ruff@shore.test", "", " BODY=8BITMIME"},
		{"<Postmaster>", "Postmaster", "", ""},
		{`<"a>b"@shore.test>x`, `"a>b"@shore.test`, "", "x"},
		{`<"a\">b"@shore.test>`, `"a\">b"@shore.test`, "", ""},
		{"<@relay.test:ruff@shore.test>", "ruff@shore.test", "@relay.test", ""},
		{"<@a.test,@[IPv6:::1]:ruff@shore.test>", "ruff@shore.test", "@a.test,@[IPv6:::1]", ""},
	} {
		p, rest, err := ParsePath(c.in)
		if err != nil || p.String() != c.addr || p.Route != c.route || rest != c.rest {
			t.Errorf("%q: %q route %q rest %q, %v", c.in, p.String(), p.Route, rest, err)
		}
	}
	for _, in := range []string{"", "ruff@shore.test", "<ruff@shore.test", "< ruff@shore.test>", "< >", "<ruff>", "<@a.test>",
		"<@a.test ruff@shore.test>", "<@a.test:>", "<@:ruff@shore.test>", "<a.test:ruff@shore.test>", "<@a.test,b.test:ruff@shore.test>",
		`<"ruff@shore.test>`, "<<ruff@shore.test>>", "<" + strings.Repeat("@a.test,", 200) + "@b.test:ruff@shore.test>"} {
		if p, _, err := ParsePath(in); err == nil {
			t.Errorf("%q: %+v", in, p)
		}
	}
}

func TestSubaddress(t *testing.T) {
	for in, want := range map[string][3]string{
		"ruff+shore@x.test":   {"ruff@x.test", "shore", "split"},
		"ruff+a+b@x.test":     {"ruff@x.test", "a+b", "split"},
		"ruff+@x.test":        {"ruff@x.test", "", "split"},
		"+tag@x.test":         {"+tag@x.test", "", ""},
		"ruff@x.test":         {"ruff@x.test", "", ""},
		`"ru ff+t g"@x.test`:  {`"ru ff"@x.test`, "t g", "split"},
		`"ruff+t\"g"@x.test`:  {`ruff@x.test`, `t"g`, "split"},
		`"r\"uff+tag"@x.test`: {`"r\"uff"@x.test`, "tag", "split"},
		"鷸+干潟@x.test":         {"鷸@x.test", "干潟", "split"},
	} {
		a, err := Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		base, tag, ok := a.Subaddress()
		if base.String() != want[0] || tag != want[1] || ok != (want[2] != "") {
			t.Errorf("%q: %q %q %v", in, base, tag, ok)
		}
	}
}

func TestProperties(t *testing.T) {
	is := func(in string) (Address, bool) {
		a, err := Parse(in)
		return a, err == nil
	}
	for _, in := range []string{"postMaster", `"post\master"@x.test`, "POSTMASTER@shore.test"} {
		if a, ok := is(in); !ok || !a.IsPostmaster() {
			t.Errorf("%q is postmaster", in)
		}
	}
	if a, _ := is("é@x.test"); !a.NeedsUTF8() {
		t.Error("é needs SMTPUTF8")
	}
	if a, _ := is("e@é.test"); a.NeedsUTF8() || a.UnicodeDomain() != "é.test" {
		t.Errorf("e@é.test is sent in A-label form, and shown as %s", a.UnicodeDomain())
	}
	if a, _ := is("e@[192.0.2.1]"); !a.IsLiteral() {
		t.Error("[192.0.2.1] is a literal")
	}
	if !(Address{}).IsZero() {
		t.Error("the zero address is zero")
	}
}

// check holds for every address that parses.
func check(t interface{ Fatalf(string, ...any) }, in string) {
	a, err := Parse(in)
	if err != nil {
		if k := kinds.Of(err); k != kinds.Invalid && k != kinds.Limit {
			t.Fatalf("%q: %v", in, err)
		}
		return
	}
	if len(a.Local) > MaxLocal || len(a.String()) > MaxAddress {
		t.Fatalf("%q: too long", in)
	}
	if again, err := Parse(a.String()); err != nil || again != a {
		t.Fatalf("%q: %+v, again %+v, %v", in, a, again, err)
	}
	if strings.ContainsAny(a.String(), "\r\n\x00") {
		t.Fatalf("%q lets control characters pass", in)
	}
	upper := Address{Local: strings.ToUpper(a.Local), Domain: a.Domain}
	if isASCII(a.Local) && upper.Key() != a.Key() {
		t.Fatalf("%q: keys %q and %q", in, a.Key(), upper.Key())
	}
	if k := (Address{Local: a.LocalKey()}).LocalKey(); a.LocalKey()[0] != '"' && k != a.LocalKey() {
		t.Fatalf("%q: key %q of key %q", in, k, a.LocalKey())
	}
	base, _, ok := a.Subaddress()
	if again, err := Parse(base.String()); ok && (err != nil || again != base) {
		t.Fatalf("%q: base %q: %v", in, base, err)
	}
	p, rest, err := ParsePath("<" + in + "> X=1")
	if err != nil || p.Address != a || rest != " X=1" {
		t.Fatalf("%q as path: %+v, %q, %v", in, p, rest, err)
	}
}

func TestWhatParsesIsStable(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "B", "é", "E\u0301", "ß", "İ", ".", "+", "@", `"`, `\`, " ", "[", "]", ":", "<", ">", ",", "xn--", "-", "test", "\x00", "\xff", "干潟", "。"})
	rapid.Check(t, func(t *rapid.T) {
		check(t, strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), ""))
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"ruff@shore.test", `"a\"b"@x.test`, "a@[1.2.3.4]", "@a,@b:c@d", "é@é.test", "postmaster", "a@xn--bcher-kva.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		check(t, in)
		p, rest, err := ParsePath(in)
		if err == nil && !strings.HasSuffix(in, rest) {
			t.Fatalf("%q: %+v rest %q", in, p, rest)
		}
	})
}
