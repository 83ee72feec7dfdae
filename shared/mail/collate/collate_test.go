package collate

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestKeysOfTextsThatAreTheSame(t *testing.T) {
	for _, list := range [][]string{
		{"Hello, world", "hELLO, WORLD"},
		{"GRÜSSE", "grüsse", "gru\u0308sse", "GRU\u0308sse"},
		{"ſtraße", "STRAßE", "Straße"},
		{"ǆ", "ǅ", "Ǆ"}, // title case is what they have in common
		{"ﬁne", "ﬁNE"},
		{"①", "1"},
		{"ÅNGSTRÖM", "Ångström", "Ångström"},
		{"ΣΊΣΥΦΟΣ", "σίσυφοσ"},
		{"Привет", "ПРИВЕТ"},
		{"", ""},
	} {
		for _, s := range list[1:] {
			if Key(s) != Key(list[0]) {
				t.Errorf("%q is %q, but %q is %q", s, Key(s), list[0], Key(list[0]))
			}
		}
	}
	for _, pair := range [][2]string{{"a", "b"}, {"ß", "ss"}, {"日本", "日木"}} {
		if Key(pair[0]) == Key(pair[1]) {
			t.Errorf("%q and %q are the same", pair[0], pair[1])
		}
	}
}

// The key of a key is the same again for ASCII, and pieces give what the whole gives.
func FuzzKey(f *testing.F) {
	f.Add("Grüße, ﬁ ①", 3)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, at int) {
		key := Key(s)
		if !utf8.ValidString(key) {
			t.Errorf("%q gives %q", s, key)
		}
		if at < 0 || at > len(s) || !utf8.ValidString(s[:at]) || !utf8.ValidString(s[at:]) {
			return
		}
		if pieces := Key(s[:at]) + Key(s[at:]); pieces != key {
			t.Errorf("%q: in pieces %q, at once %q", s, pieces, key)
		}
		if !strings.Contains(key, Key(s[at:])) {
			t.Errorf("%q is not in %q", s[at:], s)
		}
	})
}
