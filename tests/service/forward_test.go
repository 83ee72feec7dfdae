//go:build !localstack

package service_test

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/tests/world"
)

// An alias leads to an account and to another host, under a reverse-path of ours; what can't
// be delivered there comes back to who sent it, by his host; and so does what that host sends
// back later.
func TestAnAliasLeadsToAnotherHost(t *testing.T) {
	far := startElsewhere(t)
	_, port, _ := net.SplitHostPort(far.addr)
	zone := resolvertest.Start(t, "far.test. 300 IN MX 10 mx.far.test.", "mx.far.test. 300 IN A 127.0.0.1", "near.test. 300 IN MX 10 mx.far.test.")
	w := world.Start(t, world.Config{Settings: map[string]string{"hostname": "localhost", "dns-servers": zone.Addr.String(), "outbound-way": "direct",
		"outbound-port": port, "outbound-allow": "127.0.0.0/8"}})
	w.Godwit("group", "create", "both@demo.test", world.Bob, "x@far.test")
	w.Godwit("alias", "create", "gone@demo.test", "nobody@far.test")
	w.Godwit("alias", "create", "both2@demo.test", "both@demo.test")
	send := func(from string, mail string, to ...string) error {
		c, err := smtp.Dial(w.Address("smtp"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.SendMail(from, to, strings.NewReader(mail))
	}
	const mail = "From: joe@near.test\r\nBcc: ann@near.test\r\nSubject: on\r\n\r\nbody\r\n"
	if err := send("x@near.test", mail, "both@demo.test", "both2@demo.test"); err != nil {
		t.Fatal(err)
	}
	until(t, "the mail is there", func() bool { return len(far.mails()) == 1 && len(mailbox(t, w, world.Bob)) == 1 })
	got := far.mails()[0]
	path := regexp.MustCompile(`<(SRS0=[^>]+=near\.test=x@demo\.test)> x@far\.test\n`).FindStringSubmatch(got)
	if path == nil || !strings.HasSuffix(got, mail) || !strings.Contains(got, "X-Godwit-Forwarded: <both@demo.test>\r\n") {
		t.Fatalf("the other host got %q", got)
	}
	if err := send("", "Subject: back\r\n\r\nit failed\r\n", path[1]); err != nil {
		t.Fatal(err)
	}
	until(t, "the notification is there", func() bool { return len(far.mails()) == 2 })
	if back := far.mails()[1]; !strings.HasPrefix(back, "<> x@near.test\n") || !strings.Contains(back, "it failed") {
		t.Errorf("back came %q", back)
	}
	if err := send("spam@near.test", mail, path[1]); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("mail of others goes to the sender: %v", err)
	}
	if err := send("", mail, strings.Replace(path[1], "=x@", "=y@", 1)); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("a forged path is taken: %v", err)
	}
	if err := send("x@near.test", mail, "gone@demo.test"); err != nil {
		t.Fatal(err)
	}
	until(t, "the sender is told", func() bool { return len(far.mails()) == 3 })
	if told := far.mails()[2]; !strings.HasPrefix(told, "<> x@near.test\n") || !strings.Contains(told, "Final-Recipient: rfc822; gone@demo.test\r\nAction: failed\r\nStatus: 5.1.1\r\n") || strings.Contains(told, "nobody@far") {
		t.Errorf("he is told %q", told)
	}
	if err := send("x@near.test", "X-Godwit-Forwarded: <both@demo.test>\r\n"+mail, "both@demo.test"); err == nil || !strings.Contains(err.Error(), "loop") {
		t.Errorf("a loop: %v", err)
	}
}
