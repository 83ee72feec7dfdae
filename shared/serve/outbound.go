package serve

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/functions"
	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/cloud"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

// wireOutbound makes what sends mail to other hosts, if it is to be sent.
func (s *Service) wireOutbound(mails *spool.Spool) error {
	if s.settings.OutboundWay == settings.OutboundOff {
		return nil
	}
	password, err := secretFile(s.settings.OutboundPasswordFile, "outbound.password-file")
	if err != nil {
		return err
	}
	client, err := secretFile(s.settings.OutboundCertificate, "outbound.smarthost-certificate")
	if err != nil {
		return err
	}
	ways := s.ways(password)
	ways.Client = client
	s.outbound = mails
	s.wireReporter(mails)
	router, err := outbound.NewRouter(s.settings, ways)
	if err != nil {
		return err
	}
	return s.sesEvents(s.sending(mails, queue.Outbound, router))
}

// sesEvents takes the events of SES out of the queue of the settings, if there is one.
func (s *Service) sesEvents(step *outbound.Step) error {
	if s.settings.OutboundSESEvents == "" {
		return nil
	}
	events, err := cloud.OpenQueues(context.Background(), s.settings.OutboundSESRegion)
	if err != nil {
		return err
	}
	s.workers = append(s.workers, &functions.Worker{Queue: events, Name: s.settings.OutboundSESEvents, Handle: step.HandleSES, Receivers: 1, Grace: s.patience(), Log: s.log})
	return nil
}

// Egress is the part of a gateway that brings mail to other hosts directly. It serves nobody
// and runs the step of functions/outbound, so it is no room beside the gateways, who know no
// function.
const Egress = "egress"

// wireEgress makes what sends directly, over AWS. What goes another way the function sends.
func (s *Service) wireEgress(mails *spool.Spool) error {
	if s.settings.OutboundWay == settings.OutboundOff {
		return kinds.Errorf(kinds.Invalid, "an egress has nothing to send while outbound.way (GODWIT_OUTBOUND_WAY) is off")
	}
	st := *s.settings
	st.OutboundUsername = "" // of the smarthost, at which it doesn't log in
	router, err := outbound.NewRouter(&st, s.ways(""))
	if err != nil {
		return err
	}
	router.Smarthost, router.SES = nil, nil
	s.sending(mails, queue.Egress, router).Elsewhere = map[string]string{directory.Smarthost: queue.Outbound, directory.SES: queue.Outbound}
	s.wireReporter(mails)
	return nil
}

// ways is what those who send stand on.
func (s *Service) ways(password string) outbound.Ways {
	return outbound.Ways{Routes: s.directory, Records: s.ports.Records, Resolver: s.resolver, Password: password, Tell: s.tellTLS(), Now: s.options.Now}
}

const (
	// outboundReceivers take jobs that only name mail, which takes no time.
	outboundReceivers = 4
	// outboundHidden is short for the same reason: SQS may hand a job to a call whose process
	// has just ended.
	outboundHidden = 10 * time.Second
)

// sending makes the workers that send the mail which a queue's jobs name.
func (s *Service) sending(mails *spool.Spool, name string, router *outbound.Router) *outbound.Step {
	step := &outbound.Step{Spool: mails, Blobs: blob.Store{Driver: s.ports.Blobs}, Queue: s.ports.Queue, Router: router, Signer: s.keys, Host: s.settings.Hostname,
		Now: s.options.Now, Log: s.log, Metrics: outbound.NewMetrics(s.registry)}
	runner := outbound.NewRunner(step, s.settings.OutboundMails, s.patience())
	work := functions.Worker{Queue: s.ports.Queue, Name: name, Handle: runner.Handle, Receivers: outboundReceivers, Visibility: outboundHidden, Grace: s.patience(), Log: s.log}
	dead := work
	dead.Name, dead.Handle, dead.Receivers = queue.Dead(name), step.HandleDead, 1
	s.workers = append(s.workers, &work, &dead)
	s.background = append(s.background, runner.Run, func(ctx context.Context) { tidy(ctx, router) })
	return step
}

// tellTLS counts how TLS with other hosts went; nil where nobody is told.
func (s *Service) tellTLS() func(relay.Session) {
	if s.tally == nil {
		return nil
	}
	return s.tally.Session
}

// tidyEvery is how often connections that wait for nothing are looked for.
const tidyEvery = 10 * time.Second

func tidy(ctx context.Context, router *outbound.Router) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(tidyEvery):
			router.Tidy(false)
		}
	}
	router.Tidy(true)
}

// secretFile reads a file that is a secret and perhaps the end of a line; "" if there is none.
func secretFile(name, setting string) (string, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(name)
	return strings.TrimRight(string(b), "\r\n"), kinds.Wrap(kinds.Invalid, err, setting)
}

// outgoing is what people see of the mail that is sent, nil if none is.
func (s *Service) outgoing(mails *spool.Spool) *spool.Spool {
	if s.outbound == nil {
		return nil
	}
	return mails
}
