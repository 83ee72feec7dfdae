package smtp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/spool"
)

// sent gives what goes to other hosts of one message that alice sends.
func sent(t *testing.T, mail, rcpt, field string) *spool.Mail {
	t.Helper()
	out := &post{}
	w := newWorldWith(t, func(cfg *Config) { cfg.Outbound, cfg.Expire = out, time.Hour })
	conn, r := w.login(t)
	fmt.Fprintf(conn, "MAIL FROM:<alice@demo.test>%s\r\nRCPT TO:%s\r\nDATA\r\nFrom: alice@demo.test\r\n%s\r\nhello\r\n.\r\nQUIT\r\n", mail, rcpt, field)
	for said := ""; !strings.HasPrefix(said, "221"); {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if said = line; line[0] > '3' {
			t.Error(line)
		}
	}
	if len(out.mails) != 1 {
		t.Fatalf("%d mails", len(out.mails))
	}
	return out.mails[0]
}

// A client that says SMTPUTF8 to be safe does not keep its mail from hosts that lack it.
func TestOnlyWhatNeedsItAsksForSMTPUTF8(t *testing.T) {
	for _, c := range []struct {
		mail, rcpt, field string
		want              bool
	}{
		{"", "<x@far.test>", "Subject: plain\r\n", false},
		{" SMTPUTF8", "<x@far.test>", "Subject: plain\r\n", false},
		{" SMTPUTF8", "<x@f\xc3\xa4r.test>", "Subject: plain\r\n", false},      // the domain has another form
		{" SMTPUTF8", "<x@far.test>", "Bcc: d\xc3\xb6rte@far.test\r\n", false}, // which is left out
		{" SMTPUTF8", "<x@far.test>", "Subject: f\xc3\xbcr alle\r\n", true},
		{" SMTPUTF8", "<d\xc3\xb6rte@far.test>", "Subject: plain\r\n", true},
	} {
		if m := sent(t, c.mail, c.rcpt, c.field); m.UTF8 != c.want {
			t.Errorf("%q to %q, %q: %v, want %v", c.mail, c.rcpt, c.field, m.UTF8, c.want)
		}
	}
}

func TestWhatSendersAskToBeToldGoesOn(t *testing.T) {
	m := sent(t, " RET=hdrs ENVID=QQ+2B1", "<x@far.test> NOTIFY=success,delay ORCPT=rfc822;old+2Bx@demo.test", "")
	if to := m.To[0]; m.Return != "HDRS" || m.EnvID != "QQ+2B1" || to.Notify != "SUCCESS,DELAY" || to.Origin != "rfc822;old+2Bx@demo.test" {
		t.Errorf("%+v", m)
	}
}
