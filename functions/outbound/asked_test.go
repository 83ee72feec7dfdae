package outbound_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/spool"
)

// asking has a mail sent whose recipients' senders ask for this.
func (w *world) asking(t *testing.T, ret string, to ...spool.Recipient) {
	t.Helper()
	m := w.send(t, "joe@acme.test", "nobody@else.test")
	ok(t, w.step(nil).Spool.Change(t.Context(), m.ID, func(m *spool.Mail) error {
		m.To, m.Return, m.EnvID = to, ret, "QQ+2B1"
		return nil
	}))
}

func TestTheSenderHearsWhatHeAsksFor(t *testing.T) {
	w := newWorld(t)
	w.far.dsn = "tells.test"
	w.far.answers = map[string][]error{"no@a.test": {nobody}, "never@a.test": {nobody}, "success@a.test": {nobody}, "late@a.test": {errors.New("nobody answers")}, "quiet@a.test": {errors.New("nobody answers")}}
	w.asking(t, "", spool.Recipient{Address: "well@a.test", Notify: "SUCCESS", Origin: "rfc822;old@acme.test"}, spool.Recipient{Address: "well@tells.test", Notify: "SUCCESS"},
		spool.Recipient{Address: "plain@a.test"}, spool.Recipient{Address: "no@a.test", Notify: "FAILURE"}, spool.Recipient{Address: "never@a.test", Notify: "NEVER"},
		spool.Recipient{Address: "success@a.test", Notify: "SUCCESS"}, spool.Recipient{Address: "late@a.test", Notify: "DELAY"}, spool.Recipient{Address: "quiet@a.test", Notify: "FAILURE"})
	s := w.step(nil)
	w.work(t, s)
	told := w.told(t)
	if len(told) != 1 || strings.Count(told[0], "Final-Recipient") != 2 || !strings.Contains(told[0], "Original-Envelope-Id: QQ+1\r\n") ||
		!strings.Contains(told[0], "Original-Recipient: rfc822;old@acme.test\r\nFinal-Recipient: rfc822; well@a.test\r\nAction: relayed\r\nStatus: 2.0.0\r\n") ||
		!strings.Contains(told[0], "Final-Recipient: rfc822; no@a.test\r\nAction: failed\r\n") {
		t.Errorf("at once: %q", told)
	}
	w.days(t, s, 1)
	if told = w.told(t); len(told) != 1 || strings.Count(told[0], "Final-Recipient") != 1 || !strings.Contains(told[0], "late@a.test\r\nAction: delayed\r\n") {
		t.Errorf("after a day: %q", told)
	}
	w.days(t, s, 6)
	if told = w.told(t); len(told) != 1 || strings.Count(told[0], "Final-Recipient") != 1 || !strings.Contains(told[0], "quiet@a.test\r\nAction: failed\r\n") {
		t.Errorf("after a week: %q", told)
	}
	if w.left(t) != 0 {
		t.Error("the mail is still there")
	}
}

func TestWhatIsReturned(t *testing.T) {
	for _, c := range []struct {
		ret, notify, kind string
		answer            error
		body              bool
	}{{"FULL", "FAILURE", "message/rfc822", nobody, true}, {"HDRS", "FAILURE", "text/rfc822-headers", nobody, false}, {"", "FAILURE", "text/rfc822-headers", nobody, false},
		{"FULL", "SUCCESS", "text/rfc822-headers", nil, false}} {
		w := newWorld(t)
		w.far.answers = map[string][]error{"x@a.test": {c.answer}}
		w.asking(t, c.ret, spool.Recipient{Address: "x@a.test", Notify: c.notify})
		w.work(t, w.step(nil))
		told := w.told(t)
		if len(told) != 1 || !strings.Contains(told[0], "Content-Type: "+c.kind+"\r\n") || strings.Contains(told[0], "\r\n\r\nhello\r\n") != c.body || !strings.Contains(told[0], "\r\nReceived: x\r\nSubject: hi\r\n") {
			t.Errorf("RET=%s: %q", c.ret, told)
		}
	}
}

// Whatever call it dies at, the sender hears once of what went to a host that tells nothing.
func TestOfSuccessTheSenderHearsOnce(t *testing.T) {
	for n := 1; n <= 12; n++ {
		for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
			w := newWorld(t)
			w.asking(t, "", spool.Recipient{Address: "well@a.test", Notify: "SUCCESS"}, spool.Recipient{Address: "plain@b.test"})
			plan := faults.Nth(n, mode)
			w.work(t, w.step(plan))
			plan.Settle()
			w.days(t, w.step(nil), 1)
			if told := strings.Join(w.told(t), ""); strings.Count(told, "Action: relayed") != 1 || w.left(t) != 0 {
				t.Errorf("call %d %v: %d left, %q", n, mode, w.left(t), told)
			}
		}
	}
}
