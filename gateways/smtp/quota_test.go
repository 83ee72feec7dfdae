package smtp

import (
	"slices"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/delivery"
)

func TestMailIsCountedForItsDomainsAndCarriesQuotas(t *testing.T) {
	w := newWorld(t)
	if err := w.send(t, "a@example.net", []string{"full@demo.test", "team@demo.test"}, strings.NewReader("Subject: x\r\n\r\nx\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.next(t).Recipients {
		want := delivery.Limit{Address: "full@demo.test", Quota: account.Quota{Bytes: 1000}}
		if full := r.Account.ID == "full@demo.test"; full != (r.Limit != nil) || full && *r.Limit != want {
			t.Errorf("%s: %+v", r.Account.ID, r.Limit)
		}
	}
	// The session counts before it answers.
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := slices.Repeat([]string{"demo.test 1 17"}, 3); !slices.Equal(w.grown, want) {
		t.Errorf("counted %q, want %q", w.grown, want)
	}
}

func TestRoomAtRCPT(t *testing.T) {
	p := open(t, t.Context())
	p.town.put("exact@demo.test", 900, "exact@demo.test")
	p.town.put("few@demo.test", 0, "few@demo.test")
	few := p.town.addresses["few@demo.test"].Recipients
	few[0].Limits.Account.Messages = 2
	p.town.heads["exact@demo.test"] = account.Head{Standing: account.Standing{Totals: account.Totals{Bytes: 900}}}
	p.town.heads["few@demo.test"] = account.Head{Standing: account.Standing{Totals: account.Totals{Messages: 2}}}
	for _, c := range []struct{ line, want string }{
		{"EHLO a", "250"},
		{"MAIL FROM:<a@b.c>", "250"},
		// One that is full takes nothing, even where no size was told.
		{"RCPT TO:<exact@demo.test>", "452 4.2.2 Mailbox full"},
		{"RCPT TO:<few@demo.test>", "452 4.2.2 Mailbox full"},
		{"RCPT TO:<anybody@full.test>", "452 4.2.2 Mailbox full"},
		{"RCPT TO:<full@demo.test>", "250"}, // 100 octets are left
	} {
		p.say(c.line, c.want)
	}
}
