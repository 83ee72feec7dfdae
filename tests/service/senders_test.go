package service_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/godwit-mail/godwit/shared/mail/dkim"
	"github.com/godwit-mail/godwit/shared/resolver/resolvertest"
	"github.com/godwit-mail/godwit/tests/world"
)

var senderKey = &dkim.Signer{Domain: "bank.test", Selector: "s", Key: ed25519.NewKeyFromSeed(make([]byte, 32))}

// signed gives a message with the bank's signature.
func signed(t *testing.T, mail string) string {
	t.Helper()
	d := dkim.Digest{RelaxedBody: true}
	_, _ = io.WriteString(&d, mail)
	_ = d.Close()
	field, err := senderKey.Sign(d.Header(), d.BodyHash(dkim.Relaxed), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return field + mail
}

// judging starts a service that knows a few domains, and judges mail of this machine.
func judging(t *testing.T, policy string) *world.World {
	t.Helper()
	record, err := senderKey.Record()
	if err != nil {
		t.Fatal(err)
	}
	zone := resolvertest.Start(t,
		`_dmarc.bank.test. 300 IN TXT "v=DMARC1; p=reject"`,
		`s._domainkey.bank.test. 300 IN TXT "`+record+`"`,
		`_dmarc.shop.test. 300 IN TXT "v=DMARC1; p=quarantine"`,
		`friend.test. 300 IN TXT "v=spf1 ip4:127.0.0.1 -all"`,
		`_dmarc.friend.test. 300 IN TXT "v=DMARC1; p=reject"`,
	)
	return world.Sending(t, map[string]string{"hostname": "localhost", "dns-servers": zone.Addr.String(), "senders-trusted": "", "senders-policy": policy})
}

// bring hands a message over as another host does, and gives what was answered.
func bring(t *testing.T, w *world.World, from, mail string) string {
	t.Helper()
	c, err := smtp.Dial(w.Address("smtp"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail(from); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(world.Alice); err != nil {
		t.Fatal(err)
	}
	data, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(data, mail); err != nil {
		t.Fatal(err)
	}
	var refused *textproto.Error
	if err := data.Close(); errors.As(err, &refused) {
		return fmt.Sprint(refused.Code, " ", refused.Msg)
	} else if err != nil {
		t.Fatal(err)
	}
	return "250"
}

const (
	bank   = "From: Bank <info@bank.test>\r\nSubject: your account\r\n\r\nhello\r\n"
	shop   = "From: shop@shop.test\r\nSubject: an offer\r\n\r\nhello\r\n"
	friend = "Authentication-Results: localhost; dmarc=pass header.from=bank.test\r\nFrom: joe@friend.test\r\nSubject: lunch\r\n\r\nhello\r\n"
)

// The bank's own mail comes, mail in its name doesn't, and what a shop is not sure of is
// filed as junk, where the user's client sees what it is.
func TestMailIsJudgedByWhoSentIt(t *testing.T) {
	w := judging(t, "obey")
	for _, c := range []struct{ name, from, mail, want string }{
		{"in the bank's name", "crook@elsewhere.test", bank, `550 5.7.1 The DMARC policy of bank.test has this message rejected`},
		{"the bank's, changed", "crook@elsewhere.test", signed(t, bank) + "call us at\r\n", `550 5.7.1 The DMARC policy of bank.test has this message rejected`},
		{"the bank's", "bounces@elsewhere.test", signed(t, bank), "250"},
		{"in the shop's name", "shop@shop.test", shop, "250"},
		{"a friend's", "joe@friend.test", friend, "250"},
	} {
		if got := bring(t, w, c.from, c.mail); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	c := loginIMAP(t, w, world.Alice)
	until(t, "the mail is there", func() bool {
		box, err := c.Status("Junk", &imap.StatusOptions{NumMessages: true}).Wait()
		inbox, ierr := c.Status("INBOX", &imap.StatusOptions{NumMessages: true}).Wait()
		return err == nil && ierr == nil && *box.NumMessages == 1 && *inbox.NumMessages == 2
	})
	if _, err := c.Select("Junk", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{Envelope: true, Flags: true}).Collect()
	if err != nil || found[0].Envelope.Subject != "an offer" || !slices.Contains(found[0].Flags, "$Junk") {
		t.Errorf("in Junk: %+v, %v", found[0], err)
	}
	for _, m := range mailbox(t, w, world.Alice) {
		results := strings.Count(m, "Authentication-Results:")
		switch {
		case results != 1:
			t.Errorf("%d verdicts in\n%s", results, m)
		case strings.Contains(m, "lunch") && !strings.Contains(m, "\tspf=pass smtp.mailfrom=friend.test;\r\n\tdmarc=pass (p=reject dis=none) header.from=friend.test"):
			t.Errorf("of the friend's: %s", m)
		case strings.Contains(m, "your account") && !strings.Contains(m, "\tdkim=pass header.d=bank.test header.s=s header.a=ed25519-sha256"):
			t.Errorf("of the bank's: %s", m)
		}
	}
	if log := w.Log.String(); !strings.Contains(log, "sender judged") || strings.Contains(log, "info@bank.test") {
		t.Error("the log does not tell how senders were judged, or who they are")
	}
}

func TestAVerdictMayBeNotedOnly(t *testing.T) {
	w := judging(t, "mark")
	if got := bring(t, w, "crook@elsewhere.test", bank); got != "250" {
		t.Fatal(got)
	}
	until(t, "the mail is there", func() bool { return len(mailbox(t, w, world.Alice)) == 1 })
	if m := mailbox(t, w, world.Alice)[0]; !strings.Contains(m, "\tdmarc=fail (p=reject dis=reject) header.from=bank.test") {
		t.Error(m)
	}
	w = judging(t, "off")
	if got := bring(t, w, "crook@elsewhere.test", bank); got != "250" {
		t.Fatal(got)
	}
	until(t, "the mail is there", func() bool { return len(mailbox(t, w, world.Alice)) == 1 })
	if m := mailbox(t, w, world.Alice)[0]; strings.Contains(m, "Authentication-Results") {
		t.Error(m)
	}
}
