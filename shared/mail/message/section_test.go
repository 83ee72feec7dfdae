package message

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const nestedMail = `Subject: outer
Content-Type: multipart/mixed; boundary=m

--m

one
--m
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain

plain
--a
Content-Type: text/html

html
--a--
--m
Content-Type: message/rfc822

Subject: simple

just text
--m--
`

// RFC 9051, section 6.4.5.1 has the numbering; the cases follow its example.
func TestSections(t *testing.T) {
	nested := crlf(nestedMail)
	plain := crlf("Subject: plain\n\nbody\n")
	for _, c := range []struct {
		mail string
		path []int
		spec Spec
		want string // "-" if there is none
	}{
		{plain, nil, Whole, plain},
		{plain, nil, Header, "Subject: plain\r\n\r\n"},
		{plain, nil, Text, "body\r\n"},
		{plain, nil, MIME, "-"},
		{plain, []int{1}, Whole, "body\r\n"},
		{plain, []int{1}, MIME, "Subject: plain\r\n\r\n"},
		{plain, []int{1}, Header, "-"},
		{plain, []int{1}, Text, "-"},
		{plain, []int{1, 1}, Whole, "-"},
		{plain, []int{2}, Whole, "-"},
		{plain, []int{0}, Whole, "-"},
		{nested, nil, Header, "Subject: outer\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"},
		{nested, []int{1}, Whole, "one"},
		{nested, []int{1}, MIME, "\r\n"},
		{nested, []int{1, 1}, Whole, "-"},
		{nested, []int{2}, MIME, "Content-Type: message/rfc822\r\n\r\n"},
		{nested, []int{2}, Header, "Subject: inner\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"},
		{nested, []int{2}, Text, "--a\r\nContent-Type: text/plain\r\n\r\nplain\r\n--a\r\nContent-Type: text/html\r\n\r\nhtml\r\n--a--"},
		{nested, []int{2, 1}, Whole, "plain"},
		{nested, []int{2, 2}, Whole, "html"},
		{nested, []int{2, 2}, MIME, "Content-Type: text/html\r\n\r\n"},
		{nested, []int{2, 3}, Whole, "-"},
		{nested, []int{3}, Whole, "Subject: simple\r\n\r\njust text"},
		{nested, []int{3, 1}, Whole, "just text"},
		{nested, []int{3, 1}, MIME, "Subject: simple\r\n\r\n"},
		{nested, []int{3, 1, 1}, Whole, "-"},
		{nested, []int{4}, Whole, "-"},
		{nested, []int{-1}, Whole, "-"},
	} {
		t.Run(fmt.Sprint(len(c.mail), c.path, c.spec), func(t *testing.T) {
			s := scanString(c.mail)
			r, ok := s.Section(c.path, c.spec)
			got := "-"
			if ok {
				got = c.mail[r.Off : r.Off+r.Len]
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestSelectFields(t *testing.T) {
	s := scanString(crlf("Received: hop\nsubject: one\nTo: a@b,\n c@d\nX-Other: x\nSubject: two\n\nSubject: not this\n"))
	for _, c := range []struct {
		names []string
		want  string
		ok    bool
	}{
		{[]string{"SUBJECT"}, "subject: one\r\nSubject: two\r\n", true},
		{[]string{"Subject", "TO", "List-Id"}, "subject: one\r\nTo: a@b,\r\n c@d\r\nSubject: two\r\n", true},
		{[]string{"List-Id"}, "", true},
		{[]string{"Subject", "X-Other"}, "", false},
	} {
		raw, ok := s.Select(c.names...)
		if string(raw) != c.want || ok != c.ok {
			t.Errorf("%q: %q, %v", c.names, raw, ok)
		}
	}
	if got := s.Field("to"); got != "a@b, c@d" {
		t.Errorf("Field gave %q", got)
	}
}

func TestEnvelopeTextHasNoControlCharactersThatIMAPCanNotCarry(t *testing.T) {
	s := scanString("Subject: a\x00b\rc\r\n d\r\nFrom: \"x\x00\ry\" <a\x00@b>\r\nContent-Description: \x00\r\r\n\r\n")
	if s.Envelope.Subject != "ab c d" {
		t.Errorf("%q", s.Envelope.Subject)
	}
	if d := cmp.Diff([]Address{{Name: "x y", Local: "a", Domain: "b"}}, s.Envelope.From); d != "" {
		t.Error(d)
	}
}

func TestParseDate(t *testing.T) {
	for in, want := range map[string]string{
		"Fri, 21 Nov 1997 09:55:06 -0600":               "1997-11-21T09:55:06-06:00",
		"Tue, 1 Jul 2003 10:52:37 +0200 (CEST)":         "2003-07-01T10:52:37+02:00",
		"1 Jul 2003 10:52 +0200":                        "2003-07-01T10:52:00+02:00",
		"Fri, 21 Nov 97 09(comment):   55  :  06 -0600": "1997-11-21T09:55:06-06:00",
		"21 Nov 97 09:55:06 GMT":                        "1997-11-21T09:55:06Z",
		"21 Nov 49 09:55:06 GMT":                        "2049-11-21T09:55:06Z",
		"21 Nov 101 09:55:06 GMT":                       "2001-11-21T09:55:06Z",
		"Mon, 3 March 2026 08:15:00 PST":                "2026-03-03T08:15:00-08:00",
		"Mon Mar  3 08:15:00 2026":                      "2026-03-03T08:15:00Z",
		"Mon, 03-Mar-2026 08:15:00 GMT":                 "2026-03-03T08:15:00Z",
		"Mon, 3 Mar 2026 8:5:9 +01:00":                  "2026-03-03T08:05:09+01:00",
		"Mon, 3 Mar 2026 23:59:60 Z":                    "2026-03-04T00:00:00Z",
		"2026-03-03T08:15:00+01:00":                     "2026-03-03T08:15:00+01:00",
		"Mon, 31 Feb 2026 08:15:00 +0100":               "",
		"Mon, 3 Mar 2026 25:15:00 +0100":                "",
		"Mon, 3 Mar 2026 08:15:00 +9999":                "2026-03-03T08:15:00Z",
		"Mon, 3 Mar 2026 08:15:00 XYZ":                  "2026-03-03T08:15:00Z",
		"3 Foo 2026 08:15:00 Z":                         "",
		"3 Mar 99999999999999999999 08:15:00 Z":         "",
		"":                                              "",
		"yesterday":                                     "",
		", , , ,":                                       "",
	} {
		got := ""
		if d := ParseDate(in); !d.IsZero() {
			got = d.Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
