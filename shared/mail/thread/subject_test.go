package thread

import (
	"regexp"
	"strings"
	"testing"
)

func TestBaseSubjects(t *testing.T) {
	for _, tt := range []struct {
		subject, base string
		reply         bool
	}{
		{"", "", false},
		{"hello", "hello", false},
		{"  two\t words \r\n more ", "two words more", false},
		{"Re: hello", "hello", true},
		{"RE:hello", "hello", true},
		{"re : hello", "hello", true},
		{"Re[2]: hello", "hello", true},
		{"Re [2] : hello", "hello", true},
		{"Fw: hello", "hello", true},
		{"FWD: hello", "hello", true},
		{"Fwd: Re: Fw: hello", "hello", true},
		{"Re: [list] hello", "hello", true},
		{"[list] Re: hello", "hello", true},
		{"[list] [other] Re: [list] hello", "hello", true},
		{"[list] hello", "hello", false},
		{"[list]", "[list]", false},
		{"[list] [other]", "[other]", false},
		{"Re: [list]", "[list]", true},
		{"hello (fwd)", "hello", true},
		{"hello (FWD) (fwd) ", "hello", true},
		{"[Fwd: hello]", "hello", true},
		{"[fwd: Re: hello (fwd)]", "hello", true},
		{"[Fwd: [Fwd: hello]]", "hello", true},
		{"Re:", "", true},
		{"(fwd)", "", true},
		{"[fwd:]", "", true},
		{"Re", "Re", false},
		{"Regarding: hello", "Regarding: hello", false},
		{"Re hello", "Re hello", false},
		{"hello [list]", "hello [list]", false},
		{"Aw: hello", "Aw: hello", false},
		{"[unclosed hello", "[unclosed hello", false},
		{"[a[b] hello", "[a[b] hello", false},
		{"[ fwd: hello]", "[ fwd: hello]", false},
		{"fwd", "fwd", false},
	} {
		base, reply := BaseSubject(tt.subject)
		if base != tt.base || reply != tt.reply {
			t.Errorf("%q: %q, %v; wanted %q, %v", tt.subject, base, reply, tt.base, tt.reply)
		}
	}
}

var (
	blanks     = regexp.MustCompile(`[\t\r\n ]+`)
	subjRefwd  = `(?:re|fwd?)[ ]*(?:\[[^\[\]]*\] *)?:`
	subjBlob   = regexp.MustCompile(`^\[[^\[\]]*\] *`)
	leader     = regexp.MustCompile(`^(?i:(?:\[[^\[\]]*\] *)*` + subjRefwd + `| )`)
	trailer    = regexp.MustCompile(`(?i:\(fwd\)| )$`)
	nonDefault = regexp.MustCompile(`^(?i:\[fwd:)`)
)

// model follows the RFC's steps as they are written.
func model(s string) (string, bool) {
	reply := false
	s = blanks.ReplaceAllString(s, " ") // 1
	for {
		for trailer.MatchString(s) { // 2
			m := trailer.FindString(s)
			s, reply = strings.TrimSuffix(s, m), reply || m != " "
		}
		for { // 5
			before := s
			for leader.MatchString(s) { // 3
				m := leader.FindString(s)
				s, reply = s[len(m):], reply || m != " "
			}
			if m := subjBlob.FindString(s); len(m) < len(s) { // 4
				s = s[len(m):]
			}
			if s == before {
				break
			}
		}
		m := nonDefault.FindString(s) // 6
		if m == "" || !strings.HasSuffix(s, "]") || len(s) < len(m)+1 {
			return s, reply
		}
		s, reply = s[len(m):len(s)-1], true
	}
}

func FuzzBaseSubject(f *testing.F) {
	for _, s := range []string{"Re: [list] x (fwd)", "[Fwd: [a] Re[3]: [b]]", "[a][b][c] fw :", "re[x]:re:[y] ", "\t[fwd:(fwd)]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1000 {
			return
		}
		base, reply := BaseSubject(s)
		want, wantReply := model(s)
		if base != want || reply != wantReply {
			t.Errorf("%q: %q, %v; the model says %q, %v", s, base, reply, want, wantReply)
		}
	})
}

func TestALongSubjectTakesNoLongTime(t *testing.T) {
	s := strings.Repeat("[a]", 5000) + "re"
	if base, _ := BaseSubject(s); base != "re" {
		t.Errorf("%q", base)
	}
}

func TestNormalIDs(t *testing.T) {
	for _, tt := range []struct{ id, want string }{
		{`<"01KF8JCEOCBS0045PS"@xxx.yyy.com>`, "01KF8JCEOCBS0045PS@xxx.yyy.com"},
		{"<01KF8JCEOCBS0045PS@xxx.yyy.com>", "01KF8JCEOCBS0045PS@xxx.yyy.com"},
		{`<"a b"@c>`, "a b@c"},
		{`<"a\"b"@c>`, `a"b@c`},
		{"<a @ c>", "a@c"},
		{"<A@c>", "A@c"},
		{"a@c", "a@c"},
		{"<a>", ""}, {"<@c>", ""}, {"<a@>", ""}, {"", ""},
	} {
		if got := NormalID(tt.id); got != tt.want {
			t.Errorf("%s: %q, wanted %q", tt.id, got, tt.want)
		}
	}
}

func FuzzNormalID(f *testing.F) {
	f.Add(`<"a\ b" @c>`)
	f.Fuzz(func(t *testing.T, id string) {
		if got := NormalID(id); len(got) > len(id) {
			t.Errorf("%q grew to %q", id, got)
		}
	})
}
