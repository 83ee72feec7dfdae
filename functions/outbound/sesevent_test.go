package outbound

import (
	"strings"
	"testing"

	"github.com/godwit-mail/godwit/shared/kinds"
)

func FuzzSESEvent(f *testing.F) {
	f.Add([]byte(`{"eventType":"Bounce","mail":{"tags":{"godwit-mail":["YWNtZS8x"]}},"bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"Joe <joe@a.test>","status":"5.1.1","diagnosticCode":"smtp; 550 no"}],"feedbackId":"x","reportingMTA":"dns; a.test"}}`))
	f.Add([]byte(`{"Type":"Notification","Message":"{\"notificationType\":\"Complaint\",\"complaint\":{\"complainedRecipients\":[{\"emailAddress\":\"joe@a.test\"}]}}"}`))
	f.Add([]byte(`{"eventType":"Reject","mail":{"messageId":"m","destination":["joe@a.test"]},"reject":{"reason":"Bad content"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseSESEvent(b)
		if err != nil {
			if !kinds.Is(err, kinds.Invalid) && !kinds.Is(err, kinds.Limit) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(e.of) > maxEventTo {
			t.Errorf("%d recipients", len(e.of))
		}
		for _, r := range e.of {
			if plain(r.address) != r.address || plain(r.said) != r.said || len(r.said) > maxEventText || r.status != "" && strings.Count(r.status, ".") != 2 {
				t.Errorf("%+v", r)
			}
		}
	})
}
