package outbound_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwit-mail/godwit/shared/account"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/faults"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/spool"
)

// forward puts mail on its way that an address of ours leads to x@far.test, where nobody is.
func (w *world) forward(t *testing.T, text string, change func(*spool.Mail)) {
	t.Helper()
	w.far.answers = map[string][]error{"X@far.test": {nobodyNamed}}
	ref, err := blob.Store{Driver: w.Blobs}.Put(t.Context(), blob.NewName("acme", w.Clock.Now()), blob.Header{Owners: []string{"-"}}, strings.NewReader(text), int64(len(text)))
	ok(t, err)
	m := &spool.Mail{Tenant: "acme", Correlation: "c", Kind: spool.Forward, From: "joe@near.test", Path: "SRS0=x=y=near.test=joe@acme.test", Proven: true,
		Head: []byte("Received: x\r\n"), Blob: ref, HeaderLen: int64(strings.Index(text, "\r\n\r\n") + 4),
		AcceptedMS: w.Clock.Now().UnixMilli(), ExpiresMS: w.Clock.Now().Add(5 * 24 * time.Hour).UnixMilli(),
		To: []spool.Recipient{{Address: "X@far.test", Alias: "info@acme.test"}}}
	if change != nil {
		change(m)
	}
	ok(t, w.step(nil).Spool.Send(t.Context(), "name", m))
}

var nobodyNamed = relay.Reply{Code: 550, Enhanced: "5.1.1", Text: "nobody is <x@FAR.test> here"}

func TestTheSenderElsewhereHearsOfAForwardThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		change func(*spool.Mail)
		told   int
	}{
		"he sent it":                 {text, nil, 1},
		"nobody":                     {text, func(m *spool.Mail) { m.From, m.Path = "", "" }, 0},
		"it may be forged":           {text, func(m *spool.Mail) { m.Proven = false }, 0},
		"he wants to know nothing":   {text, func(m *spool.Mail) { m.To[0].Notify = "NEVER" }, 0},
		"he wants to know":           {text, func(m *spool.Mail) { m.To[0].Notify = "SUCCESS,FAILURE" }, 1},
		"a list by its owner":        {text, func(m *spool.Mail) { m.From = "owner-list@near.test" }, 0},
		"a list by its requests":     {text, func(m *spool.Mail) { m.From = "list-request@near.test" }, 0},
		"a list by its id":           {"List-Id: <l.near.test>\r\n" + text, nil, 0},
		"a list by its precedence":   {"Precedence: Bulk\r\n" + text, nil, 0},
		"another precedence":         {"Precedence: first-class\r\n" + text, nil, 1},
		"a notification with sender": {"Content-Type: multipart/report; report-type=\"delivery-status\"; boundary=x\r\n" + text, nil, 0},
		"a notification of ours":     {text, func(m *spool.Mail) { m.Kind = spool.Notification }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.forward(t, c.text, c.change)
			s := w.step(nil)
			w.work(t, s)
			if w.far.got["joe@near.test"] != c.told || w.left(t) != 0 || len(w.told(t)) != 0 {
				t.Errorf("%v, %d left", w.far.got, w.left(t))
			}
			got := w.far.text["joe@near.test"]
			if c.told == 1 && (!strings.Contains(got, "Final-Recipient: rfc822; info@acme.test\r\nAction: failed\r\nStatus: 5.1.1\r\n") ||
				!strings.Contains(got, "550 5.1.1 nobody is <info@acme.test> here") || strings.Contains(got, "far.test") || !strings.Contains(got, "To: <joe@near.test>\r\n")) {
				t.Error(got)
			}
			if c.told == 1 && w.far.from["joe@near.test"] != "" {
				t.Errorf("the notification is from %q", w.far.from["joe@near.test"])
			}
			if c.change == nil && w.far.from["X@far.test"] != "SRS0=x=y=near.test=joe@acme.test" {
				t.Errorf("it went on from %q", w.far.from["X@far.test"])
			}
		})
	}
}

// A delay is no business of who is elsewhere, unless he asked for it.
func TestTheSenderElsewhereHearsOfADelayIfHeAsks(t *testing.T) {
	for _, notify := range []string{"", "DELAY,FAILURE"} {
		w := newWorld(t)
		w.forward(t, text, func(m *spool.Mail) { m.To[0].Notify = notify })
		w.far.answers = map[string][]error{"X@far.test": {later}}
		w.days(t, w.step(nil), 1)
		if w.far.got["joe@near.test"] != min(1, len(notify)) {
			t.Errorf("%q: %v", notify, w.far.got)
		}
	}
}

// Whatever call it dies at, the sender elsewhere is told; twice only when it died between
// the notification and the note of it.
func TestItMayDieWhenItTellsASenderElsewhere(t *testing.T) {
	for n := 1; n <= 12; n++ {
		for _, mode := range []faults.Mode{faults.FailBefore, faults.FailAfter} {
			w := newWorld(t)
			w.forward(t, text, nil)
			plan := faults.Nth(n, mode)
			w.work(t, w.step(plan))
			plan.Settle()
			w.days(t, w.step(nil), 1)
			if got := w.far.got["joe@near.test"]; got < 1 || got > 2 || w.left(t) != 0 {
				t.Errorf("call %d %v: told %d times, %d left", n, mode, got, w.left(t))
			}
		}
	}
}

// A user of one tenant who writes to an address of another hears of its fate in his own account.
func TestTheSenderMayBeAnotherTenants(t *testing.T) {
	w := newWorld(t)
	w.forward(t, text, func(m *spool.Mail) {
		m.Sender, m.Seen = account.Ref{ID: "joe", Epoch: 1, Tenant: "other"}, 7
	})
	w.work(t, w.step(nil))
	if told := w.told(t); len(told) != 1 || strings.Contains(told[0], "far.test") || w.tenants["other"] != 1 {
		t.Errorf("%q, %v", told, w.tenants)
	}
}
