package ses_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/ses"
)

// service answers SendEmail: with an error if it has one, else with an id.
type service struct {
	status int
	code   string // "": it takes the mail
	asked  []asked
}

type asked struct {
	Content     struct{ Raw struct{ Data []byte } }
	Destination struct{ ToAddresses []string }
	EmailTags   []struct{ Name, Value string }
}

func (s *service) client(t *testing.T) *ses.Client {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(s.asked)
		s.asked = append(s.asked, asked{})
		_ = json.NewDecoder(r.Body).Decode(&s.asked[n])
		w.Header().Set("Content-Type", "application/json")
		if s.code != "" {
			name, said, _ := strings.Cut(s.code, ": ")
			w.Header().Set("X-Amzn-ErrorType", name)
			w.WriteHeader(s.status)
			fmt.Fprintf(w, `{"message":%q}`, said)
			return
		}
		fmt.Fprintf(w, `{"MessageId":"id-%d"}`, n)
	}))
	t.Cleanup(server.Close)
	return ses.New(aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
	})})
}

const text = "Subject: hi\r\n\r\nhello\r\n"

func send(t *testing.T, c *ses.Client, message string, edit func(*relay.Envelope), to ...string) []relay.Result {
	e := relay.Envelope{From: "joe@acme.test", Size: int64(len(message))}
	for _, a := range to {
		e.To = append(e.To, relay.Recipient{Address: a})
	}
	if edit != nil {
		edit(&e)
	}
	return c.Sender("set", map[string]string{"a": "b"}).Send(t.Context(), "a.test", e, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(message)), nil })
}

func TestAMailGoesInCallsOfFiftyRecipients(t *testing.T) {
	s := &service{}
	var to []string
	for i := range 70 {
		to = append(to, fmt.Sprintf("u%d@a.test", i))
	}
	results := send(t, s.client(t), text, nil, to...)
	if len(s.asked) != 2 || len(s.asked[0].Destination.ToAddresses) != 50 || len(s.asked[1].Destination.ToAddresses) != 20 || string(s.asked[1].Content.Raw.Data) != text ||
		s.asked[0].EmailTags[0].Value != "b" {
		t.Fatalf("%d calls: %+v", len(s.asked), s.asked)
	}
	if results[0].Err != nil || results[0].Said != "SES has it as id-0" || results[69].Said != "SES has it as id-1" || results[0].Host != "email.us-east-1.amazonaws.com" {
		t.Errorf("%+v, %+v", results[0], results[69])
	}
}

// What SES will never take fails; what may pass, and what somebody has to put right, waits.
func TestWhatSESAnswersIsSaidOfTheMail(t *testing.T) {
	for code, want := range map[string]struct {
		status    int
		permanent bool
		kind      kinds.Kind
	}{
		"MessageRejected: Email address is not verified.":  {400, true, kinds.Denied},
		"BadRequestException: Illegal address":             {400, true, kinds.Denied},
		"TooManyRequestsException: Maximum sending rate":   {429, false, kinds.Throttled},
		"TooManyRequestsException: Daily quota exceeded":   {429, false, kinds.Unavailable},
		"SendingPausedException: paused":                   {400, false, kinds.Unavailable},
		"MailFromDomainNotVerifiedException: not verified": {400, false, kinds.Unavailable},
		"AccountSuspendedException: suspended":             {400, false, kinds.Unavailable},
		"NotFoundException: no such configuration set":     {404, false, kinds.Unavailable},
		"InternalFailure: oh":                              {500, false, kinds.Unavailable},
	} {
		s := &service{status: want.status, code: code}
		err := send(t, s.client(t), text, nil, "x@a.test")[0].Err
		reply, said := err.(relay.Reply)
		if kinds.Of(err) != want.kind || (said && reply.Permanent()) != want.permanent {
			t.Errorf("%s: %v (%v)", code, err, kinds.Of(err))
		}
		if len(s.asked) != 1 {
			t.Errorf("%s: %d calls; each may have sent it", code, len(s.asked))
		}
	}
}

func TestWhatSESDoesNotTakeIsNotHandedToIt(t *testing.T) {
	s := &service{}
	c := s.client(t)
	for say, edit := range map[string]func(*relay.Envelope){
		"without a sender": func(e *relay.Envelope) { e.From = "" },
		"larger than":      func(e *relay.Envelope) { e.Size = ses.MaxMessage + 1 },
		"outside ASCII":    func(e *relay.Envelope) { e.UTF8 = true },
		"stays encrypted":  func(e *relay.Envelope) { e.RequireTLS = true },
	} {
		reply, said := send(t, c, text, edit, "x@a.test")[0].Err.(relay.Reply)
		if !said || !reply.Permanent() || !strings.Contains(reply.Text, say) {
			t.Errorf("%s: %v", say, reply)
		}
	}
	if err := send(t, c, "Subject: hi\r\n\r\na\nb\r\n", nil, "x@a.test")[0].Err; !kinds.Is(err, kinds.Invalid) {
		t.Errorf("of a bare LF: %v", err)
	}
	if len(s.asked) != 0 {
		t.Errorf("%d calls", len(s.asked))
	}
}
