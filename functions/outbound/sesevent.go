package outbound

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/spool"
)

// Limits of an event of SES.
const (
	maxEvent      = 256 << 10 // octets
	maxEventTo    = 100       // recipients
	maxEventText  = 500       // octets of what is kept of a text
	maxEventField = 1 << 10   // octets of an id or address
)

// MailTag is the tag by which events of SES tell of which mail they are.
const MailTag = "godwit-mail"

// sesTags are the tags of a mail.
func sesTags(m *spool.Mail) map[string]string {
	return map[string]string{MailTag: base64.RawURLEncoding.EncodeToString([]byte(m.ID))}
}

// sesEvent is what became of a mail that SES took.
type sesEvent struct {
	kind      string // "bounce", "complaint", "reject", "" for what nobody needs to know
	permanent bool   // of a bounce: there is nobody
	mail      string // its id; "" when the event has no tag of ours
	id        string // the event's, or what tells it from others
	host      string // that said it
	of        []sesRecipient
}

type sesRecipient struct{ address, status, said string }

// What SES writes: its developer guide, "Contents of event data that Amazon SES publishes to
// Amazon SNS"; with notifications of an identity, "notificationType".
type sesJSON struct {
	Type         string `json:"Type"` // SNS's, with Message
	Message      string `json:"Message"`
	Event        string `json:"eventType"`
	Notification string `json:"notificationType"`
	Mail         struct {
		MessageID   string              `json:"messageId"`
		Destination []string            `json:"destination"`
		Tags        map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		Type       string `json:"bounceType"`
		Recipients []struct {
			Address    string `json:"emailAddress"`
			Status     string `json:"status"`
			Diagnostic string `json:"diagnosticCode"`
		} `json:"bouncedRecipients"`
		Feedback string `json:"feedbackId"`
		MTA      string `json:"reportingMTA"`
	} `json:"bounce"`
	Complaint struct {
		Recipients []struct {
			Address string `json:"emailAddress"`
		} `json:"complainedRecipients"`
		Feedback string `json:"feedbackId"`
		Type     string `json:"complaintFeedbackType"`
	} `json:"complaint"`
	Reject struct {
		Reason string `json:"reason"`
	} `json:"reject"`
}

// parseSESEvent reads an event as SNS puts it into a queue, with its envelope or raw.
// Errors are kinds.Invalid and kinds.Limit.
func parseSESEvent(body []byte) (sesEvent, error) {
	j, err := readSESEvent(body)
	if err == nil && j.Type == "Notification" && j.Message != "" {
		j, err = readSESEvent([]byte(j.Message))
	}
	if err != nil {
		return sesEvent{}, err
	}
	e := sesEvent{}
	if tags := j.Mail.Tags[MailTag]; len(tags) > 0 && len(tags[0]) <= maxEventField {
		id, err := base64.RawURLEncoding.DecodeString(tags[0])
		if err != nil {
			return e, kinds.Errorf(kinds.Invalid, "outbound: the event's tag is none of ours")
		}
		e.mail = string(id)
	}
	switch cmp.Or(j.Event, j.Notification) {
	case "Bounce":
		e.kind, e.permanent, e.id, e.host = "bounce", j.Bounce.Type == "Permanent", j.Bounce.Feedback, host(j.Bounce.MTA)
		for _, r := range j.Bounce.Recipients {
			e.of = append(e.of, sesRecipient{r.Address, status(r.Status, e.permanent), plain(cmp.Or(r.Diagnostic, "SES says that it bounced"))})
		}
	case "Complaint":
		e.kind, e.id = "complaint", j.Complaint.Feedback
		for _, r := range j.Complaint.Recipients {
			e.of = append(e.of, sesRecipient{r.Address, "5.7.1", plain(cmp.Or(j.Complaint.Type, "complaint"))})
		}
	case "Reject":
		e.kind, e.id = "reject", j.Mail.MessageID
		for _, a := range j.Mail.Destination {
			e.of = append(e.of, sesRecipient{a, "5.7.1", plain("SES rejects the message: " + j.Reject.Reason)})
		}
	}
	if len(e.of) > maxEventTo || len(e.id) > maxEventField {
		return e, kinds.Errorf(kinds.Limit, "outbound: an event about %d recipients", len(e.of))
	}
	for i := range e.of {
		if e.of[i].address, err = bare(e.of[i].address); err != nil {
			return e, err
		}
	}
	return e, nil
}

func readSESEvent(b []byte) (j sesJSON, err error) {
	if len(b) > maxEvent {
		return j, kinds.Errorf(kinds.Limit, "outbound: an event of %d octets", len(b))
	}
	if err := json.Unmarshal(b, &j); err != nil {
		return j, kinds.Errorf(kinds.Invalid, "outbound: an event that is no JSON of SES")
	}
	return j, nil
}

// bare gives the address itself: SES may write it with a name (Joe <joe@example.net>).
func bare(s string) (string, error) {
	if from := strings.LastIndexByte(s, '<'); from >= 0 && strings.HasSuffix(s, ">") {
		s = s[from+1 : len(s)-1]
	}
	if len(s) > maxEventField || !strings.Contains(s, "@") || plain(s) != s {
		return "", kinds.Errorf(kinds.Invalid, "outbound: an event about what is no address")
	}
	return s, nil
}

// plain leaves what may stand in a report or a log.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
	return s[:min(len(s), maxEventText)]
}

// host is the name in "dns; host.example.net".
func host(mta string) string {
	_, name, _ := strings.Cut(mta, ";")
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 255 || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return ""
	}
	return name
}

// status is that of RFC 3463 that SES gives, if it is one.
func status(s string, permanent bool) string {
	class, rest, ok := strings.Cut(s, ".")
	subject, detail, more := strings.Cut(rest, ".")
	number := func(s string) bool { return s != "" && len(s) <= 3 && strings.Trim(s, "0123456789") == "" }
	switch {
	case ok && more && (class == "5" || class == "4") && number(subject) && number(detail):
		return s
	case permanent:
		return "5.1.1"
	}
	return "5.4.7" // delivery time expired: SES has given up
}
