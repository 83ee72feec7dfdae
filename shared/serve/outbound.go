package serve

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-mail/godwit/functions"
	"github.com/godwit-mail/godwit/functions/outbound"
	"github.com/godwit-mail/godwit/shared/blob"
	"github.com/godwit-mail/godwit/shared/directory"
	"github.com/godwit-mail/godwit/shared/kinds"
	"github.com/godwit-mail/godwit/shared/mtasts"
	"github.com/godwit-mail/godwit/shared/queue"
	"github.com/godwit-mail/godwit/shared/relay"
	"github.com/godwit-mail/godwit/shared/resolver"
	"github.com/godwit-mail/godwit/shared/settings"
	"github.com/godwit-mail/godwit/shared/spool"
)

// wireOutbound makes what sends mail to other hosts, if it is to be sent.
func (s *Service) wireOutbound(mails *spool.Spool) error {
	st := s.settings
	if st.OutboundWay == settings.OutboundOff {
		return nil
	}
	router, err := s.router()
	if err != nil {
		return err
	}
	step := &outbound.Step{Spool: mails, Blobs: blob.Store{Driver: s.ports.Blobs}, Queue: s.ports.Queue, Router: router, Signer: s.keys, Host: st.Hostname,
		Now: s.options.Now, Log: s.log, Metrics: outbound.NewMetrics(s.registry)}
	runner := outbound.NewRunner(step, st.OutboundMails, s.patience())
	work := functions.Worker{Queue: s.ports.Queue, Name: queue.Outbound, Handle: runner.Handle, Receivers: outboundReceivers, Grace: s.patience(), Log: s.log}
	dead := work
	dead.Name, dead.Handle, dead.Receivers = queue.Dead(queue.Outbound), step.HandleDead, 1
	s.workers = append(s.workers, &work, &dead)
	s.background = append(s.background, runner.Run, func(ctx context.Context) { tidy(ctx, router) })
	s.outbound = mails
	return nil
}

// outboundReceivers take jobs that only name mail, which takes no time.
const outboundReceivers = 4

// router makes what chooses the way of each mail, and the ways.
func (s *Service) router() (*outbound.Router, error) {
	st := s.settings
	usual := directory.Way{Name: st.OutboundWay}
	if st.OutboundWay == settings.OutboundSmarthost {
		var err error
		if usual, err = smarthost(st); err != nil {
			return nil, err
		}
	}
	dialer := &relay.Dialer{Hello: st.Hostname}
	hosts := &relay.Hosts{Resolver: s.resolver, Self: st.Hostname, Port: uint16(st.OutboundPort), Allow: st.OutboundAllow}
	return &outbound.Router{Routes: s.directory, Now: s.options.Now,
		Default: func(string) directory.Way { return usual },
		Direct:  &relay.Sender{Now: s.options.Now, Dialer: dialer, Hosts: hosts, Policies: s.policies()},
		Smarthost: func(w directory.Way) (outbound.Tidier, error) {
			return outbound.NewRelay(w, dialer, hosts, s.options.Now)
		}}, nil
}

// policies finds what domains ask of TLS (MTA-STS).
func (s *Service) policies() *mtasts.Cache {
	fetcher := &mtasts.Fetcher{Guard: &resolver.Guard{Resolver: s.resolver, Allow: s.settings.OutboundAllow}}
	return &mtasts.Cache{Records: s.ports.Records, Resolver: s.resolver, Fetch: fetcher.Fetch, Now: s.options.Now}
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

// smarthost reads the settings of the host that takes all mail.
func smarthost(st *settings.Settings) (w directory.Way, err error) {
	host, port, err := net.SplitHostPort(st.OutboundSmarthost)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" {
		return w, kinds.Errorf(kinds.Invalid, "outbound.way is smarthost, so outbound.smarthost must name its host and port (relay.example.net:587)")
	}
	w = directory.Way{Name: directory.Smarthost, Host: host, Port: uint16(n), TLS: st.OutboundTLS, Username: st.OutboundUsername}
	if st.OutboundPasswordFile != "" {
		b, err := os.ReadFile(st.OutboundPasswordFile)
		if err != nil {
			return w, kinds.Wrap(kinds.Invalid, err, "outbound.password-file")
		}
		w.Password = strings.TrimRight(string(b), "\r\n")
	}
	if (w.Username == "") != (w.Password == "") {
		return w, kinds.Errorf(kinds.Invalid, "outbound.username and outbound.password-file belong together")
	}
	return w, nil
}

// outgoing is what people see of the mail that is sent, nil if none is.
func (s *Service) outgoing(mails *spool.Spool) *spool.Spool {
	if s.outbound == nil {
		return nil
	}
	return mails
}
