package admin

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
)

func TestProgressTellsRateAndTimeLeft(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1e9, 0)
	p := newProgress(&out, 100_000_000)
	p.now = func() time.Time { return now }
	p.began, p.shown = now, now
	for range 4 {
		now = now.Add(5 * time.Second)
		p.add(2500, 10_000_000)
	}
	p.line("skipped: x\x1b[2Jy")
	want := " 20%  5,000 messages  500/s  2.0 MB/s  40s left\n 40%  10,000 messages  500/s  2.0 MB/s  30s left\nskipped: x?[2Jy\n"
	if out.String() != want {
		t.Errorf("it says %q", out.String())
	}
	out.Reset()
	p.terminal = true
	now = now.Add(5 * time.Second)
	p.add(2500, 10_000_000)
	p.line("skipped: z")
	if want := "\r\x1b[K[==========          ]  50%  12,500 messages  500/s  2.0 MB/s  25s left\r\x1b[Kskipped: z\n"; out.String() != want {
		t.Errorf("a terminal gets %q", out.String())
	}
}

func TestEveryMailboxHasAPlace(t *testing.T) {
	long := strings.Repeat("long/", 300)
	for _, c := range []struct {
		box, into, want string
		other           bool
	}{
		{"INBOX", "", "INBOX", false},
		{"INBOX", "Old/", "Old", false},
		{"a/b", "Old", "Old/a/b", false},
		{"inbox/x", "", "INBOX/x", false},
		{"a*b/c%d", "", "a_b/c_d", true},
		{"a\x80b", "", "a_b", true},
		{"a//b", "", "a/_/b", true},
		{strings.Repeat("x/", 60) + "y", "", strings.Repeat("x/", 49) + strings.Repeat("x_", 11) + "y", true},
		{"", "", "_", true},
	} {
		got, other := target(c.box, c.into)
		if got != c.want || other != c.other {
			t.Errorf("%q goes to %q (%v), want %q", c.box, got, other, c.want)
		}
	}
	one, _ := target(long+"a", "")
	two, _ := target(long+"b", "")
	if _, err := account.CheckName(one); err != nil || one == two {
		t.Errorf("long names go to %q and %q: %v", one, two, err)
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("INBOX/x", "Old")
	f.Add("a*b\x00//", "")
	f.Add(strings.Repeat("ä/", 600), "x")
	f.Fuzz(func(t *testing.T, box, into string) {
		if got, _ := target(box, into); got != "" {
			if kept, err := account.CheckName(got); err != nil || kept != got {
				t.Errorf("%q goes to %q: %v", box, got, err)
			}
		}
	})
}
