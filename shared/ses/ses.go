// Package ses sends mail by Amazon SES. SES takes mail of our own domains only, no null
// sender and no addresses outside ASCII; it gives each message a Message-ID of its own and
// signs it itself, for domains that were verified there.
package ses

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"golang.org/x/sync/semaphore"

	"github.com/godwit-mail/godwit/shared/internal/awsclient"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/relay"
)

// Limits of SES, and ours.
const (
	MaxMessage = 40_000_000 // octets of one message: SES's 40 MB
	maxTo      = 50         // recipients of one call
	memory     = 256 << 20  // octets of all messages that are on their way at once
	copies     = 4          // of a message that are in memory while it is sent
)

// Client sends by SES. Safe for concurrent use.
type Client struct {
	api    *sesv2.Client
	host   string
	memory *semaphore.Weighted
}

// Open makes a client as the environment says; region may be "", the environment's.
func Open(ctx context.Context, region string) (*Client, error) {
	cfg, err := awsclient.LoadIn(ctx, region)
	if err != nil {
		return nil, err
	}
	return New(cfg), nil
}

// New makes a client.
func New(cfg aws.Config) *Client {
	return &Client{api: sesv2.NewFromConfig(cfg), host: "email." + cfg.Region + ".amazonaws.com", memory: semaphore.NewWeighted(memory)}
}

// Sender sends one mail. Its events go where the configuration set says, "" for none, and
// bear the tags.
func (c *Client) Sender(set string, tags map[string]string) *Sender {
	s := &Sender{client: c}
	if set != "" {
		s.set = &set
	}
	for name, value := range tags {
		s.tags = append(s.tags, types.MessageTag{Name: aws.String(name), Value: aws.String(value)})
	}
	return s
}

// Sender sends one mail.
type Sender struct {
	client *Client
	set    *string
	tags   []types.MessageTag
}

// refusals of ours, of what SES would refuse, or would not do as it was asked.
var (
	tooLarge   = relay.Reply{Code: 552, Enhanced: "5.3.4", Text: "The message is larger than SES takes"}
	noSender   = relay.Reply{Code: 554, Enhanced: "5.7.1", Text: "SES takes no mail without a sender"}
	needsUTF8  = relay.Reply{Code: 553, Enhanced: "5.6.7", Text: "SES takes no addresses outside ASCII"}
	noREQUIRED = relay.Reply{Code: 554, Enhanced: "5.7.30", Text: "SES can't promise that the message stays encrypted on its way"}
)

// Send sends a message to recipients, of whatever domain.
func (s *Sender) Send(ctx context.Context, _ string, e relay.Envelope, open func() (io.ReadCloser, error)) []relay.Result {
	results := make([]relay.Result, len(e.To))
	if err := s.send(ctx, e, open, results); err != nil {
		for i := range results {
			if results[i].Host == "" {
				results[i] = relay.Result{Err: err}
			}
		}
	}
	return results
}

func cannot(e *relay.Envelope) error {
	switch {
	case e.From == "":
		return noSender
	case e.Size > MaxMessage:
		return tooLarge
	case e.UTF8:
		return needsUTF8
	case e.RequireTLS:
		return noREQUIRED
	}
	return nil
}

// send fills results as far as it comes.
func (s *Sender) send(ctx context.Context, e relay.Envelope, open func() (io.ReadCloser, error), results []relay.Result) error {
	if err := cannot(&e); err != nil {
		return err
	}
	if err := s.client.memory.Acquire(ctx, copies*e.Size); err != nil {
		return kinds.Wrap(kinds.Throttled, err, "ses: too much is being sent at once")
	}
	defer s.client.memory.Release(copies * e.Size)
	message, err := read(open, e.Size)
	if err != nil {
		return err
	}
	for from := 0; from < len(e.To); from += maxTo {
		to := make([]string, 0, maxTo)
		for _, r := range e.To[from:min(from+maxTo, len(e.To))] {
			to = append(to, r.Address)
		}
		out, err := s.client.api.SendEmail(ctx, &sesv2.SendEmailInput{
			FromEmailAddress: &e.From, Destination: &types.Destination{ToAddresses: to},
			Content:              &types.EmailContent{Raw: &types.RawMessage{Data: message}},
			ConfigurationSetName: s.set, EmailTags: s.tags,
		}, func(o *sesv2.Options) { o.RetryMaxAttempts = 1 }) // a call that is made again may send twice
		if err != nil {
			return meaning(err)
		}
		for i := range to {
			results[from+i] = relay.Result{Host: s.client.host, Said: "SES has it as " + aws.ToString(out.MessageId)}
		}
	}
	return nil
}

// read gives the message, in which no CR or LF stands alone.
func read(open func() (io.ReadCloser, error), size int64) ([]byte, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	message := make([]byte, 0, size+1)
	b := bytes.NewBuffer(message)
	if n, err := b.ReadFrom(io.LimitReader(r, size+1)); err != nil || n != size {
		return nil, kinds.Errorf(kinds.Unavailable, "ses: of a message of %d octets %d were read: %w", size, n, err)
	}
	message = b.Bytes()
	for i, c := range message {
		if c == '\n' && (i == 0 || message[i-1] != '\r') || c == '\r' && (i+1 == len(message) || message[i+1] != '\n') {
			return nil, kinds.Errorf(kinds.Invalid, "ses: a CR or LF stands alone in the message")
		}
	}
	return message, nil
}

// meaning is what an error of SES says of a mail: a Reply when it will never take it, else
// what may pass, or what somebody has to put right while the mail waits.
func meaning(err error) error {
	var rejected *types.MessageRejected
	var bad *types.BadRequestException
	switch {
	case errors.As(err, &rejected):
		return relay.Reply{Code: 554, Enhanced: "5.7.1", Text: text("SES rejects the message", rejected.Message)}
	case errors.As(err, &bad):
		return relay.Reply{Code: 554, Enhanced: "5.6.0", Text: text("SES can't read the request", bad.Message)}
	}
	wrapped := awsclient.Err(err, "ses")
	if kinds.Is(wrapped, kinds.Throttled) && !strings.Contains(strings.ToLower(err.Error()), "daily") {
		return wrapped
	}
	// Also of what is wrong here (an account that is suspended, a domain that isn't verified, a
	// configuration set that isn't there, a quota of the day): the mail waits for it.
	return kinds.Errorf(kinds.Unavailable, "ses: %w", err)
}

func text(what string, message *string) string {
	said := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, aws.ToString(message))
	return fmt.Sprintf("%s: %s", what, said[:min(len(said), 500)])
}
