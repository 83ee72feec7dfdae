package pop3

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestHeaderFieldsWithUTF8BecomeASCII(t *testing.T) {
	for in, want := range map[string]string{
		"Subject: Grüße\r\n":                                "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n",
		"Subject: two grüne Äpfel\r\n":                      "Subject: two =?utf-8?q?gr=C3=BCne?=\r\n =?utf-8?q?_=C3=84pfel?=\r\n",
		"Subject:\r\n folded é\n":                           "Subject:\r\n folded =?utf-8?q?=C3=A9?=\n",
		"From: Jürgen <j@demo.test>\r\n":                    "From: =?utf-8?b?SsO8cmdlbg==?= <j@demo.test>\r\n",
		"To: \"Groß, J.\" <j@demo.test>, b@demo.test\r\n":   "To: =?utf-8?b?R3Jvw58sIEou?= <j@demo.test>, b@demo.test\r\n",
		"To: jürgen@demo.test\r\n":                          "To: invalid@internationalized-address.invalid\r\n",
		"To: j@bücher.test\r\n":                             "To: j@xn--bcher-kva.test\r\n",
		"To: <j@bücher.test> (Grüße)\r\n":                   "To: <j@xn--bcher-kva.test> (=?utf-8?b?R3LDvMOfZQ==?=)\r\n",
		"Content-Type: text/plain; name=\"ä b.txt\"\r\n":    "Content-Type: text/plain; name=\"=?utf-8?b?w6QgYi50eHQ=?=\"\r\n",
		"Content-Disposition: inline; filename=ä.txt\r\n":   "Content-Disposition: inline; filename==?utf-8?b?w6QudHh0?=\r\n",
		"Subject: latin \xe9, nobody can tell\r\n":          "Subject: latin \xe9, nobody can tell\r\n",
		"no field, but ä\r\n":                               "no field, but ä\r\n",
		"From: \"unfinished ä\r\n":                          "From: =?utf-8?b?dW5maW5pc2hlZCDDpA==?=\r\n",
		"From: <unfinished@ä\r\n":                           "From: <unfinished@xn--4ca>\r\n",
		"X-Plain: nothing to do\r\n\tat all\r\n":            "X-Plain: nothing to do\r\n\tat all\r\n",
		"Received: by a.test\r\n\tfor <ä@demo.test>; x\r\n": "Received: by a.test\r\n\tfor <invalid@internationalized-address.invalid>; x\r\n",
	} {
		reply, err := transmitted([]byte(in), wholeMessage, 3, downgraded)
		got := strings.TrimSuffix(reply, ".\r\n")
		if err != nil || got != strings.ReplaceAll(strings.ReplaceAll(want, "\r\n", "\n"), "\n", "\r\n") {
			t.Errorf("%q becomes\n%q, want\n%q", in, got, want)
		}
	}
}

func TestASubjectReadsTheSameAsASurrogate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z0-9äßé漢字😀.,:;()"<>@]{1,40}`), 1, 12).Draw(t, "words")
		subject := strings.Join(words, " ")
		field := string(asciiField([]byte("Subject: " + subject + "\r\n")))
		for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
			if len(line) > 998 || !isASCII([]byte(line)) {
				t.Fatalf("line %q", line)
			}
		}
		got, err := new(mime.WordDecoder).DecodeHeader(strings.ReplaceAll(strings.TrimSuffix(field, "\r\n"), "\r\n", ""))
		if err != nil || got != "Subject: "+subject {
			t.Fatalf("%q became %q, read as %q (%v)", subject, field, got, err)
		}
	})
}

// FuzzSurrogate: whatever the message and however it is cut, the body goes through as it
// is, and a header in UTF-8 is ASCII afterwards.
func FuzzSurrogate(f *testing.F) {
	f.Add("From: Jürgen <j@ü.test>\r\nSubject: ä\r\n b\r\n\r\nä\r\n", 1)
	f.Add("Content-Type: a; b=\"\\ä", 7)
	f.Add("To: <ä\r\n\r\n", 2)
	f.Add("\r\n\r\nä", 1)
	f.Fuzz(func(t *testing.T, message string, step int) {
		var out strings.Builder
		s := &surrogate{to: &out}
		for rest := message; rest != ""; {
			n := min(max(step, 1), len(rest))
			if _, err := s.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if isASCII([]byte(message)) && got != message {
			t.Fatalf("%q became %q", message, got)
		}
		header, body := cutHeader(message)
		gotHeader, gotBody := cutHeader(got)
		if body != gotBody {
			t.Fatalf("body %q became %q", body, gotBody)
		}
		if strings.Count(header, "\n") == 1 && strings.HasPrefix(header, "Subject:") && utf8.ValidString(header) && !isASCII([]byte(gotHeader)) {
			t.Fatalf("header %q became %q", header, gotHeader)
		}
	})
}

// cutHeader cuts a message after the empty line that ends its header.
func cutHeader(m string) (header, body string) {
	at := 0
	for line := range strings.Lines(m) {
		at += len(line)
		if line == "\n" || line == "\r\n" {
			break
		}
	}
	return m[:at], m[at:]
}
