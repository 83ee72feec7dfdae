package srs

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mail/address"
)

var (
	now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	us  = Scheme{Keys: [][]byte{[]byte("secret")}}
)

func parse(t testing.TB, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAPathLeadsBack(t *testing.T) {
	for _, from := range []string{"joe@example.com", "Joe.Doe+tag=x@example.com", `"a b"@example.com`, "dörte@example.com", "bounce-1234567890=ann=list.example.org-@" + strings.Repeat("long.", 20) + "example"} {
		path, err := us.Rewrite(parse(t, from), "us.example", now)
		if err != nil {
			t.Fatal(err)
		}
		again, err := address.Parse(path.String())
		if err != nil || again != path || path.Domain != "us.example" || !Is(path.Local) {
			t.Errorf("%s: %v, %v", from, path, err)
		}
		for _, local := range []string{path.Local, lower(path.Local), upper(path.Local)} {
			back, err := us.Restore(local, now.Add(MaxAge))
			if err != nil || !strings.EqualFold(back.String(), from) {
				t.Errorf("%s: back to %v, %v", local, back, err)
			}
		}
	}
}

// upper changes letters of ASCII only, as hosts do.
func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r + 'A' - 'a'
		}
		return r
	}, s)
}

// Another who forwards what was forwarded before keeps the first one's path, so that it
// stays as long as it is.
func TestAPathThatAnotherHasRewrittenIsWrappedOnce(t *testing.T) {
	first, second, third := us, Scheme{Keys: [][]byte{[]byte("b")}}, Scheme{Keys: [][]byte{[]byte("c")}}
	a, err := first.Rewrite(parse(t, "joe@example.com"), "a.example", now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := second.Rewrite(a, "b.example", now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := third.Rewrite(b, "c.example", now)
	if err != nil || len(c.Local) != len(b.Local) || !strings.HasPrefix(c.Local, "SRS1=") {
		t.Fatalf("%v after %v, %v", c, b, err)
	}
	for _, p := range []struct {
		by   Scheme
		path address.Address
	}{{second, b}, {third, c}} {
		if back, err := p.by.Restore(p.path.Local, now); err != nil || back != a {
			t.Errorf("%v leads back to %v, %v", p.path, back, err)
		}
	}
	// One that only looks like it is a name as any other.
	odd, err := us.Rewrite(parse(t, "SRS1=what@example.com"), "us.example", now)
	if err != nil || !strings.HasPrefix(odd.Local, "SRS0=") {
		t.Errorf("%v, %v", odd, err)
	}
}

func TestOnlyWhatWeHaveMadeLeadsBack(t *testing.T) {
	path, err := us.Rewrite(parse(t, "joe@example.com"), "us.example", now)
	if err != nil {
		t.Fatal(err)
	}
	for what, local := range map[string]string{
		"another's":  strings.Replace(path.Local, "joe", "ann", 1),
		"no hash":    "SRS0==AA=example.com=joe",
		"cut off":    path.Local[:20],
		"none":       "joe",
		"no first":   "SRS1=abcdef",
		"no rest":    "SRS1=abcdef=example.com=",
		"no part":    "SRS0=====",
		"only a tag": "SRS0=",
	} {
		if back, err := us.Restore(local, now); !kinds.Is(err, kinds.Invalid) {
			t.Errorf("%s: %v, %v", what, back, err)
		}
	}
	if _, err := us.Restore(path.Local, now.Add(MaxAge+24*time.Hour)); !kinds.Is(err, kinds.Closed) {
		t.Errorf("after its time: %v", err)
	}
	if _, err := us.Restore(path.Local, now.Add(-48*time.Hour)); !kinds.Is(err, kinds.Closed) {
		t.Errorf("before its time: %v", err)
	}
	newer := Scheme{Keys: [][]byte{[]byte("newer"), us.Keys[0]}}
	if _, err := newer.Restore(path.Local, now); err != nil {
		t.Errorf("by the key of before: %v", err)
	}
	if _, err := us.Rewrite(address.Address{Local: "joe", Domain: "[192.0.2.1]"}, "us.example", now); !kinds.Is(err, kinds.Invalid) {
		t.Errorf("of a literal: %v", err)
	}
}

// The stamps begin anew every 1024 days.
func TestAPathAgesAtAnyDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		made := time.Unix(rapid.Int64Range(1e9, 4e9).Draw(t, "made"), 0)
		days := rapid.IntRange(-3, 900).Draw(t, "days")
		want := days >= -1 && days <= 21
		if got := fresh(stampOf(made), made.Add(time.Duration(days)*24*time.Hour)); got != want {
			t.Fatalf("%d days later: %v", days, got)
		}
	})
}

// postsrsd 1.10 (libsrs2) made these on that day with this secret, and hashes of six.
func TestOthersMakeTheSame(t *testing.T) {
	for from, want := range map[string]string{
		"Joe.Doe+x=y@example.com":                                         "SRS0=sK1dU3=JR=example.com=Joe.Doe+x=y@us.example",
		"SRS0=abcd=AA=example.org=ann@first.example":                      "SRS1=M6HJDk=first.example==abcd=AA=example.org=ann@us.example",
		"SRS1=wxyz=first.example==abcd=AA=example.org=ann@second.example": "SRS1=M6HJDk=first.example==abcd=AA=example.org=ann@us.example",
	} {
		if path, err := us.Rewrite(parse(t, from), "us.example", now); err != nil || path.String() != want {
			t.Errorf("%s: %v, %v", from, path, err)
		}
	}
}

func FuzzRestore(f *testing.F) {
	path, err := us.Rewrite(address.Address{Local: "joe", Domain: "example.com"}, "us.example", now)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{path.Local, "SRS1=abcdef=example.com==abcdef=AA=example.org=joe", `"SRS0=abcdef=AA=example.com=a b"`, "SRS0====", "srs0-x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, local string) {
		if back, err := us.Restore(local, now); err == nil {
			if _, err := address.Parse(back.String()); err != nil {
				t.Fatalf("%q leads back to %q", local, back)
			}
		}
		a := address.Address{Local: local, Domain: "example.com"}
		if _, err := address.Parse(a.String()); err != nil {
			return
		}
		path, err := us.Rewrite(a, "us.example", now)
		if err != nil {
			return // too long
		}
		if back, err := us.Restore(path.Local, now); err != nil || !Is(local) && back != a {
			t.Fatalf("%q became %q, which leads to %q, %v", a, path, back, err)
		}
	})
}
