package api

import (
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
)

func FuzzCursor(f *testing.F) {
	f.Add("accounts", "one.test/ann")
	f.Add("accounts", makeCursor("accounts", "one.test/ann"))
	f.Add("", "")
	f.Fuzz(func(t *testing.T, of, text string) {
		if p, err := position(of, text); err == nil && p != "" && makeCursor(of, p) != text {
			t.Fatalf("%q is read as %q, whose cursor is %q", text, p, makeCursor(of, p))
		} else if err != nil && !kinds.Is(err, kinds.Invalid) {
			t.Fatal(err)
		}
		made := makeCursor(of, text)
		if len(made) > maxCursor {
			return
		}
		if p, err := position(of, made); err != nil || p != text {
			t.Fatalf("%q comes back as %q: %v", text, p, err)
		}
	})
}
