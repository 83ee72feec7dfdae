package message

import (
	"strings"
	"testing"
)

func TestPreview(t *testing.T) {
	html := func(s string) string { return "Content-Type: text/html; charset=utf-8\r\n\r\n" + s }
	for name, c := range map[string]struct{ mail, want string }{
		"at most 256 characters":     {"A: b\r\n\r\n" + strings.Repeat("é", 300), strings.Repeat("é", 256)},
		"blanks become one":          {"A: b\r\n\r\n\r\n  a \t b\r\n\r\nc  ", "a b c"},
		"fillers go":                 {html("a&zwnj;&#8203;&#847;&shy;b \u034f \u200c \ufeff c"), "ab c"},
		"emoji stay whole":           {html("\U0001F469\u200D\U0001F52C"), "\U0001F469\u200D\U0001F52C"},
		"style sheet of 20 KB":       {html("<style>" + strings.Repeat("p > a { x: y }\r\n", 1250) + "</style><p>text"), "text"},
		"script never ends":          {html("seen<script>" + strings.Repeat("x", 1000)), "seen"},
		"tag never ends":             {html("seen <a href=\"" + strings.Repeat("x", 1000)), "seen"},
		"comment never ends":         {html("seen <!-- <p>not</p>"), "seen"},
		"words in spans stay whole":  {html("<b>w</b>or<span>d</span><br>next"), "word next"},
		"cut within a character":     {"A: b\r\n\r\n" + strings.Repeat(" ", 4094) + "aé", "a"},
		"attachments say nothing":    {"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\ntext", ""},
		"images say nothing":         {"Content-Type: image/png\r\n\r\ntext", ""},
		"UTF-8 that says US-ASCII":   {"Content-Type: text/plain; charset=us-ascii\r\n\r\nGrüße", "Grüße"},
		"Latin-1 that says nothing":  {"A: b\r\n\r\nGr\xfc\xdfe", "Grüße"},
		"no UTF-8 though it says so": {"Content-Type: text/plain; charset=utf-8\r\n\r\na\xffb", "a\uFFFDb"},
		"UTF-16":                     {"Content-Type: text/plain; charset=utf-16le\r\n\r\na\x00b\x00", "ab"},
	} {
		if got := scanString(c.mail).Preview; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
