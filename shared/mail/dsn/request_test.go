package dsn

import (
	"strings"
	"testing"
)

func TestWhatSendersAskFor(t *testing.T) {
	for s, want := range map[string]string{"never": "NEVER", "Success,failure,DELAY": "SUCCESS,FAILURE,DELAY", "DELAY": "DELAY",
		"": "", "NEVER,DELAY": "", "DELAY,NEVER": "", "SUCCESS,SUCCESS": "", "SUCCESS,": "", ",SUCCESS": "", "SUCCESS, DELAY": "", "MAYBE": ""} {
		if got, err := ParseNotify(s); got != want || (err == nil) != (want != "") {
			t.Errorf("NOTIFY=%s: %q, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{"full": "FULL", "Hdrs": "HDRS", "": "", "ALL": ""} {
		if got, err := ParseReturn(s); got != want || (err == nil) != (want != "") {
			t.Errorf("RET=%s: %q, %v", s, got, err)
		}
	}
	for s, want := range map[string]bool{"QQ314159": true, "a+2Bb+20c": true, "": false, "a=b": false, "a+2b": false, "a+2": false, "a+0D+0Ab": false, "a+C3+B6": false,
		"\xc3\xb6": false, strings.Repeat("x", 100): true, strings.Repeat("x", 101): false} {
		if err := CheckEnvID(s); (err == nil) != want {
			t.Errorf("ENVID=%s: %v", s, err)
		}
	}
	for s, want := range map[string]bool{"rfc822;bob@far.test": true, "RFC822;b+2Bx@far.test": true, "x400;/C=de": false, "x400;/C+3Dde": true, "rfc822;": false, ";bob": false,
		"rfc822": false, "rfc822;a b": false, "rfc 822;a": false, "rfc822;a+0Ab": false, `utf-8;d\x{F6}rte@far.test`: true, `utf-8;d\x{F}rte`: false, `utf-8;d\x{0A}`: false,
		`utf-8;d\x{110000}`: false, `utf-8;d\x{0000F60}`: false, "utf-8;d\xc3\xb6rte": false, "rfc822;" + strings.Repeat("x", 493): true, "rfc822;" + strings.Repeat("x", 494): false} {
		if err := CheckOrigin(s, false); (err == nil) != want {
			t.Errorf("ORCPT=%s: %v", s, err)
		}
	}
	if CheckOrigin("utf-8;d\xc3\xb6rte@far.test", true) != nil || CheckOrigin("utf-8;d\xc3", true) == nil || CheckOrigin("rfc822;d\xc3\xb6", true) == nil {
		t.Error("addresses outside ASCII are taken where SMTPUTF8 is used, and only in their type")
	}
}

func TestWhoIsTold(t *testing.T) {
	for notify, want := range map[string]string{"": "FAILURE DELAY ", "NEVER": "", "SUCCESS": "SUCCESS ", "FAILURE,DELAY": "FAILURE DELAY "} {
		got := ""
		for _, what := range []string{Success, Failure, Delay} {
			if Wants(notify, what) {
				got += what + " "
			}
		}
		if got != want {
			t.Errorf("%q: %s", notify, got)
		}
	}
	for notify, want := range map[string]string{"": "", "NEVER": "NEVER", "SUCCESS": "NEVER", "SUCCESS,DELAY": "DELAY", "FAILURE": "FAILURE"} {
		if got := Without(notify, Success); got != want {
			t.Errorf("%q without SUCCESS: %q", notify, got)
		}
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("rfc822;bob+2B@far.test")
	f.Add(`utf-8;d\x{F6}rte@far.test`)
	f.Add("SUCCESS,DELAY")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseNotify(s); err == nil {
			if again, err := ParseNotify(n); err != nil || again != n {
				t.Errorf("%q: %q", s, n)
			}
		}
		if CheckEnvID(s) == nil && unxtext(Xtext(unxtext(s))) != unxtext(s) {
			t.Errorf("%q is not written as it was read", s)
		}
		r := report()
		r.UTF8 = true
		plain := strings.Count(string(r.Compose()), "\n")
		if CheckOrigin(s, true) == nil {
			r.Of[0].Origin = s
		}
		if CheckEnvID(s) == nil {
			r.EnvID = s
		}
		if got := strings.Count(string(r.Compose()), "\n"); got != plain {
			t.Errorf("%q: %d lines, not %d", s, got, plain)
		}
	})
}
