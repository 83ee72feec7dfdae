package outbound_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/spool"
)

// bySES is a mail that SES has taken.
func bySES(t *testing.T, to ...string) (*world, *outbound.Step, *spool.Mail) {
	w := newWorld(t)
	s := w.step(nil)
	s.Router = &outbound.Router{Default: func(string) directory.Way { return directory.Way{Name: directory.SES} }, Now: w.Clock.Now,
		SES: func(*spool.Mail, string) outbound.Sender { return w.far }}
	m := w.send(t, "joe@acme.test", to...)
	w.work(t, s)
	if w.left(t) != 0 {
		t.Fatal("SES did not take the mail")
	}
	return w, s, m
}

// event hands over an event of SES as SNS brings it.
func event(t *testing.T, s *outbound.Step, m *spool.Mail, kind, detail string) {
	t.Helper()
	inner := fmt.Sprintf(`{"eventType":%q,"mail":{"messageId":"ses-1","destination":["no@b.test"],"tags":{%q:[%q]}},%s}`, kind, outbound.MailTag,
		base64.RawURLEncoding.EncodeToString([]byte(m.ID)), detail)
	b, err := json.Marshal(map[string]string{"Type": "Notification", "Message": inner})
	ok(t, err)
	for _, err := range s.HandleSES(t.Context(), []queue.Received{{Body: b}}) {
		ok(t, err)
	}
}

const bounced = `"bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"No@b.test","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 nobody"}],"feedbackId":"f1","reportingMTA":"dns; mx.b.test"}`

func TestWhatBouncesAtSESComesBackToItsSenderOnce(t *testing.T) {
	w, s, m := bySES(t, "fine@a.test", "no@b.test")
	for range 3 { // an event may come again
		event(t, s, m, "Bounce", bounced)
		w.work(t, s)
	}
	told := w.told(t)
	if len(told) != 1 || !strings.Contains(told[0], "Final-Recipient: rfc822; no@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.b.test\r\n") ||
		strings.Count(told[0], "Final-Recipient") != 1 || !strings.Contains(told[0], "\r\nSubject: hi\r\n") || w.left(t) != 0 {
		t.Fatalf("%d left, told %q", w.left(t), told)
	}
	// From now on nothing is sent there, by whatever way, until somebody allows it again.
	w.far.got = map[string]int{}
	direct := w.step(nil)
	w.mail(t, "second", "joe@acme.test", "NO@b.test", "fine@a.test")
	w.work(t, direct)
	if told = w.told(t); len(told) != 1 || !strings.Contains(told[0], "The address is suppressed") || fmt.Sprint(w.far.got) != "map[fine@a.test:1]" {
		t.Errorf("sent to %v, told %q", w.far.got, told)
	}
	list, err := s.Spool.ListSuppressed(t.Context(), "acme", "", 10)
	ok(t, err)
	if len(list) != 1 || list[0].Reason != spool.Bounced || list[0].Said != "smtp; 550 5.1.1 nobody" {
		t.Fatalf("%+v", list)
	}
	ok(t, s.Spool.Unsuppress(t.Context(), list[0].ID))
	w.mail(t, "third", "joe@acme.test", "no@b.test")
	w.work(t, direct)
	if w.far.got["no@b.test"] != 1 {
		t.Errorf("sent to %v", w.far.got)
	}
}

// Who complains gets no more mail; the sender is not told, as the mail has arrived. What SES
// gave up for now is told, and may be sent again.
func TestComplaintsSuppressAndPassingBouncesDoNot(t *testing.T) {
	w, s, m := bySES(t, "no@b.test")
	event(t, s, m, "Complaint", `"complaint":{"complainedRecipients":[{"emailAddress":"no@b.test"}],"feedbackId":"f2","complaintFeedbackType":"abuse"}`)
	w.work(t, s)
	found, err := s.Spool.SuppressedOf(t.Context(), "acme", []string{"no@b.test"})
	ok(t, err)
	if told := w.told(t); len(told) != 0 || found["no@b.test"].Reason != spool.Complained {
		t.Errorf("%+v, told %q", found, told)
	}
	other, err := s.Spool.SuppressedOf(t.Context(), "rival", []string{"no@b.test"})
	ok(t, err)
	if len(other) != 0 {
		t.Error("another tenant's mail is suppressed")
	}

	w, s, m = bySES(t, "no@b.test")
	event(t, s, m, "Bounce", strings.Replace(bounced, "Permanent", "Transient", 1))
	w.work(t, s)
	found, err = s.Spool.SuppressedOf(t.Context(), "acme", []string{"no@b.test"})
	ok(t, err)
	if told := w.told(t); len(told) != 1 || len(found) != 0 {
		t.Errorf("%+v, told %q", found, told)
	}
}

// Nobody is told, and nothing is suppressed, for what is not ours.
func TestEventsThatAreNotOursDoNothing(t *testing.T) {
	w, s, m := bySES(t, "no@b.test")
	for _, body := range []string{`{`, `{"eventType":"Bounce"}`, `{"eventType":"Delivery"}`,
		`{"eventType":"Bounce","mail":{"tags":{"godwit-mail":["%%"]}},"bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"no@b.test"}]}}`,
		`{"eventType":"Bounce","mail":{"tags":{"godwit-mail":["` + base64.RawURLEncoding.EncodeToString([]byte(m.ID)) + `"]}},"bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"a\r\nb@b.test"}]}}`} {
		ok(t, w.Queue.Send(t.Context(), queue.Outbound, queue.Message{Group: "x", Body: []byte(body)}))
	}
	w.work(t, s)
	list, err := s.Spool.ListSuppressed(t.Context(), "", "", 10)
	ok(t, err)
	if told := w.told(t); len(told) != 0 || len(list) != 0 {
		t.Errorf("%+v, told %q", list, told)
	}
}
